"""Freesound packs: folders of sounds as the site exports them, each with the list of its sounds and licences."""

from __future__ import annotations

import os
import re
from pathlib import Path

from flam.audio import find_recordings
from flam.core import AudioError, read_text
from flam.data.corpora.corpus import Corpus, CorpusError, CorpusItem, OnProblem, licence_name

README = "_readme_and_license.txt"
_SOUND = re.compile(r"(?P<id>\d+)__(?P<user>.+?)__(?P<title>.+)")
_LICENCE = re.compile(r"^(?P<name>[^:\n]+): (?P<address>https?://\S*creativecommons\.org/\S+)\s*$", re.MULTILINE)
_LISTED = re.compile(r"^ *\* (?P<file>.+?) *\n *\* url: .*\n *\* license: (?P<licence>.+?) *$", re.MULTILINE)


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """Sounds are named ``<id>__<user>__<title>.<suffix>``; ``README`` in a pack's folder lists each with its licence.

    Sounds that were downloaded alone, without such a list, have no licence here. A title's words serve as the caption.
    """
    files: dict[Path, str] = {}  # path -> licence, in the order of folders
    for folder, _, names in sorted(os.walk(home)):
        if README in names:
            for file, licence in _listed(Path(folder, README), on_problem).items():
                files[Path(folder, file)] = licence
    try:
        for path in find_recordings([home], on_problem):
            if _SOUND.fullmatch(path.stem):
                files.setdefault(path, "")
    except AudioError as error:
        raise CorpusError(str(error)) from error
    items = []
    for path, licence in files.items():
        sound = _SOUND.fullmatch(path.stem)
        if sound is None:
            on_problem(f"{path}: the list of its pack names it, but not as <id>__<user>__<title>; it is left out")
            continue
        items.append(
            CorpusItem(
                recording=path.relative_to(home).as_posix(),
                path=path,
                captions=(" ".join(re.split(r"[-_\s]+", sound["title"].lower())).strip(),),
                group=f"freesound:{sound['id']}",
                licence=licence,
            )
        )
    return items


def _listed(path: Path, on_problem: OnProblem) -> dict[str, str]:
    """File name -> short name of its licence."""
    text = read_text(path, CorpusError).replace("\r\n", "\n")
    addresses = {match["name"].strip(): match["address"] for match in _LICENCE.finditer(text)}
    listed = {
        match["file"]: licence_name(addresses.get(match["licence"], match["licence"]))
        for match in _LISTED.finditer(text)
    }
    if not listed:
        on_problem(f"{path}: lists no sounds; their licences are not known")
    return listed


CORPUS = Corpus(
    name="Freesound",
    task="titles",
    n_classes=None,
    hours="as downloaded",
    licence="per file: CC0, CC BY, CC BY-NC, CC Sampling+",
    where="https://freesound.org (packs)",
    tables={"all": "."},
    reader=read,
)
