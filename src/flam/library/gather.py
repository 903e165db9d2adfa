"""Gathering the clips of a library: from folders, with the text beside the audio, and from manifests."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from flam.audio import find_recordings
from flam.core import AudioError, ConfigError, FlamError, parse_json, read_text
from flam.library.source_library import KINDS, SourceClip, read_manifest

FEWEST_WORDS, MOST_WORDS = 2, 13

_AUDIO_SUFFIX = re.compile(r"\.(?:wave?|flac|og[ga]|opus|mp[34]|aiff?|m4a|caf|w64|webm|aac|wma)\b", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NUMBERED = re.compile(r"^([^\W\d_]{3,})\d+$")
_NOT_WORD = re.compile(r"[^\w'’]+|_+")
_TECHNICAL_WORDS = """
    wav wave flac ogg mp3 aif aiff m4a opus audio file sample samples sfx snd fx foley mono stereo loop looped
    loopable take final edit edited mix master mastered copy untitled freesound khz hz bit kbps
"""
_SHORT_NOUNS = "tv pc hi ox dj"
_FUNCTION_WORDS = "a i an in on of to by at is it up no or my as"
_TECHNICAL, _NOUNS = frozenset(_TECHNICAL_WORDS.split()), frozenset(_SHORT_NOUNS.split())
_FUNCTION = frozenset(_FUNCTION_WORDS.split())
MOST_ABOUT_CHARACTERS = 500
SIDECAR_TEXTS = ("label", "caption", "kind", "group", "fold", "source", "licence")
ABOUT_KEYS = ("title", "name", "description", "tags", "keywords")

_LABEL_TRACK = re.compile(r"^\s*\d+(\.\d+)?\t\d+(\.\d+)?(\t|$)")
_VARIANT = re.compile(r"[\s_\-.(\[]*(?:take|var|variant|version|alt|v)?[\s_\-.(\[]*\d+[\s)\]]*$", re.IGNORECASE)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LibraryConfig:
    """How clips of folders are named, grouped and given a role; what a manifest or a sidecar says comes before it.

    Parameters
    ----------
    label_from : Literal['none', 'folder', 'name'], default "none"
        what tells the label of a clip: nothing, the folder it lies in, or its file name
    group_from : Literal['folder', 'name', 'file'], default "name"
        clips that must not be split share the folder, the file name without its last number, or nothing
    event_below_s : float, default 10.0
        a shorter clip is an event
    background_from_s : float, default 10.0
        a clip this long or longer that speaks of one of ``background_words`` is a background; what is neither event nor
        background is of kind "other" and not drawn
    background_words : tuple[str, ...], optional
        as they stand in paths, labels, captions and descriptions
    source, licence : str, default ""
        of clips for which nobody says; an empty source is the name of the scanned folder
    relative_threshold_db : float, default 35.0
        a moment this far below the clip's loudest one is inactive
    """

    label_from: Literal["none", "folder", "name"] = "none"
    group_from: Literal["folder", "name", "file"] = "name"
    event_below_s: float = 10.0
    background_from_s: float = 10.0
    background_words: tuple[str, ...] = (
        "ambience",
        "ambiance",
        "ambient",
        "atmosphere",
        "atmos",
        "background",
        "room tone",
        "soundscape",
    )
    source: str = ""
    licence: str = ""
    relative_threshold_db: float = 35.0


@dataclass(frozen=True)
class FoundClip:
    """A clip before it is measured: ``clip.kind`` is empty where nobody said; ``about`` is what people wrote of it."""

    clip: SourceClip
    about: str


def gather_clips(
    inputs: Sequence[str | Path], config: LibraryConfig, on_problem: Callable[[str], None] = logger.warning
) -> list[FoundClip]:
    """List the clips of folders, audio files and manifests, each file once.

    Beside ``dog.wav``, ``dog.txt`` holds a description and ``dog.json`` any of label, caption, kind, group, fold,
    source, licence, title, description and tags.

    Parameters
    ----------
    inputs : Sequence[str | Path]
        folders, which are searched with everything below them; audio files; manifests, which end in .csv
    config : LibraryConfig
        rules for what folders and files don't say
    on_problem : Callable[[str], None], optional
        called with a line for what can't be read; the rest is gathered

    Returns
    -------
    list[FoundClip]
        list of FoundClip by id; ids are the path from the named folder on, without suffix

    Raises
    ------
    ConfigError
        an input that does not exist, a manifest that can't be read, or no clip at all

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "dogs").mkdir()
    ...     for name in ("bark_1.wav", "bark_2.wav"):
    ...         _ = Path(folder, "dogs", name).write_bytes(b"")
    ...     found = gather_clips([Path(folder, "dogs")], LibraryConfig(label_from="name"))
    >>> [(f.clip.clip_id, f.clip.label, f.clip.group) for f in found]
    [('dogs/bark_1', 'bark', 'dogs/bark'), ('dogs/bark_2', 'bark', 'dogs/bark')]
    """
    by_file: dict[str, FoundClip] = {}
    for entry in map(Path, inputs):
        for found in _manifest_clips(entry) if entry.suffix.lower() == ".csv" else _files(entry, config, on_problem):
            by_file.setdefault(os.path.realpath(found.clip.path), found)
    if not by_file:
        raise ConfigError(f"{', '.join(map(str, inputs))}: no audio files in there or below; check the path")
    return sorted(_unique_ids(list(by_file.values())), key=lambda found: found.clip.clip_id)


def settled_kind(kind: str, duration_s: float, texts: Sequence[str], config: LibraryConfig) -> str:
    """The role of a clip: what somebody said it is, else by its length and what is written of it.

    Examples
    --------
    >>> settled_kind("", 4.0, [], LibraryConfig()), settled_kind("", 60.0, ["Forest_Ambience.wav"], LibraryConfig())
    ('event', 'background')
    >>> settled_kind("", 60.0, ["interview"], LibraryConfig()), settled_kind("music", 60.0, [], LibraryConfig())
    ('other', 'music')
    """
    if kind:
        return kind
    if duration_s >= config.background_from_s:
        written = f" {' '.join(plain_words(text) for text in texts)} "
        if any(f" {word} " in written for word in config.background_words):
            return "background"
    return "event" if duration_s < config.event_below_s else "other"


def _manifest_clips(path: Path) -> Iterator[FoundClip]:
    for clip in read_manifest(path):
        yield FoundClip(clip, "")


def _files(root: Path, config: LibraryConfig, on_problem: Callable[[str], None]) -> Iterator[FoundClip]:
    """The clips of one folder or file."""
    is_folder = os.path.isdir(root)
    name = Path(os.path.abspath(root)).name
    try:
        for path in find_recordings([root], on_problem):
            if not _is_utf8(path):
                on_problem(f"{path!s:.200}: its name is not UTF-8, which a table can't hold; rename the file")
                continue
            relative = Path(name) / path.relative_to(root) if is_folder else Path(path.name)
            yield _with_sidecars(_by_rule(path, relative, config), on_problem)
    except AudioError as error:
        raise ConfigError(str(error)) from error


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _by_rule(path: Path, relative: Path, config: LibraryConfig) -> SourceClip:
    inside = relative.with_suffix("").as_posix()
    stem = _VARIANT.sub("", relative.stem) or relative.stem
    folder = relative.parent.as_posix()
    label = {"none": "", "folder": plain_words(relative.parent.name), "name": plain_words(stem)}[config.label_from]
    group = {"folder": folder, "name": f"{folder}/{stem.casefold()}", "file": inside}[config.group_from]
    source = config.source or (relative.parts[0] if len(relative.parts) > 1 else "")
    return SourceClip(inside, path, label, "", "", group, "", source, config.licence)


def _with_sidecars(clip: SourceClip, on_problem: Callable[[str], None]) -> FoundClip:
    about: list[str] = []
    try:
        text_path, json_path = clip.path.with_suffix(".txt"), clip.path.with_suffix(".json")
        if text_path.is_file():
            text = read_text(text_path, ConfigError)
            if _LABEL_TRACK.match(text):
                on_problem(f"{text_path}: is a label track, not a description; it is left aside")
            else:
                about.append(text)
        if json_path.is_file():
            mapping = _json_object(json_path)
            clip = replace(clip, **_texts(mapping, json_path))  # type: ignore[arg-type]
            for key in ABOUT_KEYS:
                value = mapping.get(key, "")
                about += value if isinstance(value, list) else [value]
    except FlamError as error:
        on_problem(str(error))
    written = (" ".join(str(text).split()) for text in about if isinstance(text, str | int | float))
    return FoundClip(clip, "; ".join(text for text in written if text)[:MOST_ABOUT_CHARACTERS])


def _json_object(path: Path) -> dict[str, Any]:
    mapping = parse_json(read_text(path, ConfigError), str(path), remedy="correct or remove it")
    if not isinstance(mapping, dict):
        raise ConfigError(f"{path}: is not a JSON object with keys such as label or caption; correct or remove it")
    return mapping


def _texts(mapping: dict[str, Any], path: Path) -> dict[str, str]:
    """What a sidecar says of a clip's own fields; "license" is an accepted spelling."""
    if "license" in mapping:
        mapping = {"licence": mapping["license"], **mapping}
    texts = {key: mapping[key] for key in SIDECAR_TEXTS if mapping.get(key) is not None}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise ConfigError(f"{path}: {key} is {value!r}, not text; put it in quotes")
    if texts.get("kind", "event") not in KINDS:
        raise ConfigError(f"{path}: kind {texts['kind']!r} is not one of {', '.join(KINDS)}; correct it")
    return {key: " ".join(value.split()) for key, value in texts.items()}


