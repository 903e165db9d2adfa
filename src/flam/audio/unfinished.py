"""Headers that don't count their samples: sizes of a recorder that lost power, of pipes, and beyond 32 bits."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from flam.audio.byte_source import Part

LARGEST_32_BIT = 0xFFFF_FFFF
FROM_UNKNOWN_32_BIT, FROM_UNKNOWN_64_BIT = 0x7FFF_F000, 1 << 62
SHORTEST_TAIL_BYTES = 4096
SPHERE_BYTES = 1024
VOC_END, VOC_SOUNDS = 0, (1, 2, 9)
W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")


class Chunk(NamedTuple):
    """``identity`` of four bytes, ``start`` of the contents in the file, and ``size`` in bytes as the header states."""

    identity: bytes
    start: int
    size: int


def riff_chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a WAV file (RIFF, RF64, BW64 or RIFX), nothing for any other file.

    The walk ends where a size leads out of the file. The 64-bit size of an RF64 replaces the placeholder of its data.

    Examples
    --------
    >>> import io
    >>> list(riff_chunks(io.BytesIO(b"RIFF" + bytes(4) + b"WAVE" + b"data" + (4).to_bytes(4, "little") + bytes(4))))
    [Chunk(identity=b'data', start=20, size=4)]
    """
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64", b"RIFX") or head[8:] != b"WAVE":
        return
    byte_order, long_size = "big" if head[:4] == b"RIFX" else "little", None
    position = 12
    while position + 8 <= end:
        file.seek(position)
        header = file.read(8)
        if len(header) < 8:
            return
        identity, size = header[:4], int.from_bytes(header[4:], byte_order)  # type: ignore[arg-type]
        if identity == b"ds64" and size >= 16:
            long_size = int.from_bytes(file.read(16)[8:], "little")
        if identity == b"data" and size == 0xFFFF_FFFF and long_size is not None:
            size = long_size
        yield Chunk(identity, position + 8, size)
        position += 8 + size + size % 2


class Repair(NamedTuple):
    """A file with the right size in its header: ``parts`` for ``ByteSource.open``, and both counts of bytes.

    ``is_cut`` where the header was right, and the end of the file is missing.
    """

    parts: list[Part]
    stated_bytes: int
    found_bytes: int
    is_cut: bool = False


def repair(file: BinaryIO) -> Repair | None:
    """Correct the size of the samples in the header of a WAV, RF64, W64, AIFF, CAF, AU, VOC or SPHERE file.

    Parameters
    ----------
    file : BinaryIO
        A seekable file.

    Returns
    -------
    Repair or None
        None where the size is right or unknown, and for any other format.
    """
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(40)
    if head[:4] in (b"RIFF", b"RF64", b"BW64", b"RIFX"):
        return _repaired_wav(file, end)
    if head[:4] == b"riff" and head[4:8] == bytes.fromhex("2e91cf11"):
        return _repaired_w64(file, end)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _repaired_aiff(file, end)
    if head[:4] == b"caff":
        return _repaired_caf(file, end)
    if head[:20] == b"Creative Voice File\x1a":
        return _repaired_voc(file, end)
    if head[:7] == b"NIST_1A":
        return _cut_sphere(file, end)
    if head[:4] in (b".snd", b"dns."):
        order = ">" if head[:4] == b".snd" else "<"
        start, stated = struct.unpack(order + "II", head[4:12])
        is_right = stated > 0 and (stated >= end - start or _is_tail(file, start + stated, end))
        if not is_right and end > start >= 24:
            return Repair(
                [(0, 8), struct.pack(order + "I", min(end - start, LARGEST_32_BIT)), (12, end)], stated, end - start
            )
    return None


