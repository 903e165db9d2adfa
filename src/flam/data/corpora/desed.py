"""DESED: 10 s of sounds at home in 10 classes; real and synthetic sets for training, validation and evaluation."""

from __future__ import annotations

import re
from pathlib import Path

from flam.annotations.parsing import is_missing
from flam.core import Event
from flam.data.corpora.corpus import Corpus, CorpusItem, OnProblem
from flam.data.corpora.tables import CorpusRow, classes_of, number_of, read_strong, read_table

CLASSES = (
    "Alarm_bell_ringing",
    "Blender",
    "Cat",
    "Dishes",
    "Dog",
    "Electric_shaver_toothbrush",
    "Frying",
    "Running_water",
    "Speech",
    "Vacuum_cleaner",
)
PROMPTS = {
    "Cat": "cat meowing",
    "Dishes": "dishes clattering",
    "Dog": "dog barking",
    "Electric_shaver_toothbrush": "electric shaver or electric toothbrush",
}
# split -> (table, folder of audio, table of durations); all below the folder that DCASE calls dataset/
PLACES = {
    "validation": (
        "metadata/validation/validation.tsv",
        "audio/validation/validation",
        "metadata/validation/validation_durations.tsv",
    ),
    "public": ("metadata/eval/public.tsv", "audio/eval/public", "metadata/eval/public_durations.tsv"),
    "synthetic21_validation": (
        "metadata/validation/synthetic21_validation/soundscapes.tsv",
        "audio/validation/synthetic21_validation/soundscapes",
        "metadata/validation/synthetic21_validation/durations.tsv",
    ),
    "synthetic21_train": (
        "metadata/train/synthetic21_train/soundscapes.tsv",
        "audio/train/synthetic21_train/soundscapes",
        "metadata/train/synthetic21_train/durations.tsv",
    ),
    "strong": ("metadata/train/audioset_strong.tsv", "audio/train/strong_label_real", ""),
    "weak": ("metadata/train/weak.tsv", "audio/train/weak", ""),
}

# Y<id>_<start>_<end>, the Y only in newer tables; synthetic soundscapes have numbers
_CLIP = re.compile(r"(?:Y(?=.{11}_[\d.]+_[\d.]+$))?(?P<video>.{11})_[\d.]+_[\d.]+")


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """The tables name each file; ``weak.tsv`` has labels only (filename, event_labels), the others have times."""
    table, folder, durations = PLACES[split]
    audio = home / folder
    if split == "validation" and not audio.exists():
        audio = home / "audio/validation"  # as DESED was until 2020
    lengths = _durations(home / durations, on_problem) if durations and (home / durations).exists() else {}
    if split == "weak":
        weak = read_table(home / table, ("filename", "event_labels"), on_problem, "\t")
        return [_item(audio, row["filename"], None, _labels(row), lengths) for row in weak]
    return [
        _item(audio, name, events, classes_of(events), lengths)
        for name, events in read_strong(home / table, on_problem).items()
    ]


def _item(
    audio: Path, name: str, events: tuple[Event, ...] | None, labels: tuple[str, ...], lengths: dict[str, float]
) -> CorpusItem:
    stem = name.removesuffix(".wav")
    clip = _CLIP.fullmatch(stem)
    return CorpusItem(
        recording=name,
        path=audio / name,
        duration_s=lengths.get(name),
        events=events,
        labels=labels,
        group=f"youtube:{clip['video']}" if clip else f"desed:{stem}",
    )


def _labels(row: CorpusRow) -> tuple[str, ...]:
    return tuple(label.strip() for label in row["event_labels"].split(",") if not is_missing(label))


def _durations(path: Path, on_problem: OnProblem) -> dict[str, float]:
    rows = read_table(path, ("filename", "duration"), on_problem, "\t")
    known = ((row["filename"], number_of(row, "duration", on_problem)) for row in rows)
    return {name: seconds for name, seconds in known if seconds is not None}


CORPUS = Corpus(
    name="DESED",
    task="strong labels",
    n_classes=len(CLASSES),
    hours="3.2 validation, 1.9 public",
    licence="per file, in the archives",
    where="https://project.inria.fr/desed, https://zenodo.org/record/3588172 (public evaluation)",
    tables={split: table for split, (table, _, _) in PLACES.items()},
    reader=read,
    class_reader=lambda home: CLASSES,
    prompts=PROMPTS,
    unpacks_to=("dataset",),
    unverified="the name of the durations table of the public evaluation set",
)
