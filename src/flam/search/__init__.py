"""Search in archives of recordings: encoded once, then any words are answered in seconds, with exact times."""

from flam.search.archive import Archive
from flam.search.filters import Filters
from flam.search.query import Query
from flam.search.recordings import Recording
from flam.search.spans import Span

__all__ = ["Archive", "Filters", "Query", "Recording", "Span"]
