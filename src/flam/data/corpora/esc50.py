"""ESC-50: 2,000 clips of 5 s from Freesound in 50 classes and 5 folds."""

from __future__ import annotations

from pathlib import Path

from flam.data.corpora.corpus import Corpus, CorpusItem, OnProblem
from flam.data.corpora.tables import CorpusRow, read_table

TABLE = "meta/esc50.csv"
PROMPTS = {
    "insects": "flying insects",
    "door_wood_knock": "knocking on a wooden door",
    "door_wood_creaks": "creaking wooden door",
    "can_opening": "opening a can",
    "drinking_sipping": "drinking, sipping",
    "clock_alarm": "alarm clock ringing",
    "clock_tick": "clock ticking",
    "hand_saw": "sawing by hand",
}


def _rows(home: Path, on_problem: OnProblem) -> list[CorpusRow]:
    return read_table(home / TABLE, ("filename", "fold", "target", "category", "esc10", "src_file"), on_problem)


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """Each row of ``meta/esc50.csv`` is a file in ``audio/``; the ten classes of ESC-10 are freer than the rest."""
    return [
        CorpusItem(
            recording=row["filename"],
            path=home / "audio" / row["filename"],
            duration_s=5.0,
            labels=(row["category"],),
            group=f"freesound:{row['src_file']}",
            fold=row["fold"],
            licence="CC BY 3.0" if row["esc10"].strip().lower() == "true" else "CC BY-NC 3.0",
        )
        for row in _rows(home, on_problem)
    ]


def read_classes(home: Path) -> tuple[str, ...]:
    """Categories in the order of their published numbers."""
    numbered = {row["category"]: row["target"].zfill(3) for row in _rows(home, lambda problem: None)}
    return tuple(sorted(numbered, key=lambda category: numbered[category]))


CORPUS = Corpus(
    name="ESC-50",
    task="one class per clip",
    n_classes=50,
    hours="2.8",
    licence="CC BY-NC 3.0; the ESC-10 classes CC BY 3.0",
    where="https://github.com/karolpiczak/ESC-50",
    tables={"all": TABLE},
    reader=read,
    class_reader=read_classes,
    prompts=PROMPTS,
    unpacks_to=("ESC-50-master",),
)
