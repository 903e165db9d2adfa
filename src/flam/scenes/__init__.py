"""Scenes with exact labels: drawn as plans, rendered to sound, captioned."""
