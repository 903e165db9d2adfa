"""The report of an evaluation: figures for programs and for text, and one page to look at."""

from flam.benchmark.report.files import write_report

__all__ = ["write_report"]
