"""URBAN-SED: 10,000 synthetic soundscapes of 10 s, strong labels of the 10 classes of UrbanSound8K."""

from __future__ import annotations

from pathlib import Path

from flam.data.corpora.corpus import Corpus, CorpusItem, OnProblem
from flam.data.corpora.tables import classes_of, read_strong_file, readable
from flam.data.corpora.urbansound8k import CLASSES, PROMPTS


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """Each ``annotations/<split>/<name>.txt`` (start, end, label; tabs, no header) is of ``audio/<split>/<name>.wav``.

    The JAMS files beside them say the same, and how to make the soundscape again; they are not read.
    """
    items = []
    paths = sorted((home / "annotations" / split).glob("[!.]*.txt"))
    for path, events in readable(paths, lambda path: read_strong_file(path, n_cells=3), on_problem):
        items.append(
            CorpusItem(
                recording=path.stem,
                path=home / "audio" / split / f"{path.stem}.wav",
                duration_s=10.0,
                events=events,
                labels=classes_of(events),
                group=f"urbansed:{path.stem}",
                licence="CC BY 4.0",
            )
        )
    return items


CORPUS = Corpus(
    name="URBAN-SED",
    task="strong labels",
    n_classes=len(CLASSES),
    hours="27.8",
    licence="CC BY 4.0",
    where="https://zenodo.org/record/1324404",
    tables={split: f"annotations/{split}" for split in ("train", "validate", "test")},
    reader=read,
    class_reader=lambda home: CLASSES,
    prompts=PROMPTS,
    unpacks_to=("URBAN-SED_v2.0.0", "URBAN-SED"),
)
