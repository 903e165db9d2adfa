"""Floor 3: what training and evaluation read: waveform banks, phrase sets, shards."""
