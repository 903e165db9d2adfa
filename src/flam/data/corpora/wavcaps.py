"""WavCaps: 400,000 recordings of four sources with captions that a language model drew from their descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flam.audio import find_recordings
from flam.core import AudioError, parse_json, read_text
from flam.data.corpora.corpus import Corpus, CorpusError, CorpusItem, OnProblem
from flam.data.corpora.youtube import video_of

# split -> (table, licence, what the blacklists call it); the splits are named as the folders of the release are
SOURCES = {
    "AudioSet_SL": ("json_files/AudioSet_SL/as_final.json", "academic use; audio of YouTube users", "AudioSet"),
    "BBC_Sound_Effects": ("json_files/BBC_Sound_Effects/bbc_final.json", "academic use; RemArc licence", ""),
    "FreeSound": ("json_files/FreeSound/fsd_final.json", "academic use; per file at freesound.org", "FreeSound"),
    "SoundBible": ("json_files/SoundBible/sb_final.json", "academic use; per file at soundbible.com", ""),
}
BLACKLISTS = "json_files/blacklist"
ON_A_BLACKLIST = "evaluation"


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """Each object under ``data`` of a source's JSON is a recording; ``<id>.flac`` lies anywhere in the source's folder.

    That folder is ``audio/<source>``, ``Zip_files/<source>``, ``<source>_flac`` or ``<source>``, and ids are unique
    only within it. A recording on one of the blacklists that the authors publish, because a test set of another corpus
    holds it too, has the fold ``evaluation``.
    """
    table, licence, blacklisted_as = SOURCES[split]
    objects = _objects(home / table)
    blacklist = _blacklist(home, blacklisted_as)
    folders = [home / "audio" / split, home / "Zip_files" / split, home / f"{split}_flac", home / split]
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    on_disk = _by_stem(folder, on_problem)
    items = []
    for number, entry in enumerate(objects):
        identity, caption = (entry.get(key) if isinstance(entry, dict) else None for key in ("id", "caption"))
        if not (isinstance(identity, str) and identity and isinstance(caption, str) and caption.strip()):
            on_problem(f"{home / table}, object {number}: no id or no caption, as texts; it is left out")
            continue
        stem = identity.removesuffix(".wav")
        items.append(
            CorpusItem(
                recording=f"{split}/{stem}",
                path=on_disk.get(stem, folder / f"{stem}.flac"),
                duration_s=_seconds(entry.get("duration")),
                captions=(caption.strip(),),
                group=_group(split, stem),
                fold=ON_A_BLACKLIST if identity in blacklist else "",
                licence=licence,
            )
        )
    return items


def _objects(path: Path) -> list[Any]:
    content = parse_json(read_text(path, CorpusError), str(path), CorpusError, "get it again")
    objects = content.get("data") if isinstance(content, dict) else content  # a bare list at first, later under "data"
    if not isinstance(objects, list):
        raise CorpusError(f"{path}: holds no list of recordings under 'data'; get it again")
    return objects


def _blacklist(home: Path, source: str) -> set[str]:
    ids: set[str] = set()
    for path in sorted((home / BLACKLISTS).glob("[!.]*.json")) if source else []:
        try:
            lists = parse_json(read_text(path, CorpusError), str(path), CorpusError, "get it again or remove it")
            ids.update(lists.get(source, []))
        except (AttributeError, TypeError) as error:
            # going on would train on what other corpora test with
            raise CorpusError(f"{path}: is not a blacklist of WavCaps ({error}); get it again or remove it") from error
    return ids


def _by_stem(folder: Path, on_problem: OnProblem) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    try:
        return {path.stem: path for path in find_recordings([folder], on_problem)}
    except AudioError as error:
        raise CorpusError(str(error)) from error


def _seconds(value: Any) -> float | None:
    try:
        return float(value) if 0 < float(value) < float("inf") else None
    except (TypeError, ValueError):
        return None


def _group(split: str, stem: str) -> str:
    if split == "AudioSet_SL":
        return f"youtube:{video_of(stem) or stem}"
    return f"{split.lower().removesuffix('_sound_effects')}:{stem}"


CORPUS = Corpus(
    name="WavCaps",
    task="captions",
    n_classes=None,
    hours="about 7,600",
    licence="academic use only",
    where="https://huggingface.co/datasets/cvssp/WavCaps",
    tables={split: table for split, (table, _, _) in SOURCES.items()},
    reader=read,
    unpacks_to=("WavCaps",),
    unverified="the folders in which the archives of audio unpack; four are tried, and all below them",
)