def _repaired_wav(file: BinaryIO, end: int) -> Repair | None:
    chunks: list[Chunk] = []
    for chunk in riff_chunks(file):
        if not (chunk.identity.isascii() and chunk.identity.decode("ascii").isprintable()):
            break  # samples or filling behind a size that is too small
        chunks.append(chunk)
    data = next((chunk for chunk in chunks if chunk.identity == b"data"), None)
    form = next((chunk for chunk in chunks if chunk.identity == b"fmt "), None)
    if data is None or form is None:
        return None
    file.seek(0)
    mark = file.read(4)
    is_64_bit, order = mark in (b"RF64", b"BW64"), "big" if mark == b"RIFX" else "little"
    several = [(chunk.start, chunk.start + chunk.size) for chunk in chunks if chunk.identity == b"data" and chunk.size]
    n_all = sum(stop - start for start, stop in several)
    if len(several) > 1 and several[-1][1] <= end and n_all <= LARGEST_32_BIT and not is_64_bit:
        size = n_all.to_bytes(4, order)  # type: ignore[arg-type]
        return Repair([(0, data.start - 4), size, *several], data.size, n_all)
    stated, found = data.size, _wav_data_bytes(file, data, end)
    if is_64_bit and stated != LARGEST_32_BIT and end - data.start < stated < FROM_UNKNOWN_64_BIT:
        return Repair([(0, end)], stated, end - data.start, is_cut=True)
    if found is None or (not is_64_bit and stated >= FROM_UNKNOWN_32_BIT and found <= LARGEST_32_BIT):
        return None  # right, or an unknown length that libsndfile reads to the end of the file
    if not is_64_bit and data.start + found <= LARGEST_32_BIT:
        size = found.to_bytes(4, order)  # type: ignore[arg-type]
        return Repair([(0, data.start - 4), size, (data.start, data.start + found)], stated, found)
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, found + 80, found, 0, 0)
    head = b"RF64\xff\xff\xff\xffWAVE" + ds64
    fmt = (form.start - 8, form.start + form.size + form.size % 2)
    return Repair([head, fmt, b"data\xff\xff\xff\xff", (data.start, data.start + found)], stated, found)


def _wav_data_bytes(file: BinaryIO, data: Chunk, end: int) -> int | None:
    """How many bytes of samples there are, None where the header has it right."""
    room = end - data.start
    if data.size >= FROM_UNKNOWN_64_BIT or (data.size > room and data.size >= FROM_UNKNOWN_32_BIT):
        return room
    if data.size >= room or _has_chunks(file, data.start + data.size + data.size % 2, end):
        return None
    # a length beyond 32 bits that lost its upper part, with chunks behind the samples or nothing
    wrapped = data.size + (room - data.size >> 32 << 32)
    if wrapped > data.size and _has_chunks(file, data.start + wrapped + wrapped % 2, end):
        return wrapped
    return None if data.size and _is_tail(file, data.start + data.size, end) else room


def _is_end(file: BinaryIO, position: int, end: int) -> bool:
    """Whether nothing but chunks, little or zeros lies behind the samples."""
    return _has_chunks(file, position, end) or _is_tail(file, position, end)


def _has_packets(file: BinaryIO, end: int) -> bool:
    """Whether a CAF file is compressed, so that a table counts its packets."""
    return any(identity == b"pakt" for _, identity, _ in _big_endian_chunks(file, 8, end, 8))


def _is_tail(file: BinaryIO, start: int, end: int) -> bool:
    """Whether what follows the samples is none of them: little, or zeros."""
    return end - start < SHORTEST_TAIL_BYTES or _is_zero(file, start, end)


def _has_chunks(file: BinaryIO, position: int, end: int) -> bool:
    """Whether nothing but chunks, a tag or a stray byte lies from a position to the end."""
    if end - position < 8:
        return True
    file.seek(position)
    header = file.read(8)
    if header[:3] in (b"TAG", b"ID3") or header == bytes(8):
        return end - position < SHORTEST_TAIL_BYTES or header[:3] == b"ID3"
    if not all(0x20 <= byte < 0x7F for byte in header[:4]):
        return False
    sizes = struct.unpack("<I", header[4:])[0], struct.unpack(">I", header[4:])[0]
    return min(sizes) <= end - position - 8 + 1


def _is_zero(file: BinaryIO, start: int, end: int) -> bool:
    """Whether both ends of a stretch hold zeros only, as of a file that was given its size beforehand."""
    for position in (start, max(start, end - SHORTEST_TAIL_BYTES)):
        file.seek(position)
        if any(file.read(min(SHORTEST_TAIL_BYTES, end - position))):
            return False
    return True


def _repaired_w64(file: BinaryIO, end: int) -> Repair | None:
    position = 40
    while position + 24 <= end:
        file.seek(position)
        identity, size = file.read(16), int.from_bytes(file.read(8), "little")
        if identity == b"data" + W64_TAIL:
            found = end - position - 24
            is_unfinished = size <= 24 or size >= FROM_UNKNOWN_64_BIT
            if not is_unfinished and 0 < found < size - 24:
                return Repair([(0, end)], size - 24, found, is_cut=True)
            if not is_unfinished or found <= 0:
                return None
            sizes = struct.pack("<Q", end), struct.pack("<Q", found + 24)
            parts: list[Part] = [(0, 16), sizes[0], (24, position + 16), sizes[1], (position + 24, end)]
            return Repair(parts, max(0, size - 24), found)
        position += max(24, size + -size % 8)
    return None


