"""AudioSet-Strong: clips of 10 s from YouTube with times of 456 classes of sound."""

from __future__ import annotations

from pathlib import Path

from flam.core import read_text
from flam.data.corpora.corpus import Corpus, CorpusError, CorpusItem, OnProblem
from flam.data.corpora.tables import classes_of, placed_rows, read_strong
from flam.data.corpora.youtube import YoutubeClips

COLUMNS = ("segment_id", "start_time_seconds", "end_time_seconds", "label")
NAMES = "mid_to_display_name.tsv"


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """``audioset_<split>_strong.tsv`` has times within each clip and machine ids of classes, ``NAMES`` their names.

    A segment's id is the video's, an underscore, and the clip's start in milliseconds.
    """
    path = home / f"audioset_{split}_strong.tsv"
    clips = YoutubeClips(home, on_problem)
    items = []
    for segment, events in read_strong(path, on_problem, COLUMNS, read_names(home)).items():
        video, _, start_ms = segment.rpartition("_")
        if not (video and start_ms.isdecimal()):
            on_problem(f"{path}: segment {segment!r} is not <video>_<milliseconds>; it is left out")
            continue
        items.append(
            CorpusItem(
                recording=segment,
                path=clips.find(video, int(start_ms) / 1000),
                events=events,
                labels=classes_of(events),
                group=f"youtube:{video}",
            )
        )
    return items


def read_names(home: Path) -> dict[str, str]:
    """Machine id -> display name, from the corpus' own table, which has no header.

    Raises
    ------
    CorpusError
        the table is missing, or a row of it is not an id and a name
    """
    path = home / NAMES
    names = {}
    for where, cells in placed_rows(read_text(path, CorpusError), path, "\t"):
        if len(cells) != 2 or not all(cells):
            raise CorpusError(f"{where}: {cells!r} is not a machine id and a name; get {NAMES} again")
        names[cells[0].strip()] = cells[1].strip()
    return names


CORPUS = Corpus(
    name="AudioSet-Strong",
    task="strong labels",
    n_classes=456,
    hours="287 train, 47 eval",
    licence="labels CC BY 4.0; audio of YouTube users",
    where="https://research.google.com/audioset/download_strong.html",
    tables={"eval": "audioset_eval_strong.tsv", "train": "audioset_train_strong.tsv"},
    reader=read,
    class_reader=lambda home: tuple(dict.fromkeys(read_names(home).values())),
    by_link=True,
)
