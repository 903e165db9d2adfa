"""Floor 4: how the models are trained."""
