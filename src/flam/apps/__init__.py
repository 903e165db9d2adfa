"""Floor 5: the command line, pictures and everything else that people touch; nothing imports it."""
