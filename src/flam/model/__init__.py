"""Floor 2: the two towers, the heads and the score; checkpoints."""
