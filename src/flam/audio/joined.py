"""Recordings that stand one behind the other in a file: chained Ogg, joined MP3, FLAC and WAV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from flam.audio.byte_source import Part
from flam.audio.mp3 import mp3_parts
from flam.audio.unfinished import repair

READ_BYTES = 1 << 20

# RFC 3533, section 6: a page with the flag "first page" begins a logical stream
_OGG_FIRST_PAGE = re.compile(rb"OggS\x00[\x02\x03\x06\x07]")
# RFC 9639, section 8.1: the mark of the format, and a first block that is 34 bytes long
_FLAC_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_TABLE_LENGTH_AT, _TABLE_AT = 26, 27


class Layout(NamedTuple):
    """How to open a file for decoding.

    ``recordings`` holds the parts of each recording in it, for ``ByteSource.open``; None alone where the file is one
    recording as it stands. ``notes`` and ``problems`` are what is to be told, without the file's name.
    """

    recordings: list[list[Part] | None]
    notes: list[str]
    problems: list[str]


def layout(file: BinaryIO) -> Layout:
    """Look for further recordings in a file, and for a header with a wrong size.

    Parameters
    ----------
    file : BinaryIO
        A seekable file that libsndfile may understand.

    Returns
    -------
    Layout
    """
    file.seek(0)
    head = file.read(16)
    end = file.seek(0, 2)
    if head[:4] == b"OggS":
        return _split(_chain_starts(file), end)
    if head[:4] == b"fLaC":
        return _split([start for start, _ in _matches(file, _FLAC_START)], end)
    if head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
        return _mp3_layout(file)
    starts = _wav_starts(file, end)
    if len(starts) > 1:
        return _split(starts, end)
    repaired = repair(file)
    if repaired is None:
        return Layout([None], [], [])
    note = (
        f"its header counts {repaired.stated_bytes} bytes of samples where {repaired.found_bytes} are in the file; "
        "all of them are read"
    )
    return Layout([repaired.parts], [note], [])


def _split(starts: list[int], end: int) -> Layout:
    if len(starts) < 2:
        return Layout([None], [], [])
    recordings: list[list[Part] | None] = [
        [(start, stop)] for start, stop in zip(starts, [*starts[1:], end], strict=True)
    ]
    return Layout(recordings, [_joined(len(recordings))], [])


def _joined(count: int) -> str:
    return f"holds {count} recordings in a row; they are read as one"


def _mp3_layout(file: BinaryIO) -> Layout:
    found = mp3_parts(file)
    if not found:
        return Layout([None], [], [])
    n_skipped = sum(part.n_skipped_bytes for part in found)
    problems = [f"{n_skipped} bytes within it are no MP3 and are left out, so that later times may be early"]
    notes = [_joined(len(found))] if len(found) > 1 else []
    recordings: list[list[Part] | None] = [part.parts() for part in found]
    if recordings == [[(0, file.seek(0, 2))]]:
        recordings = [None]
    return Layout(recordings, notes, problems if n_skipped else [])


def _chain_starts(file: BinaryIO) -> list[int]:
    """Where the links of a chained Ogg begin; first pages in a row are streams of one link, as of a film."""
    starts: list[int] = []
    end_of_first_pages = -1
    for position, page in _matches(file, _OGG_FIRST_PAGE, _TABLE_AT + 255):
        table_length = page[_TABLE_LENGTH_AT]
        if position != end_of_first_pages:
            starts.append(position)
        end_of_first_pages = position + _TABLE_AT + table_length + sum(page[_TABLE_AT : _TABLE_AT + table_length])
    return starts


def _wav_starts(file: BinaryIO, end: int) -> list[int]:
    """Where WAV files begin that were put one behind the other, each whole."""
    starts = [0]
    while True:
        file.seek(starts[-1])
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return starts[:-1] if len(starts) > 1 else starts
        following = starts[-1] + 8 + int.from_bytes(head[4:8], "little")
        if following >= end - 12:
            return starts
        starts.append(following)


def _matches(file: BinaryIO, pattern: re.Pattern[bytes], n_bytes: int = 8) -> Iterator[tuple[int, bytes]]:
    """Yield (position, bytes from there on, at least ``n_bytes`` unless the file ends) of a pattern in a file."""
    file.seek(0)
    base, buffer = 0, b""
    while True:
        more = file.read(READ_BYTES)
        buffer += more
        last = len(buffer) - n_bytes if more else len(buffer)
        for match in pattern.finditer(buffer):
            if match.start() < last:
                page = buffer[match.start() : match.start() + n_bytes]
                yield base + match.start(), page.ljust(n_bytes, b"\0")
        if not more:
            return
        kept = max(0, last)
        base, buffer = base + kept, buffer[kept:]
