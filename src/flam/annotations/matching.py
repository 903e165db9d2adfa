"""Finding the recordings that event lists name, as people and programs write names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

# what programs add to the name of a recording for the list of its events, last first
_LIST_ENDINGS = re.compile(
    r"[ ._-](?:table(?:\.\d+)?|selections?|birdnet|results?|labels?|annotations?|annotated|events?|raven|audacity"
    r"|reviewed|corrected|truth|strong|sed)$",
    re.IGNORECASE,
)
# Label Studio puts eight hexadecimal digits before the name of an upload
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
# AudioSet-Strong adds the start of a clip to the name of a video, in milliseconds
_SEGMENT_START = re.compile(r"^(?P<video>[\w-]{11})_\d+$")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")


class RecordingFinder:
    """Finds recordings by path, by name, or by name without suffix, whatever the case of letters.

    Parts of a path may be parted by either slash, and be of another computer, a URL, or in percent code; a name may
    have the prefix of an upload, and the name of a list the endings that programs give it. Of several recordings with
    one name, the one whose folders agree with the path is taken, else the one beside the list.

    Parameters
    ----------
    folder : Path
        Paths in lists are relative to it, where they are.
    paths : iterable of Path
        The recordings.

    Examples
    --------
    >>> finder = RecordingFinder(Path("birds"), [Path("birds/2024/rec 1.WAV"), Path("birds/soundscape.flac")])
    >>> finder.find("D:\\\\field\\\\2024\\\\rec%201.wav", Path("birds")).name
    'rec 1.WAV'
    >>> finder.find("soundscape.BirdNET.selection.table", Path("birds")).name
    'soundscape.flac'
    """

    def __init__(self, folder: Path, paths: Iterable[Path]):
        self._folder = folder
        self._by_name: dict[str, list[Path]] = {}
        for path in paths:
            for name in {_key(path.name), _key(path.stem)}:
                self._by_name.setdefault(name, []).append(path)

    def find(self, recording: str, beside: Path) -> Path | None:
        """The recording that a list names, None where there is none or more than one that fits as well.

        Parameters
        ----------
        recording : str
            As the list names it.
        beside : Path
            Folder of the list.
        """
        for root in (self._folder, beside):
            try:
                if recording and (root / recording).is_file():
                    return root / recording
            except (OSError, ValueError):  # a name that no file can have
                continue
        for parts in _spellings(recording):
            for name in _names(parts[-1]):
                found = self._by_name.get(_key(name), [])
                if found:
                    return _only(found, parts, beside)
        return None

    def is_ambiguous(self, recording: str, beside: Path) -> bool:
        """Whether several recordings fit a name equally well."""
        fits = any(_key(name) in self._by_name for parts in _spellings(recording) for name in _names(parts[-1]))
        return fits and self.find(recording, beside) is None


def _spellings(recording: str) -> list[tuple[str, ...]]:
    """The parts of a path, as it stands and out of a URL."""
    texts = [recording]
    if "?" in recording or "://" in recording:
        split = urlsplit(recording)
        texts += [value for values in parse_qs(split.query).values() for value in values] + [split.path]
    texts += [unquote(text) for text in texts if "%" in text]
    parts = [PurePosixPath(text.strip().replace("\\", "/")).parts for text in texts]
    return [part for part in parts if part]


def _names(name: str) -> list[str]:
    """The name, without its suffix, and without what programs put before and behind it."""
    names = [name]
    if _UPLOAD_PREFIX.match(name):
        names.append(name[9:])
    if segment := _SEGMENT_START.match(name):
        names += [segment["video"], f"Y{segment['video']}"]
    names += [_SUFFIX.sub("", each) for each in names]
    for each in list(names):
        shorter = each
        while (next_shorter := _LIST_ENDINGS.sub("", shorter)) not in ("", shorter):
            shorter = next_shorter
            names += [shorter, _SUFFIX.sub("", shorter)]
    return [each for each in dict.fromkeys(names) if each]


def _only(found: list[Path], parts: tuple[str, ...], beside: Path) -> Path | None:
    if len(found) == 1:
        return found[0]
    wanted = [_key(part) for part in parts[-2::-1]]
    agreeing = [_agreement([_key(part) for part in path.parts[-2::-1]], wanted) for path in found]
    best = [path for path, count in zip(found, agreeing, strict=True) if count == max(agreeing)]
    if len(best) > 1:
        best = [path for path in best if path.parent == beside]
    return best[0] if len(best) == 1 else None


def _agreement(folders: list[str], wanted: list[str]) -> int:
    """How many folders in a row agree, from the innermost outwards."""
    count = 0
    for one, other in zip(folders, wanted, strict=False):
        if one != other:
            break
        count += 1
    return count


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
