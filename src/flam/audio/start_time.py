"""When a recording began: from its name as recorders write it, or from what they write into the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flam.audio.unfinished import riff_chunks
from flam.core import ConfigError

# Old AudioMoths name a recording by its second of Unix time in hexadecimal; they were first sold in 2017.
HEX_NAME = re.compile(r"[0-9A-F]{8}", re.IGNORECASE)
HEX_YEARS = range(2015, 2046)

_ZONE = r"(?P<zone>Z|[+]\d\d[:.-]?\d\d|[+]\d\d|-\d\d:\d\d|(?<=T\d{6})-\d{4}|(?<=T\d\d:\d\d:\d\d)-\d{4})?"
_DATE_TIME = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<mark>[-_./:]?)(?P<month>\d\d)(?P=mark)(?P<day>\d\d)"
    r"(?:[T_ $.-]|[-_ ]+at[-_ ]+|[-_ ]{2,3}|)"
    r"(?P<hour>\d\d)[-_.:h]?(?P<minute>\d\d)(?:[-_.:m]?(?P<second>\d\d)s?(?:[.,_]?(?P<fraction>\d{3}|\d{6})(?!\d))?)?"
    rf"{_ZONE}(?!\d)",
    re.IGNORECASE,
)
_SHORT_YEAR = re.compile(
    r"(?<![\d.])(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d)[-_](?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?(?!\d)"
)
_SOUND_TRAP = re.compile(
    r"^\d+\.(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)$"
)
_AUDIOMOTH_COMMENT = re.compile(
    r"Recorded at (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{3}))? "
    r"(?P<day>\d\d)/(?P<month>\d\d)/(?P<year>\d{4}) \(UTC(?P<zone>[+-]\d{1,2}(?::\d\d)?)?\)"
)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?:[:.-]?(\d\d))?", re.IGNORECASE)
LARGEST_CHUNK_BYTES = 1 << 20


def start_time(path: str | Path, time_zone: tzinfo | str | None = None) -> datetime | None:
    """Tell when a recording began.

    The name counts before the metadata, as recorders that split a long recording name each part. Names of AudioMoth
    (hexadecimal and dated), Song Meter, SoundTrap, Zoom, ISO 8601 and others with year, month, day, hour and minute in
    this order are read; of metadata, the comment of AudioMoth, GUANO, WAMD, the broadcast extension (bext) and the
    creation date (ICRD), where these state a time of day.

    Parameters
    ----------
    path : str or Path
        The recording. Where it does not exist, its name alone is read.
    time_zone : tzinfo or str, optional
        Zone of the recorder's clock, see ``parse_time_zone``. It is taken where the recording states none; times that
        do state one are converted to it.

    Returns
    -------
    datetime or None
        With a zone where the recording or ``time_zone`` states one, else the clock time as the recorder wrote it; None
        where nothing tells.

    Raises
    ------
    ConfigError
        An unknown time zone.

    Examples
    --------
    >>> start_time("SM304472_0+1_20181219_205600.wav")
    datetime.datetime(2018, 12, 19, 20, 56)
    >>> start_time("5E90A4D4.WAV").isoformat()
    '2020-04-10T16:54:44+00:00'
    >>> start_time("20240310T060000Z.flac", "+02:00").isoformat()
    '2024-03-10T08:00:00+02:00'
    """
    zone = parse_time_zone(time_zone) if isinstance(time_zone, str) else time_zone
    path = Path(path)
    named = _from_name(path)
    found = named
    if named is None or named.tzinfo is None:
        for stated in _from_metadata(path):
            # a name without a zone gets that of the metadata, where both mean the same moment
            if named is None or (stated.tzinfo is not None and abs(_clock(stated) - named) < timedelta(seconds=1)):
                found = stated
                break
    if found is None or zone is None:
        return found
    return found.replace(tzinfo=zone) if found.tzinfo is None else found.astimezone(zone)


def parse_time_zone(text: str) -> tzinfo:
    """Read a time zone as people write it.

    Parameters
    ----------
    text : str
        A place of the IANA database such as ``Europe/Berlin``, ``UTC`` or ``Z``, or an offset: ``+02:00``, ``UTC-3``.

    Returns
    -------
    tzinfo

    Raises
    ------
    ConfigError
        None of these.

    Examples
    --------
    >>> str(parse_time_zone("UTC-3:30")), str(parse_time_zone("Europe/Berlin"))
    ('UTC-03:30', 'Europe/Berlin')
    """
    text = text.strip()
    if text.upper() in ("Z", "UTC", "GMT"):
        return UTC
    offset = _OFFSET.fullmatch(text)
    if offset is not None:
        length = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        if length <= timedelta(hours=14):
            return timezone(length if offset[1] == "+" else -length)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"time zone {text!r} is not known; write a place such as Europe/Berlin (on Windows, pip install tzdata), "
            "or an offset such as +02:00"
        ) from error


def _from_name(path: Path) -> datetime | None:
    if HEX_NAME.fullmatch(path.stem) and (not path.stem.isdigit() or path.suffix == ".WAV"):
        moment = datetime.fromtimestamp(int(path.stem, 16), UTC)
        if moment.year in HEX_YEARS:
            return moment
    for pattern in (_SOUND_TRAP, _DATE_TIME, _SHORT_YEAR):
        for match in pattern.finditer(path.stem):
            moment_or_none = _moment(match)
            if moment_or_none is not None:
                return moment_or_none
    return None


def _moment(match: re.Match[str]) -> datetime | None:
    """The moment that the groups of a pattern spell, None for a thirteenth month and the like."""
    text = {name: said for name, said in match.groupdict().items() if said is not None}
    year, fraction, zone = int(text["year"]), text.get("fraction", ""), text.get("zone")
    try:
        return datetime(
            year=year if year > 99 else 2000 + year,
            month=int(text["month"]),
            day=int(text["day"]),
            hour=int(text["hour"]),
            minute=int(text["minute"]),
            second=int(text.get("second", "0")),
            microsecond=int(fraction.ljust(6, "0")) if fraction else 0,
            tzinfo=parse_time_zone(zone) if zone else UTC if match.re is _AUDIOMOTH_COMMENT else None,
        )
    except (ValueError, ConfigError):
        return None


def _from_metadata(path: Path) -> Iterator[datetime]:
    """What a WAV file says of its beginning, the most exact first."""
    try:
        with open(path, "rb") as file:
            texts = _texts(file)
    except (OSError, ValueError):
        return
    for name in ("comment", "guano", "wamd", "bext", "created"):
        for text in texts.get(name, ()):
            pattern = _AUDIOMOTH_COMMENT if name == "comment" else _DATE_TIME
            match = pattern.search(text)
            moment = None if match is None else _moment(match)
            if moment is not None:
                yield moment


def _texts(file: BinaryIO) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    chunks = [chunk for chunk in riff_chunks(file) if chunk.size <= LARGEST_CHUNK_BYTES]
    for chunk in chunks:
        if chunk.identity in (b"LIST", b"guan", b"wamd", b"bext"):
            file.seek(chunk.start)
            contents = file.read(chunk.size)
            for name, text in _READERS[chunk.identity](contents):
                texts.setdefault(name, []).append(text)
    return texts


def _info_texts(contents: bytes) -> Iterator[tuple[str, str]]:
    """Comment and creation date of a LIST chunk of the kind INFO."""
    position = 4 if contents[:4] == b"INFO" else len(contents)
    while position + 8 <= len(contents):
        identity, size = (
            contents[position : position + 4],
            int.from_bytes(contents[position + 4 : position + 8], "little"),
        )
        name = {b"ICMT": "comment", b"ICRD": "created"}.get(identity)
        if name is not None:
            yield name, _text(contents[position + 8 : position + 8 + size])
        position += 8 + size + size % 2


def _guano_texts(contents: bytes) -> Iterator[tuple[str, str]]:
    for line in _text(contents).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "Timestamp":
            yield "guano", value.strip()


def _wamd_texts(contents: bytes) -> Iterator[tuple[str, str]]:
    """Wildlife Acoustics metadata: entries of a two-byte number, a four-byte length and a text; 5 is the time."""
    position = 0
    while position + 6 <= len(contents):
        number = int.from_bytes(contents[position : position + 2], "little")
        size = int.from_bytes(contents[position + 2 : position + 6], "little")
        if number == 5:
            yield "wamd", _text(contents[position + 6 : position + 6 + size])
        position += 6 + size


def _bext_texts(contents: bytes) -> Iterator[tuple[str, str]]:
    """Broadcast extension, EBU Tech 3285: ten characters of date and eight of time behind three texts."""
    yield "bext", f"{_text(contents[320:330])} {_text(contents[330:338])}"


def _text(contents: bytes) -> str:
    return contents.split(b"\0")[0].decode("utf-8", "replace").strip()


_READERS = {b"LIST": _info_texts, b"guan": _guano_texts, b"wamd": _wamd_texts, b"bext": _bext_texts}


def _clock(moment: datetime) -> datetime:
    """The moment as its own clock shows it, without the zone."""
    return moment.replace(tzinfo=None)
