"""What ``flam search`` makes of the spans it found: a ranking, an event file, clips, a contact sheet."""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TextIO

from flam.annotations import FORMATS, write_events
from flam.annotations.table import clock
from flam.audio import open_recording
from flam.audio.cut import cut_clips
from flam.cli.search_options import Answers
from flam.core import AudioError, ConfigError, RecordingEvents, atomic_text
from flam.core.terminal import printable, safe_stdout
from flam.jobs.manifest import make_folder
from flam.jobs.outputs import Output, choose_output, require_parent, require_place
from flam.plots.layout import require_picture, shortened
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


def choose_answers(answers: Answers) -> Output:
    """Where spans go, with all that can be refused before a search.

    Raises
    ------
    ConfigError
        A format, a picture, a number or a padding that is none.
    """
    require_top(answers.top)
    if answers.sheet is not None:
        require_picture(answers.sheet)
        require_parent(answers.sheet)
    if answers.cut is not None:
        require_place(answers.cut)
    if not 0 <= answers.padding < math.inf:
        raise ConfigError(f"--padding {answers.padding} must be at least 0 and finite")
    return choose_output(answers.output, answers.format, 1)


def require_top(top: int | None) -> None:
    """Refuse a number of results that is none."""
    if top is not None and top < 1:
        raise ConfigError(f"--top {top} must be at least 1; leave it out for all")


def write_answers(
    archives: Sequence[Archive], spans: Sequence[Span], answers: Answers, output: Output, reporter: Reporter
) -> int:
    """Write spans as the command asks for; gives the exit code.

    Raises
    ------
    ConfigError
        A format that holds one recording, for several; more clips than anybody asked for.
    OutputError
        A file can't be written.
    """
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
    elif output.kind == "folder":
        _write_folder(spans, rates, output)
    else:
        write_events(
            _grouped(spans, rates, output.format), safe_stdout() if output.path is None else output.path, output.format
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


def _write_folder(spans: Sequence[Span], rates: dict[Recording, int], output: Output) -> None:
    """A file for each recording that has spans, the tree of the recordings kept."""
    assert output.path is not None
    names = unlike_names([span.recording for span in spans])
    for events, name in zip(_grouped(spans, rates, "json"), names.values(), strict=True):
        path = output.path / f"{name}{FORMATS[output.format].suffix}"
        make_folder(path.parent)
        write_events([events], path, output.format)


def unlike_names(recordings: Iterable[Recording]) -> dict[Recording, PurePath]:
    """A name of its own for each recording: its path below their common folder, without suffix where that is enough.

    Examples
    --------
    >>> def recording(path):
    ...     return Recording(path, 0, 0, "", None, 8_000, 0)
    >>> names = unlike_names([recording("/a/x/1.wav"), recording("/a/y/1.wav"), recording("/a/y/1.flac")])
    >>> [name.as_posix() for name in names.values()]
    ['x/1', 'y/1.wav', 'y/1.flac']
    """
    paths = {recording: PurePath(recording.path) for recording in recordings}
    if not paths:
        return {}
    root = os.path.commonpath([path.parent for path in paths.values()])
    below = {recording: path.relative_to(root) for recording, path in paths.items()}
    shared = Counter(path.with_suffix("") for path in below.values())
    return {
        recording: path if shared[path.with_suffix("")] > 1 else path.with_suffix("")
        for recording, path in below.items()
    }


def _cut(spans: Sequence[Span], answers: Answers, folder: Path, reporter: Reporter) -> None:
    by_recording: dict[Recording, list] = {}
    for span in spans:
        by_recording.setdefault(span.recording, []).append(span.event)
    n_clips, names = 0, unlike_names(by_recording)
    shared = Counter(name.name for name in names.values())
    for recording, events in by_recording.items():
        # recorders at several places give their files the same names
        parts = names[recording].parts if shared[names[recording].name] > 1 else names[recording].parts[-1:]
        try:
            clips = cut_clips(recording.path, events, folder, answers.padding, answers.cut_format, stem="_".join(parts))
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
    from flam.plots.archive import SUBTITLE_CHARACTERS, Thumbnail

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
    moment, name = clock_time(span), Path(span.recording.path).name
    when = "" if moment is None else f"  {moment:%Y-%m-%d %H:%M:%S}"
    return Thumbnail(
        np.concatenate(blocks)[:n_wanted],
        rate,
        event.onset_s - start_s,
        min(event.offset_s - start_s, length_s),
        f"{rank}. {event.max_score:.4f}  {shortened(event.prompt, 18)}  {clock(event.onset_s)}",
        f"{shortened(name, SUBTITLE_CHARACTERS - len(when))}{when}",
    )


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
    else:
        with atomic_text(path) as file:
            yield file
