"""Telling whether an Ogg file was cut off: its header promises no length, but its last page bears a mark."""

from __future__ import annotations

from typing import BinaryIO

# RFC 3533, section 6: 27 bytes, then a table of up to 255 lengths, then what they add up to
CAPTURE_PATTERN, FLAGS_AT, TABLE_LENGTH_AT, TABLE_AT = b"OggS", 5, 26, 27
END_OF_STREAM = 4
LARGEST_PAGE_BYTES = 65_307


def ogg_is_complete(file: BinaryIO) -> bool:
    """Say whether the last page of an Ogg file is whole and marked as the end of its stream; closes the file."""
    with file:
        n_bytes = file.seek(0, 2)
        file.seek(max(0, n_bytes - LARGEST_PAGE_BYTES))
        tail = file.read()
    page = tail[max(0, tail.rfind(CAPTURE_PATTERN)) :]
    if len(page) < TABLE_AT:
        return False
    table = page[TABLE_AT : TABLE_AT + page[TABLE_LENGTH_AT]]
    is_whole = len(page) >= TABLE_AT + page[TABLE_LENGTH_AT] + sum(table)
    return is_whole and bool(page[FLAGS_AT] & END_OF_STREAM)
