"""flam-mini: how the small model that ships with the package is made, from distillation to its card."""
