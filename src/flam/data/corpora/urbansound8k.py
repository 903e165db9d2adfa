"""UrbanSound8K: 8,732 excerpts of at most 4 s from Freesound, 10 classes of city sounds, 10 folds."""

from __future__ import annotations

from pathlib import Path

from flam.data.corpora.corpus import Corpus, CorpusItem, OnProblem
from flam.data.corpora.tables import number_of, read_table

TABLE = "metadata/UrbanSound8K.csv"
CLASSES = (
    "air_conditioner",
    "car_horn",
    "children_playing",
    "dog_bark",
    "drilling",
    "engine_idling",
    "gun_shot",
    "jackhammer",
    "siren",
    "street_music",
)
PROMPTS = {"dog_bark": "dog barking", "gun_shot": "gunshot"}


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """Each row of ``metadata/UrbanSound8K.csv`` is a file in ``audio/fold<n>/``."""
    items = []
    for row in read_table(home / TABLE, ("slice_file_name", "fsID", "start", "end", "fold", "class"), on_problem):
        start_s = number_of(row, "start", on_problem)
        end_s = None if start_s is None else number_of(row, "end", on_problem)
        if start_s is None or end_s is None:
            continue
        name, fold = row["slice_file_name"], row["fold"]
        items.append(
            CorpusItem(
                recording=name,
                path=home / "audio" / f"fold{fold}" / name,
                duration_s=max(0.0, end_s - start_s),
                labels=(row["class"],),
                group=f"freesound:{row['fsID']}",
                fold=fold,
                licence="CC BY-NC 3.0",
            )
        )
    return items


CORPUS = Corpus(
    name="UrbanSound8K",
    task="one class per clip",
    n_classes=len(CLASSES),
    hours="8.8",
    licence="CC BY-NC 3.0",
    where="https://urbansounddataset.weebly.com/urbansound8k.html",
    tables={"all": TABLE},
    reader=read,
    class_reader=lambda home: CLASSES,
    prompts=PROMPTS,
    unpacks_to=("UrbanSound8K",),
)
