"""VGGSound: 200,000 clips of 10 s from YouTube in 309 classes."""

from __future__ import annotations

from pathlib import Path

from flam.data.corpora.corpus import Corpus, CorpusItem, OnProblem
from flam.data.corpora.tables import CorpusRow, number_of, read_table
from flam.data.corpora.youtube import YoutubeClips

TABLE = "vggsound.csv"
SPLITS = ("train", "test")
PROMPTS = {"eletric blender running": "electric blender running"}


def _rows(home: Path, on_problem: OnProblem) -> list[CorpusRow]:
    return read_table(home / TABLE, ("video", "start", "label", "split"), on_problem, has_header=False)


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """``vggsound.csv`` has no header; its rows are video, start in seconds, class and split."""
    clips = YoutubeClips(home, on_problem)
    items = []
    for row in _rows(home, on_problem):
        if row["split"] not in SPLITS:
            on_problem(f"{row.where}: split {row['split']!r} is not one of {', '.join(SPLITS)}; the row is left out")
        if row["split"] != split:
            continue
        start_s = number_of(row, "start", on_problem)
        if start_s is None:
            continue
        items.append(
            CorpusItem(
                recording=f"{row['video']}_{int(start_s):06d}",
                path=clips.find(row["video"], start_s),
                labels=(row["label"],),
                group=f"youtube:{row['video']}",
            )
        )
    return items


def read_classes(home: Path) -> tuple[str, ...]:
    """The classes that the table names, in alphabetical order."""
    return tuple(sorted({row["label"] for row in _rows(home, lambda problem: None)}))


CORPUS = Corpus(
    name="VGGSound",
    task="one class per clip",
    n_classes=309,
    hours="about 550",
    licence="labels CC BY 4.0; audio of YouTube users",
    where="https://www.robots.ox.ac.uk/~vgg/data/vggsound",
    tables=dict.fromkeys(SPLITS, TABLE),
    reader=read,
    class_reader=read_classes,
    prompts=PROMPTS,
    by_link=True,
)
