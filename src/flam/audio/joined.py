"""Recordings that stand one behind the other in a file: chained Ogg, joined MP3, FLAC and WAV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from flam.audio.byte_source import Part
from flam.audio.flac_length import uncounted
from flam.audio.unfinished import repair

MP3_READ_BYTES = 1 << 22
LARGEST_FRAME_BYTES = 2881

# ISO 11172-3 and 13818-3, section 2.4.2.3: kbit/s by (MPEG-1?, layer), Hz by version
_BIT_RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_BIT_RATES[False, 3] = _BIT_RATES[False, 2]
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
READ_BYTES = 1 << 20

# RFC 3533, section 6: a page with the flag "first page" begins a logical stream
_OGG_FIRST_PAGE = re.compile(rb"OggS\x00[\x02\x03\x06\x07]")
# RFC 9639, section 8.1: the mark of the format, and a first block that is 34 bytes long
_FLAC_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_TABLE_LENGTH_AT, _TABLE_AT = 26, 27
_WAV_START = re.compile(rb"RIFF(.{4})WAVE", re.DOTALL)
WAV_FILLING_BYTES = 1 << 16


class _Header(NamedTuple):
    n_bytes: int
    version: int
    layer: int
    sample_rate: int


def _header(second: int, third: int) -> _Header | None:
    """What the second and third byte of a frame's header say, None where they are none."""
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    bit_rate, rate = third >> 4, third >> 2 & 3
    if second < 0xE0 or version == 1 or layer == 4 or not 1 <= bit_rate <= 14 or rate == 3:
        return None
    sample_rate, bits = _RATES[version][rate], 1000 * _BIT_RATES[version == 3, layer][bit_rate - 1]
    padding = third >> 1 & 1
    if layer == 1:
        n_bytes = (12 * bits // sample_rate + padding) * 4
    else:
        n_bytes = (144 if version == 3 or layer == 2 else 72) * bits // sample_rate + padding
    return _Header(n_bytes, version, layer, sample_rate)


_HEADERS = {
    second << 8 | third: header
    for second in range(0xE0, 0x100)
    for third in range(256)
    if (header := _header(second, third)) is not None
}


@dataclass
class Mp3Part:
    """One recording within an MP3 file.

    Attributes
    ----------
    ranges : list of [start, end]
        Bytes of its frames; what lies between is no MP3.
    n_frames : int
        Without the one that holds the length.
    length_frame : bytes
        The frame with the header "Xing" or "Info", empty where there is none.
    n_skipped_bytes : int
        Bytes within it that are no frames.
    """

    layer: int
    first_header: bytes
    ranges: list[list[int]] = field(default_factory=list)
    n_frames: int = 0
    length_frame: bytes = b""
    n_skipped_bytes: int = 0

    def parts(self) -> list[Part]:
        """A file of this recording alone, with a right count of frames, from which a decoder tells the length."""
        ranges: list[Part] = [(start, end) for start, end in self.ranges]
        if self.layer != 3:
            return ranges
        if not self.length_frame:
            return [_length_frame(self.first_header, self.n_frames, self.ranges), *ranges]
        counted = _counted(self.length_frame, self.n_frames)
        if counted is None:
            return ranges
        start, end = self.ranges[0]
        return [counted, (start + len(self.length_frame), end), *ranges[1:]]


def mp3_parts(file: BinaryIO) -> list[Mp3Part]:
    """Find the recordings that an MP3 file holds in a row: of another rate, channels, or with a length of their own.

    Parameters
    ----------
    file : BinaryIO
        A seekable file.

    Returns
    -------
    list of Mp3Part
        Empty where no two frames follow each other.
    """
    found: list[Mp3Part] = []
    kind = None
    for position, frame, header in _frames(file):
        is_length = header.layer == 3 and _length_at(frame, header) is not None
        now = (header.version, header.layer, header.sample_rate, frame[3] >> 6 == 3)
        if kind != now or (is_length and found and (found[-1].n_frames or found[-1].length_frame)):
            found.append(Mp3Part(header.layer, frame[:4]))
            kind = now
        part = found[-1]
        if part.ranges and part.ranges[-1][1] == position:
            part.ranges[-1][1] = position + len(frame)
        else:
            if part.ranges:
                part.n_skipped_bytes += position - part.ranges[-1][1]
            part.ranges.append([position, position + len(frame)])
        if is_length:
            part.length_frame = frame
        else:
            part.n_frames += 1
    # a frame or two of another kind are damage, not a recording
    return [part for part in found if part.n_frames > 2] or found[:1]


def _frames(file: BinaryIO) -> Iterator[tuple[int, bytes, _Header]]:
    """Yield (position, bytes, header) of each frame that another one, a tag or the end follows."""
    file.seek(0)
    buffer, base, at, is_synchronous = file.read(MP3_READ_BYTES), 0, 0, False
    while True:
        if len(buffer) - at < 2 * LARGEST_FRAME_BYTES:
            base, buffer, at = base + at, buffer[at:] + file.read(MP3_READ_BYTES), 0
            if len(buffer) < 4:
                return
        header = _HEADERS.get(buffer[at + 1] << 8 | buffer[at + 2]) if buffer[at] == 0xFF else None
        if header is not None and at + header.n_bytes <= len(buffer):
            end = at + header.n_bytes
            if is_synchronous or _continues(buffer, end, header):
                yield base + at, buffer[at:end], header
                at, is_synchronous = end, _continues(buffer, end, None)
                continue
        is_synchronous = False
        tag_bytes = _tag_bytes(buffer, at)
        if tag_bytes > len(buffer) - at:
            base += at + tag_bytes
            file.seek(base)
            buffer, at = file.read(MP3_READ_BYTES), 0
            if len(buffer) < 4:
                return
        elif tag_bytes:
            at += tag_bytes
        else:
            following = buffer.find(b"\xff", at + 1)
            at = following if following >= 0 else len(buffer)
            if len(buffer) - at < 4 and not (more := file.read(MP3_READ_BYTES)):
                return
            elif len(buffer) - at < 4:
                base, buffer, at = base + at, buffer[at:] + more, 0


def _continues(buffer: bytes, at: int, like: _Header | None) -> bool:
    """Whether a frame (of the same kind, if asked for), a tag or the end follows."""
    if len(buffer) - at < 4 or _tag_bytes(buffer, at):
        return like is None or len(buffer) - at < 4
    header = _HEADERS.get(buffer[at + 1] << 8 | buffer[at + 2]) if buffer[at] == 0xFF else None
    return header is not None and (like is None or header[1:] == like[1:])


def _tag_bytes(buffer: bytes, at: int) -> int:
    """Length of a tag that begins here, 0 where none does."""
    head = buffer[at : at + 3]
    if head == b"ID3" and len(buffer) - at >= 10:
        # ID3v2.4 structure, 3.1: four bytes of seven bits count what follows the ten bytes of header
        return 10 + sum(byte << shift for byte, shift in zip(buffer[at + 6 : at + 10], (21, 14, 7, 0), strict=True))
    if head == b"TAG":
        return 128
    if buffer[at : at + 8] == b"APETAGEX" and len(buffer) - at >= 32:
        is_header = buffer[at + 23] >> 5 & 1
        return int.from_bytes(buffer[at + 12 : at + 16], "little") + 32 if is_header else 32
    return 0


def _length_at(frame: bytes, header: _Header) -> int | None:
    """Where in a frame the header of the length lies: behind four bytes and the side information."""
    is_mono = frame[3] >> 6 == 3
    at = 4 + ((17 if is_mono else 32) if header.version == 3 else (9 if is_mono else 17))
    return at if frame[at : at + 4] in (b"Xing", b"Info") else None


def _counted(frame: bytes, n_frames: int) -> bytes | None:
    """The frame with a right count where it states fewer frames than there are, None where it need not change."""
    header = _HEADERS[frame[1] << 8 | frame[2]]
    at = _length_at(frame, header)
    if at is None or not frame[at + 7] & 1:
        return None
    if int.from_bytes(frame[at + 8 : at + 12], "big") >= n_frames:
        return None  # a truncated file is recognised by the length its header promises
    # without the flags of bytes and table, which no longer fit
    changed = bytearray(frame)
    changed[at + 8 : at + 12] = n_frames.to_bytes(4, "big")
    if frame[at + 7] & 2:
        changed[at + 12 : at + 16] = bytes(4)
    return bytes(changed)


def _length_frame(first: bytes, n_frames: int, ranges: list[list[int]]) -> bytes:
    """A frame that holds nothing but the count of those that follow."""
    for bit_rate in range(0x10, 0xF0, 0x10):  # the lowest with room for it
        third = bit_rate | first[2] & 0x0C
        header = _HEADERS.get((first[1] | 1) << 8 | third)
        if header is not None and header.n_bytes >= 64:
            break
    assert header is not None
    frame = bytearray(header.n_bytes)
    frame[:4] = bytes([0xFF, first[1] | 1, third, first[3]])
    is_mono = first[3] >> 6 == 3
    at = 4 + ((17 if is_mono else 32) if header.version == 3 else (9 if is_mono else 17))
    n_bytes = len(frame) + sum(end - start for start, end in ranges)
    counts = n_frames.to_bytes(4, "big") + min(n_bytes, 0xFFFF_FFFF).to_bytes(4, "big")
    frame[at : at + 16] = b"Info" + (3).to_bytes(4, "big") + counts
    return bytes(frame)


class Layout(NamedTuple):
    """How to open a file for decoding.

    ``recordings`` holds the parts of each recording in it, for ``ByteSource.open``; None alone where the file is one
    recording as it stands. ``notes`` and ``problems`` are what to report, without the file's name.
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
        return _flac_layout(file, [start for start, _ in _matches(file, _FLAC_START)], end)
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
    if repaired.is_cut:
        share = repaired.found_bytes / repaired.stated_bytes
        return Layout([repaired.parts], [], [f"was cut off, {share:.0%} of its samples are there"])
    return Layout([repaired.parts], [note], [])


def _flac_layout(file: BinaryIO, starts: list[int], end: int) -> Layout:
    parts = uncounted(file) if len(starts) == 1 else None
    if parts is None:
        return _split(starts, end)
    return Layout([parts], ["its header counts fewer samples than are in the file; all of them are read"], [])


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
    starts: list[int] = []
    following = 0
    while True:
        file.seek(following)
        found = _WAV_START.search(file.read(WAV_FILLING_BYTES if starts else 12))  # there may be filling between two
        if found is None or (not starts and found.start()):
            return starts or [0]
        starts.append(following + found.start())
        following = starts[-1] + 8 + int.from_bytes(found[0][4:8], "little")
        if following >= end - 12:
            return starts


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
