"""Clotho: clips of 15 to 30 s from Freesound with five captions each."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from flam.core import read_text
from flam.data.corpora.corpus import Corpus, CorpusError, CorpusItem, OnProblem, licence_name
from flam.data.corpora.tables import CorpusRow, placed_rows, read_table, rows_of

SPLITS = ("development", "validation", "evaluation")
CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """``clotho_captions_<split>.csv`` names each file and its captions, ``clotho_metadata_<split>.csv`` its origin.

    File names are those of Freesound's users: with commas, brackets, accents, and spaces at both ends.
    """
    folders = [home / name for name in (split, f"clotho_audio_{split}")]
    audio = next((folder for folder in folders if folder.is_dir()), folders[0])
    on_disk = {unicodedata.normalize("NFC", path.name): path for path in audio.iterdir()} if audio.is_dir() else {}
    origins = _origins(home / f"clotho_metadata_{split}.csv", on_problem)
    captioned = read_table(
        home / f"clotho_captions_{split}.csv", ("file_name", *CAPTIONS), on_problem, keeps_spaces=True
    )
    items = []
    for row in captioned:
        name = row["file_name"]
        origin = origins.get(name.strip())
        sound = origin["sound_id"].strip() if origin else ""
        items.append(
            CorpusItem(
                recording=name,
                path=on_disk.get(unicodedata.normalize("NFC", name), audio / name),
                captions=tuple(row[column].strip() for column in CAPTIONS if row[column].strip()),
                group=f"freesound:{sound}" if sound.isdecimal() else f"clotho:{name}",
                licence=licence_name(origin["license"]) if origin else "",
            )
        )
    return items


def _origins(path: Path, on_problem: OnProblem) -> dict[str, CorpusRow]:
    """Rows of the metadata by file name; none where the table is missing, for captions are complete without."""
    if not path.exists():
        on_problem(f"{path}: is missing, so no recording has a licence or an upload to group by")
        return {}
    rows = rows_of(placed_rows(_text(path), path, ","), path, ("file_name", "sound_id", "license"), on_problem)
    return {row["file_name"]: row for row in rows}


def _text(path: Path) -> str:
    """The published metadata are in Windows' encoding of Western Europe, not in UTF-8."""
    try:
        return read_text(path, CorpusError)
    except CorpusError as error:
        if not isinstance(error.__cause__, UnicodeDecodeError):
            raise
        return path.read_bytes().decode("cp1252", "replace")


CORPUS = Corpus(
    name="Clotho",
    task="captions",
    n_classes=None,
    hours="about 37",
    licence="per file, Creative Commons; captions Tampere University, non-commercial",
    where="https://zenodo.org/record/4783391",
    tables={split: f"clotho_captions_{split}.csv" for split in SPLITS},
    reader=read,
)
