"""The two towers, the heads and the score; checkpoints."""
