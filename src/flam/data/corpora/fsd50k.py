"""FSD50K: 51,197 clips from Freesound with one or more of 200 classes of AudioSet's ontology."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flam.core import parse_json, read_text
from flam.data.corpora.corpus import Corpus, CorpusError, CorpusItem, OnProblem, licence_name
from flam.data.corpora.tables import read_table

TABLES = {
    split: f"FSD50K.ground_truth/{'eval' if split == 'eval' else 'dev'}.csv" for split in ("train", "val", "eval")
}
VOCABULARY = "FSD50K.ground_truth/vocabulary.csv"


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """``dev.csv`` holds train and val, ``eval.csv`` the rest; ``fname`` is a Freesound id, ``labels`` a list.

    Labels come with their parents in the ontology, the most specific first. Licences are in ``FSD50K.metadata``.
    """
    part = "eval" if split == "eval" else "dev"
    columns = ("fname", "labels") if part == "eval" else ("fname", "labels", "split")
    info = _info(home / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json", on_problem)
    items = []
    for row in read_table(home / TABLES[split], columns, on_problem):
        if part == "dev" and row["split"] not in ("train", "val"):
            on_problem(f"{row.where}: split {row['split']!r} is neither train nor val; the row is left out")
        if part == "dev" and row["split"] != split:
            continue
        name = row["fname"]
        clip = info.get(name)
        items.append(
            CorpusItem(
                recording=name,
                path=home / f"FSD50K.{part}_audio" / f"{name}.wav",
                labels=tuple(label.strip() for label in row["labels"].split(",") if label.strip()),
                group=f"freesound:{name}",
                licence=licence_name(str(clip.get("license", ""))) if isinstance(clip, dict) else "",
            )
        )
    return items


def _info(path: Path, on_problem: OnProblem) -> dict[str, Any]:
    if not path.exists():
        on_problem(f"{path}: is missing, so no clip has a licence")
        return {}
    info = parse_json(read_text(path, CorpusError), str(path), CorpusError, "get it again")
    if not isinstance(info, dict):
        raise CorpusError(f"{path}: is not an object of clips; get it again")
    return info


def read_classes(home: Path) -> tuple[str, ...]:
    """``vocabulary.csv`` has no header; its rows are number, class and machine id."""
    rows = read_table(home / VOCABULARY, ("index", "label", "mid"), lambda problem: None, has_header=False)
    return tuple(row["label"] for row in rows)


CORPUS = Corpus(
    name="FSD50K",
    task="classes per clip, several",
    n_classes=200,
    hours="108.3",
    licence="per file: CC0, CC BY, CC BY-NC, CC Sampling+; labels CC BY 4.0",
    where="https://zenodo.org/record/4060432",
    tables=TABLES,
    reader=read,
    class_reader=read_classes,
    comma="_and_",
    unpacks_to=("FSD50K",),
    first_label_is_main=True,
)
