"""What ``flam search`` makes of the spans it found: a ranking, an event file, clips, a contact sheet."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from flam.annotations import write_events
from flam.annotations.table import clock
from flam.audio import open_recording
from flam.audio.cut import cut_clips
from flam.cli.search_options import Answers
from flam.core import AudioError, ConfigError, RecordingEvents, atomic_text
from flam.core.terminal import printable
from flam.jobs.outputs import choose_output
from flam.search import Archive, Recording, Span
from flam.search.filters import clock_time

if TYPE_CHECKING:
    from flam.core.progress import Reporter
    from flam.plots.archive import Thumbnail

SHOWN_SPANS = 50
MOST_CLIPS = 1_000  # more are written only where --top says so
UNBOUNDED = 10_000  # columns of a table that no terminal shows: nothing is folded
SHEET_SPANS = 60
SHEET_AROUND_S, SHEET_SHORTEST_S, SHEET_LONGEST_S = 0.5, 2.0, 10.0
# formats with a line for each event keep the order of the ranking; the others hold a recording after the other
RANKED_FORMATS = ("csv", "jsonl")


def write_answers(archives: Sequence[Archive], spans: Sequence[Span], answers: Answers, reporter: Reporter) -> int:
    """Write spans as the command asks for; gives the exit code.

    Raises
    ------
    ConfigError
        A format or a picture that can't be written.
    OutputError
        A file can't be written.
    """
    output = choose_output(answers.output, answers.format, 1)
    if answers.cut is not None and answers.top is None and len(spans) > MOST_CLIPS:
        raise ConfigError(
            f"--cut would write {len(spans)} clips to {answers.cut}; say how many of the best with --top, "
            f"{len(spans)} for all"
        )
    rates = {recording: archive.settings.sample_rate for archive in archives for recording in archive.recordings}
    if output.format == "table":
        is_read = output.path is None and answers.top is None
        shown = spans[:SHOWN_SPANS] if is_read else spans
        with _opened(output.path) as file:
            _write_ranking(shown, file)
        if len(shown) < len(spans):
            n = len(spans)
            reporter.say(f"the best {len(shown)} of {n} spans; -o hits.csv writes all, --top {n} shows all")
    else:
        write_events(
            _grouped(spans, rates, output.format), sys.stdout if output.path is None else output.path, output.format
        )
    if answers.cut is not None:
        _cut(spans, answers, answers.cut, reporter)
    if answers.sheet is not None and spans:
        _draw_sheet(spans, answers.sheet, reporter)
    return 1 if reporter.n_problems else 0


def _write_ranking(spans: Sequence[Span], file: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table

    width = None if file.isatty() else UNBOUNDED
    console = Console(file=file, width=width, markup=False, highlight=False, emoji=False)
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 2), header_style="dim")
    for name in ("rank", "score", "onset", "offset"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("prompt", "recording"):
        table.add_column(name, overflow="fold")
    table.add_column("time", no_wrap=True)
    root = os.path.commonpath([os.path.dirname(span.recording.path) for span in spans]) if spans else ""
    for rank, span in enumerate(spans, start=1):
        event, moment = span.event, clock_time(span)
        table.add_row(
            str(rank),
            f"{event.max_score:.4f}",
            clock(event.onset_s),
            clock(event.offset_s),
            printable(event.prompt),
            printable(os.path.relpath(span.recording.path, root)),
            "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}",
        )
    if spans:
        console.print(printable(root), style="bold", soft_wrap=True)
        console.print(table)


def _grouped(spans: Sequence[Span], rates: dict[Recording, int], format: str) -> Iterator[RecordingEvents]:
    """Spans as event lists: one for each span where the order of the ranking can stay, else one for each recording."""
    if format in RANKED_FORMATS:
        groups = [(span.recording, [span.event]) for span in spans]
    else:
        by_recording: dict[Recording, list] = {}
        for span in spans:
            by_recording.setdefault(span.recording, []).append(span.event)
        groups = [(recording, sorted(events)) for recording, events in by_recording.items()]
    for recording, events in groups:
        name = recording.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        yield RecordingEvents(name, recording.n_samples / rates[recording], tuple(events))


def _cut(spans: Sequence[Span], answers: Answers, folder: Path, reporter: Reporter) -> None:
    by_recording: dict[Recording, list] = {}
    for span in spans:
        by_recording.setdefault(span.recording, []).append(span.event)
    n_clips = 0
    for recording, events in by_recording.items():
        try:
            clips = cut_clips(recording.path, events, folder, answers.padding, answers.cut_format)
            n_cut = sum(clip.exists() for clip in clips)
            n_clips += n_cut
            if n_cut < len(clips):
                reporter.error(
                    f"{recording.path}: {len(clips) - n_cut} of {len(clips)} spans lie behind its end; it has changed "
                    "since it was read, run flam index build again"
                )
        except AudioError as error:
            reporter.error(str(error))
    reporter.say(f"{n_clips} clips: {folder}")


def _draw_sheet(spans: Sequence[Span], path: Path, reporter: Reporter) -> None:
    from flam.plots.archive import plot_contact_sheet

    thumbnails, problems = [], []
    for rank, span in enumerate(spans[:SHEET_SPANS], start=1):
        try:
            thumbnails.append(_thumbnail(rank, span))
        except AudioError as error:
            problems.append(str(error))
    for problem in dict.fromkeys(problems):  # a recording may have many spans
        reporter.error(problem)
    if thumbnails:
        prompts = ", ".join(dict.fromkeys(span.event.prompt for span in spans))
        shown = "" if len(thumbnails) == len(spans) else f", the best {len(thumbnails)}"
        plot_contact_sheet(thumbnails, path, f"{prompts}: {len(spans)} spans{shown}")
        reporter.say(f"contact sheet: {path}")


def _thumbnail(rank: int, span: Span) -> Thumbnail:
    import numpy as np

    from flam.audio.downmix import downmix
    from flam.plots.archive import Thumbnail

    event = span.event
    around_s = max(SHEET_AROUND_S, (SHEET_SHORTEST_S - event.duration_s) / 2)
    start_s = max(event.onset_s - around_s, 0.0)
    length_s = min(event.offset_s + around_s - start_s, SHEET_LONGEST_S)
    with open_recording(span.recording.path, on_problem=lambda _: None) as recording:
        rate = recording.sample_rate
        n_wanted, blocks, n_read = round(length_s * rate), [], 0
        for block in recording.blocks(round(start_s * rate)):
            blocks.append(downmix(block))
            n_read += len(block)
            if n_read >= n_wanted:
                break
    if not blocks:
        raise AudioError(f"{span.recording.path}: has changed since it was read; run flam index build again")
    moment = clock_time(span)
    when = clock(event.onset_s) if moment is None else f"{clock(event.onset_s)}, {moment:%Y-%m-%d %H:%M:%S}"
    return Thumbnail(
        np.concatenate(blocks)[:n_wanted],
        rate,
        event.onset_s - start_s,
        min(event.offset_s - start_s, length_s),
        f"{rank}. {event.max_score:.4f}  {event.prompt}",
        f"{Path(span.recording.path).name}  {when}",
    )


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
    else:
        with atomic_text(path) as file:
            yield file
