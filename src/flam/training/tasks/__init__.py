"""The tasks, one file for each kind that a recipe can name."""
