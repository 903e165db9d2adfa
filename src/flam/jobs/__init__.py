"""Work over many recordings: inputs, outputs, what is finished, progress."""