def _unique_ids(found: list[FoundClip]) -> Iterator[FoundClip]:
    """Ids that occur twice get the file's suffix, and a number where that does not tell them apart."""
    counts = Counter(f.clip.clip_id for f in found)
    taken = {clip_id for clip_id, count in counts.items() if count == 1}
    for f in found:
        clip_id = f.clip.clip_id
        if counts[clip_id] > 1:
            full = clip_id + f.clip.path.suffix
            number, clip_id = 2, full
            while clip_id in taken:
                clip_id, number = f"{full}-{number}", number + 1
            taken.add(clip_id)
        yield f if clip_id == f.clip.clip_id else FoundClip(replace(f.clip, clip_id=clip_id), f.about)


def plain_words(text: str) -> str:
    """Words of a file name, a label or a tag, in lower case; nothing of an id, a number or an audio format is left.

    Examples
    --------
    >>> plain_words("DogBark_03-final (48kHz).wav")
    'dog bark'
    >>> plain_words("ambulance_siren2__x7f3a9")
    'ambulance siren'
    """
    spaced = _CAMEL.sub(" ", _AUDIO_SUFFIX.sub(" ", text))
    words = [_NUMBERED.sub(r"\1", word.strip("'’").lower()) for word in _NOT_WORD.split(spaced)]
    kept = [word for word in words if _is_word(word)]
    return "" if _FUNCTION.issuperset(kept) else " ".join(kept)


def _is_word(word: str) -> bool:
    if not word or word in _TECHNICAL or any(character.isdigit() for character in word):
        return False
    return len(word) > 2 or word in _NOUNS | _FUNCTION or not word.isascii()
