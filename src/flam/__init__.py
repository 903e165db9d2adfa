"""FLAM: open-vocabulary sound detection. Give it a recording and words, it tells when each sound happens."""

__version__ = "0.1.0"
