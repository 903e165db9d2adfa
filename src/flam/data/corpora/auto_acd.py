"""Auto-ACD: 1.5 million captions that models wrote for clips of AudioSet and VGGSound."""

from __future__ import annotations

import re
from pathlib import Path

from flam.data.corpora.corpus import Corpus, CorpusItem, OnProblem
from flam.data.corpora.tables import read_table
from flam.data.corpora.youtube import ID_LENGTH, YoutubeClips

_CLIP = re.compile(rf"(?P<video>.{{{ID_LENGTH}}})(?:_(?P<start>\d{{6}}))?")


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """``<split>.csv`` names clips in ``youtube_id``: with six digits of seconds from VGGSound, without from AudioSet.

    A clip without a start is found under any name of a clip of its video, as AudioSet takes one clip of each.
    """
    path = home / f"{split}.csv"
    clips = YoutubeClips(home, on_problem)
    captioned: dict[str, list[str]] = {}
    for row in read_table(path, ("youtube_id", "caption"), on_problem):
        if _CLIP.fullmatch(row["youtube_id"]):
            captioned.setdefault(row["youtube_id"], []).append(row["caption"])
        else:
            on_problem(f"{row.where}: {row['youtube_id']!r} is not <video> or <video>_<six digits>; it is left out")
    items = []
    for name, captions in captioned.items():
        video, start = name[:ID_LENGTH], name[ID_LENGTH + 1 :]
        items.append(
            CorpusItem(
                recording=name,
                path=clips.find(video, int(start)) if start else clips.find_video(video),
                captions=tuple(captions),
                group=f"youtube:{video}",
            )
        )
    return items


CORPUS = Corpus(
    name="Auto-ACD",
    task="captions",
    n_classes=None,
    hours="about 4,200",
    licence="captions: not stated; audio of YouTube users",
    where="https://huggingface.co/datasets/Loie/Auto-ACD",
    tables={"train": "train.csv", "test": "test.csv"},
    reader=read,
    unpacks_to=("Auto-ACD",),
    by_link=True,
    unverified="the column name 'caption'",
)
