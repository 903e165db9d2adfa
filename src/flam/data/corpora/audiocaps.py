"""AudioCaps: captions for AudioSet clips of 10 s; one for each in training, five for each in validation and test."""

from __future__ import annotations

from pathlib import Path

from flam.data.corpora.corpus import Corpus, CorpusItem, OnProblem
from flam.data.corpora.tables import CorpusRow, number_of, read_table
from flam.data.corpora.youtube import YoutubeClips

COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")
TABLES = {
    **{split: f"dataset/{split}.csv" for split in ("train", "val", "test")},
    **{f"{split}-2.0": f"dataset2.0/{split}.csv" for split in ("train", "val", "test")},
}


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """``<table>`` has a row for each caption; the captions of a clip belong together and keep their order."""
    rows: dict[tuple[str, float], list[CorpusRow]] = {}
    for row in read_table(home / TABLES[split], COLUMNS, on_problem):
        start_s = number_of(row, "start_time", on_problem)
        if start_s is not None:
            rows.setdefault((row["youtube_id"], start_s), []).append(row)
    clips = YoutubeClips(home, on_problem)
    return [
        CorpusItem(
            recording=f"{video}_{start_s:g}",
            path=clips.find(video, start_s, other_stems=tuple(row["audiocap_id"] for row in captioned)),
            captions=tuple(row["caption"] for row in captioned),
            group=f"youtube:{video}",
        )
        for (video, start_s), captioned in rows.items()
    ]


CORPUS = Corpus(
    name="AudioCaps",
    task="captions",
    n_classes=None,
    hours="about 140",
    licence="captions MIT; audio of YouTube users",
    where="https://github.com/cdjkim/audiocaps",
    tables=TABLES,
    reader=read,
    unpacks_to=("audiocaps", "audiocaps-master"),
    by_link=True,
)
