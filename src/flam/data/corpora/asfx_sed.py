"""ASFX-SED: scenes of effects from Adobe's Audition library, the open-vocabulary test set of FLAM's authors."""

from __future__ import annotations

from pathlib import Path

from flam.data.corpora.corpus import Corpus, CorpusItem, OnProblem
from flam.data.corpora.tables import classes_of, read_strong

TABLE = "metadata.tsv"


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """``metadata.tsv`` (filename, onset, offset, event_label; tabs) names each event and its file in ``audio/``.

    The labels are free texts. No layout of this set was found published: this is the one of the DCASE challenges, into
    which a copy has to be brought.
    """
    return [
        CorpusItem(name, home / "audio" / name, events=events, labels=classes_of(events), group=f"asfx:{name}")
        for name, events in read_strong(home / TABLE, on_problem).items()
    ]


CORPUS = Corpus(
    name="ASFX-SED",
    task="strong labels, free texts",
    n_classes=None,
    hours="not known",
    licence="not known",
    where="the authors of FLAM, https://arxiv.org/abs/2505.05335",
    tables={"test": TABLE},
    reader=read,
    unverified="everything: no publication of the files was found, this reader expects the layout of DCASE",
)
