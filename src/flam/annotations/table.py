"""A table for people to read in a terminal, grouped by recording; it can't be read back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from flam.annotations.format import Format, single_line
from flam.core import Event, RecordingEvents, round_half_up
from flam.core.terminal import printable


def write_table(recordings: Iterable[RecordingEvents], file: TextIO, width: int | None = None) -> None:
    """Write a heading and a table per recording, in colour only where ``file`` is a terminal.

    Parameters
    ----------
    width : int | None, optional
        characters per line; None for the width of the terminal, 80 where there is none

    Examples
    --------
    >>> import sys
    >>> from flam.core import Event
    >>> write_table([RecordingEvents("a.wav", 90.0, (Event(61.5, 63.0, "siren", 0.8, 0.93),))], sys.stdout, width=60)
    a.wav  1:30.0  1 event
     onset  offset  prompt  mean   max
    1:01.5  1:03.0  siren   0.80  0.93
    <BLANKLINE>
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=file, width=width, markup=False, highlight=False, emoji=False)
    for recording in recordings:
        console.print(_heading(recording), style="bold", soft_wrap=True)
        if recording.events:
            table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 2), header_style="dim")
            shows_clock = recording.began is not None
            for name in ("time", "onset", "offset")[0 if shows_clock else 1 :]:
                table.add_column(name, justify="right", no_wrap=True)
            table.add_column("prompt", overflow="fold")
            for name in ("mean", "max"):
                table.add_column(name, justify="right", no_wrap=True)
            for event in recording.events:
                scores = _score(event.mean_score), _score(event.max_score)
                times = _clock_time(recording, event), clock(event.onset_s), clock(event.offset_s)
                cells = (*times[0 if shows_clock else 1 :], _printable(event.prompt), *scores)
                table.add_row(*map(Text, cells))
            console.print(table)
        console.print()


def write_ranking(recordings: Iterable[RecordingEvents], file: TextIO, width: int | None = None) -> None:
    """Write one table of all events in the order given, each with its recording, for lists ranked by score.

    Parameters
    ----------
    width : int | None, optional
        characters per line; None for the width of the terminal, 80 where there is none
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("max", "onset", "offset"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("prompt", overflow="fold")
    table.add_column("recording", overflow="fold")
    for recording in recordings:
        for event in recording.events:
            times = clock(event.onset_s), clock(event.offset_s)
            cells = (_score(event.max_score), *times, _printable(event.prompt), _printable(recording.recording))
            table.add_row(*map(Text, cells))
    Console(file=file, width=width, markup=False, highlight=False, emoji=False).print(table)


def clock(seconds: float) -> str:
    """Time as ``m:ss.s``, from an hour on as ``h:mm:ss.s``.

    Examples
    --------
    >>> clock(61.25), clock(3599.96)
    ('1:01.3', '1:00:00.0')
    """
    minutes, tenths = divmod(round_half_up(seconds * 10), 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def _heading(recording: RecordingEvents) -> str:
    count = len(recording.events)
    length = "" if recording.duration_s is None else f"  {clock(recording.duration_s)}"
    return f"{_printable(recording.recording)}{length}  {count if count else 'no'} event{'' if count == 1 else 's'}"


def _clock_time(recording: RecordingEvents, event: Event) -> str:
    return (recording.clock_time(event.onset_s) or "").replace("T", " ")


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.2f}"


def _printable(text: str) -> str:
    return printable(single_line(text))


FORMAT = Format(
    "table",
    ".txt",
    write_table,
    None,
    many=True,
    keeps_scores=False,
    keeps_duration=False,
    keeps_line_breaks=False,
    resolution_s=0.1,
)
