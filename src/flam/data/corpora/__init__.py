"""Public corpora in their published layouts: what they hold, what of them is on the disk, and manifests of them."""

from flam.data.corpora.check import CorpusReport, SplitReport, Tally, check_corpus
from flam.data.corpora.corpus import Corpus, CorpusError, CorpusItem
from flam.data.corpora.manifest import write_manifest, write_strong_labels
from flam.data.corpora.registry import CORPORA, find_corpus

__all__ = [
    "CORPORA",
    "Corpus",
    "CorpusError",
    "CorpusItem",
    "CorpusReport",
    "SplitReport",
    "Tally",
    "check_corpus",
    "find_corpus",
    "write_manifest",
    "write_strong_labels",
]
