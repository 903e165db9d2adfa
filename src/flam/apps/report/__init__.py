"""The report of an evaluation: figures for programs and for text, and one page to look at."""