def _repaired_aiff(file: BinaryIO, end: int) -> Repair | None:
    common = None
    file.seek(8)
    is_plain = file.read(4) == b"AIFF"
    for position, identity, size in _big_endian_chunks(file, 12, end, 4):
        if identity == b"COMM":
            common = position
        if identity == b"SSND" and common is not None:
            file.seek(common + 8)
            n_channels, n_frames, n_bits = struct.unpack(">hIh", file.read(8))
            frame_bytes = max(1, n_channels) * max(1, (n_bits + 7) // 8)
            found = end - position - 16
            is_unfinished = size <= 8 or size >= FROM_UNKNOWN_32_BIT or n_frames in (0, LARGEST_32_BIT)
            behind = position + 8 + size + size % 2
            is_short = is_plain and 8 < size < found and not _is_end(file, behind, end)
            has_more = size > 8 and size + 8 < found
            if not (is_unfinished or is_short) or found < frame_bytes or (has_more and not is_short):
                return None
            sizes = [
                struct.pack(">I", min(count, LARGEST_32_BIT)) for count in (end - 8, found // frame_bytes, found + 8)
            ]
            parts: list[Part] = [(0, 4), sizes[0], (8, common + 10), sizes[1], (common + 14, position + 4), sizes[2]]
            return Repair([*parts, (position + 8, end)], max(0, size - 8), found)
    return None


def _repaired_caf(file: BinaryIO, end: int) -> Repair | None:
    for position, identity, size in _big_endian_chunks(file, 8, end, 8):
        if identity == b"data":
            found = end - position - 16
            behind = position + 12 + size
            if found <= 0 or (4 < size <= found + 4 and (_is_end(file, behind, end) or _has_packets(file, end))):
                return None
            parts: list[Part] = [(0, position + 4), struct.pack(">q", found + 4), (position + 12, end)]
            is_cut = size > found + 4  # libsndfile reads nothing of such a file
            return Repair(parts, max(0, size - 4), found, is_cut)
    return None


def _repaired_voc(file: BinaryIO, end: int) -> Repair | None:
    """libsndfile refuses some whose last block goes beyond the end."""
    file.seek(20)
    position = int.from_bytes(file.read(2), "little")
    while position + 4 < end:
        file.seek(position)
        kind, size, found = file.read(1)[0], int.from_bytes(file.read(3), "little"), end - position - 4
        if kind == VOC_END:
            return None
        if size > found:
            parts: list[Part] = [(0, position + 1), found.to_bytes(3, "little"), (position + 4, end), bytes([VOC_END])]
            return Repair(parts, size, found, is_cut=True) if kind in VOC_SOUNDS else None
        position += 4 + size
    return None


def _cut_sphere(file: BinaryIO, end: int) -> Repair | None:
    file.seek(0)
    start = re.match(rb"NIST_1A\s+(\d{1,6})\s", file.read(SPHERE_BYTES))
    file.seek(0)
    header = file.read(SPHERE_BYTES if start is None else int(start[1]))
    facts = {name: int(value) for name, value in re.findall(rb"^(\w+) -i (\d{1,12})\s*$", header, re.MULTILINE)}
    stated = facts.get(b"sample_count", 0) * facts.get(b"channel_count", 1) * facts.get(b"sample_n_bytes", 1)
    found = end - len(header)
    is_plain = b"shorten" not in header and b"shortpack" not in header
    return Repair([(0, end)], stated, found, is_cut=True) if is_plain and 0 < found < stated else None


def _big_endian_chunks(file: BinaryIO, position: int, end: int, size_bytes: int) -> Iterator[tuple[int, bytes, int]]:
    """Yield (position of the chunk's header, identity, stated size)."""
    while position + 4 + size_bytes <= end:
        file.seek(position)
        identity, size = file.read(4), int.from_bytes(file.read(size_bytes), "big", signed=size_bytes == 8)
        yield position, identity, size
        position += 4 + size_bytes + max(0, size) + (size % 2 if size_bytes == 4 else 0)
