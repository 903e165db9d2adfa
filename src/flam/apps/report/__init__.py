"""The report of an evaluation: figures for programs and for text, and one page to look at."""

from flam.apps.report.files import write_report

__all__ = ["write_report"]
