"""Floor 2: metrics, from tables of scores alone."""
