"""``flam count``: how many of each sound, by recording, hour, day and site."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from flam.cli.detect_options import Events, Find
from flam.cli.search_options import Keep, Together, choose_filters

if TYPE_CHECKING:
    from flam.core.progress import Reporter
    from flam.search.counts import Found

FLAT = Parameter(name="*")
# an estimate adds up the probabilities of all candidates; those below this share of a chance add next to nothing
LEAST_PROBABILITY = 0.02
LOWEST_THRESHOLD = 0.05


def count(
    *inputs: Annotated[Path, Parameter(help="Archives, or folders and files that flam detect wrote.")],
    find: Annotated[Find, FLAT] = Find(),  # noqa: B008 - frozen
    keep: Annotated[Keep, FLAT] = Keep(),  # noqa: B008
    events: Annotated[Events, FLAT] = Events(),  # noqa: B008
    by: Annotated[
        tuple[Literal["prompt", "recording", "hour", "day", "site"], ...],
        Parameter(help="What to count by; once for each column. Default: prompt.", negative="", show_default=False),
    ] = ("prompt",),
    site_from: Annotated[
        Literal["folder", "name"], Parameter(help="A site is a folder, or what stands before the date in a name.")
    ] = "folder",
    time_zone: Annotated[
        str | None, Parameter(help="Of recorders that state none, for results of flam detect.")
    ] = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="CSV file; default: stdout.")] = None,
    plot: Annotated[Path | None, Parameter(name="--map", help="Activity map, hours by days (png, pdf, svg).")] = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress.")] = False,
) -> int:
    """Count sounds in archives, or in what flam detect found.

    For example: flam count archive/ -p "tawny owl" --by prompt --by day --map owls.png
    """
    from flam.core import ConfigError, atomic_text
    from flam.core.progress import Reporter
    from flam.core.terminal import safe_stdout
    from flam.search.catalogue import FILE_NAME
    from flam.search.counts import count as count_rows
    from flam.search.counts import write_counts

    reporter = Reporter(quiet)
    if not inputs:
        raise ConfigError("nothing to count in: name archives, or folders that flam detect wrote")
    kinds = {(path / FILE_NAME).exists() for path in inputs}
    if len(kinds) > 1:
        raise ConfigError("archives and results of flam detect can't be counted together; count them one at a time")
    found, recorded = (
        _in_archives(inputs, find, keep, events) if kinds == {True} else _in_results(inputs, find, time_zone, reporter)
    )
    rows = count_rows(found, by, site_from)
    if output is None:
        write_counts(rows, by, safe_stdout())
    else:
        with atomic_text(output) as file:
            write_counts(rows, by, file)
    if plot is not None:
        from flam.plots.archive import plot_activity

        plot_activity(_cells(found), recorded, plot)
        reporter.say(f"activity map: {plot}")
    return 1 if reporter.n_problems else 0


def _in_archives(
    paths: Sequence[Path], find: Find, keep: Keep, events: Events
) -> tuple[list[Found], dict[tuple[date, int], float]]:
    from flam.cli.search import choose_prompts, choose_queries, open_archives
    from flam.search.counts import found_in_archive, recorded_hours, with_probability

    archives = open_archives(tuple(paths))
    prompts = choose_prompts(find)
    queries, silence_db = choose_queries(archives[0], find, Together(), events)
    thresholds = {query.label: query.rule.threshold for query in queries}
    fitted = {entry.prompt: entry.probability for entry in prompts.prompts if entry.probability is not None}
    lowered = [
        query.with_threshold(min(query.rule.threshold, _lowest_score(fitted[query.label])))
        if query.label in fitted
        else query
        for query in queries
    ]
    filters = choose_filters(keep)
    found: list[Found] = []
    recorded: dict[tuple[date, int], float] = defaultdict(float)
    for archive in archives:
        spans = list(archive.spans(lowered, silence_db, filters))
        rows = found_in_archive(spans, thresholds)
        found += with_probability(rows, prompts.finish(span.event for span in spans)) if fitted else rows
        kept = [recording for recording in archive.recordings if filters.keep_recording(recording)]
        for cell, seconds in recorded_hours(kept, archive.settings.sample_rate).items():
            recorded[cell] += seconds
    return found, dict(recorded)


def _in_results(
    paths: Sequence[Path], find: Find, time_zone: str | None, reporter: Reporter
) -> tuple[list[Found], dict[tuple[date, int], float]]:
    """What ``flam detect`` wrote, in whatever of its formats."""
    from flam.annotations import read_events
    from flam.audio.start_time import start_time
    from flam.core import AnnotationError, ConfigError
    from flam.search.counts import Found, recorded_hours
    from flam.search.recordings import Recording

    wanted = set(choose_names(find))
    files = [file for path in paths for file in (_event_files(path) if path.is_dir() else [path])]
    if not files:
        raise ConfigError(f"{paths[0]}: neither an archive nor results of flam detect; check the path")
    found, rows = [], []
    for file in files:
        try:
            recordings = read_events(file)
        except AnnotationError as error:
            reporter.error(str(error))
            continue
        for recording in recordings:
            began = start_time(recording.recording, time_zone)
            duration_s = recording.duration_s
            if duration_s is None:
                duration_s = max((event.offset_s for event in recording.events), default=0.0)
            text = None if began is None else began.isoformat()
            rows.append(Recording(recording.recording, 0, 0, "", text, 1000, round(duration_s * 1000)))
            found += [
                Found(recording.recording, began, event)
                for event in recording.events
                if not wanted or event.prompt in wanted
            ]
    return found, recorded_hours(rows, 1000)


def choose_names(find: Find) -> tuple[str, ...]:
    """The prompts that are asked for; none for all."""
    from flam.cli.search import choose_prompts

    return choose_prompts(find, needed=False).names


def _event_files(folder: Path) -> list[Path]:
    from flam.annotations import FORMATS

    suffixes = tuple(format.suffix for format in FORMATS.values() if format.read is not None)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name.endswith(suffixes) and not any(part.startswith(".") for part in path.parts)
    )


def _cells(found: Sequence[Found]) -> dict[str, dict[tuple[date, int], int]]:
    cells: dict[str, dict[tuple[date, int], int]] = {}
    for one in found:
        panel = cells.setdefault(one.event.prompt, defaultdict(int))
        if one.counts and one.moment is not None:
            panel[one.moment.date(), one.moment.hour] += 1
    return cells


def _lowest_score(probability) -> float:
    """The score at which a fitted probability is next to nothing."""
    scores = [LOWEST_THRESHOLD + step * (1 - LOWEST_THRESHOLD) / 200 for step in range(200)]
    return next((score for score in scores if probability.of(score) >= LEAST_PROBABILITY), scores[-1])
