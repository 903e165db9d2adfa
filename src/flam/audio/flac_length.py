"""FLAC files that hold more samples than their header counts, of which libsndfile would leave the rest unread."""

from __future__ import annotations

import re
from typing import BinaryIO

from flam.audio.byte_source import Part

# RFC 9639, sections 8.2 and 9.1: where STREAMINFO counts samples, 36 bits, and the header of a frame
COUNT_AT, BLOCK_SIZES_AT, STREAMINFO_END = 21, 8, 42
LAST_FRAME_BYTES = 1 << 17
_FRAME = re.compile(rb"\xff[\xf8\xf9]")


def _table(polynomial: int, n_bits: int) -> list[int]:
    rows = []
    for row in range(256):
        value = row << n_bits - 8
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> n_bits - 1 else 0)
        rows.append(value & (1 << n_bits) - 1)
    return rows


_CRC_8, _CRC_16 = _table(0x107, 8), _table(0x18005, 16)


def uncounted(file: BinaryIO) -> list[Part] | None:
    """A FLAC file without a count of its samples, which a decoder reads to the end; None where the count is right.

    Parameters
    ----------
    file : BinaryIO
        A seekable file that begins with ``fLaC``.
    """
    file.seek(0)
    head = file.read(STREAMINFO_END)
    if len(head) < STREAMINFO_END:
        return None
    n_counted = int.from_bytes(head[COUNT_AT : COUNT_AT + 5], "big") & (1 << 36) - 1
    smallest, largest = (int.from_bytes(head[at : at + 2], "big") for at in (BLOCK_SIZES_AT, BLOCK_SIZES_AT + 2))
    end = file.seek(0, 2)
    file.seek(max(STREAMINFO_END, end - LAST_FRAME_BYTES))
    tail = file.read()
    starts = [match.start() for match in _FRAME.finditer(tail)]
    for start in reversed(starts):
        number = _frame_number(tail[start : start + 16])
        if number is not None and _crc(tail[start:], _CRC_16, 16) == 0:  # the last frame, with its checksum behind it
            is_counted_in_samples = tail[start + 1] & 1
            first = number if is_counted_in_samples else number * smallest if smallest == largest else 0
            if 0 < n_counted <= first:
                return [(0, COUNT_AT), bytes([head[COUNT_AT] & 0xF0, 0, 0, 0, 0]), (COUNT_AT + 5, end)]
            return None
    return None


def _frame_number(header: bytes) -> int | None:
    """The number that a frame's header states, None where these bytes are none."""
    if len(header) < 16 or header[3] & 1 or header[2] >> 4 == 0 or header[3] >> 4 > 10:
        return None
    first = header[4]
    n_more = 0 if first < 0x80 else 8 - (first ^ 0xFF).bit_length() - 1
    if n_more < 0 or (first >= 0x80 and not 1 <= n_more <= 6):
        return None
    number = first if not n_more else first & (1 << 6 - n_more) - 1
    for byte in header[5 : 5 + n_more]:
        if byte >> 6 != 2:
            return None
        number = number << 6 | byte & 0x3F
    length = 5 + n_more + {6: 1, 7: 2}.get(header[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
    return number if _crc(header[:length], _CRC_8, 8) == header[length] else None


def _crc(data: bytes, table: list[int], n_bits: int) -> int:
    value, mask = 0, (1 << n_bits) - 1
    for byte in data:
        value = (value << 8 & mask) ^ table[value >> n_bits - 8 ^ byte]
    return value
