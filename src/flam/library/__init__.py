"""Clip tables: gathered, scanned, measured, split into groups; and the stores that hold their sound."""
