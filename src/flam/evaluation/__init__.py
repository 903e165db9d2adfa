"""Metrics, computed from tables of scores alone."""
