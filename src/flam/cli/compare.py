"""``flam compare``: a table of detections against reviewed labels."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from flam.evaluation.detections import PromptComparison

COLUMNS = (
    "prompt",
    "events",
    "found",
    "detections",
    "right",
    "precision",
    "recall",
    "onset_error_median_s",
    "onset_error_90_percent_s",
)
NAMES_SHOWN = 5


def compare(
    results: Annotated[Path, Parameter(help="What was detected: a file of events in any format, or a folder of them.")],
    truth: Annotated[Path, Parameter(help="Reviewed labels, likewise.")],
    /,
    *,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Table to write, .csv; default: the screen.")
    ] = None,
    min_overlap: Annotated[
        float,
        Parameter(help="A detection and an event match where they share this part of the shorter one, above 0 to 1."),
    ] = 0.3,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No remarks on stderr.")] = False,
) -> int:
    """Compare detections with reviewed labels: precision, recall and onset errors for each prompt.

    For example: flam compare results/ reviewed.selections.txt

    For example: flam compare night.csv labels/ --min-overlap 0.5 -o comparison.csv

    Recordings are matched by name, prompts by their words. A reviewed recording that the results do not name counts
    as one without detections; a recording that nobody reviewed is skipped.
    """
    from flam.core import ConfigError, atomic_text
    from flam.core.progress import Reporter
    from flam.evaluation.detections import compare_events
    from flam.jobs.inputs import read_event_lists

    if not 0 < min_overlap <= 1:
        raise ConfigError(f"--min-overlap {min_overlap} must be above 0 and at most 1")
    if output is not None and output.suffix.lower() != ".csv":
        raise ConfigError(f"{output}: a comparison is written as .csv; name it so")
    reporter = Reporter(quiet)
    detected, reviewed = read_event_lists(results, reporter.error), read_event_lists(truth, reporter.error)
    if not detected.keys() & reviewed.keys():
        raise ConfigError(
            f"{results} and {truth} name no recording in common ({_some(detected)}; {_some(reviewed)}); "
            "check that they are of the same recordings"
        )
    for what, names in (
        ("are not in the results and count as without detections", reviewed.keys() - detected.keys()),
        ("are not reviewed and left out", detected.keys() - reviewed.keys()),
    ):
        if names and not quiet:
            reporter.say(f"note: {len(names)} recordings {what}: {_some(names)}")
    rows = compare_events(detected, reviewed, min_overlap)
    if output is None:
        _print(rows)
    else:
        with atomic_text(output) as file:
            file.write(_csv(rows))
    return 1 if reporter.n_problems else 0


def _some(names: object) -> str:
    listed = sorted(map(str, names))  # type: ignore[call-overload]
    return ", ".join(listed[:NAMES_SHOWN]) + (", ..." if len(listed) > NAMES_SHOWN else "")


def _cells(row: PromptComparison) -> list[str]:
    figures = (row.precision, row.recall, row.onset_error_s(0.5), row.onset_error_s(0.9))
    counts = (row.n_events, row.n_found, row.n_detections, row.n_right)
    return [row.prompt, *map(str, counts), *("" if value != value else f"{value:.3f}" for value in figures)]


def _csv(rows: list[PromptComparison]) -> str:
    from flam.annotations.rows import spreadsheet_safe

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([spreadsheet_safe(cell) for cell in _cells(row)] for row in rows)
    return buffer.getvalue()


def _print(rows: list[PromptComparison]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from flam.core.terminal import printable

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    headings = ("prompt", "events", "found", "detections", "right", "precision", "recall", "onset error", "90 %")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell) or "-") for cell in _cells(row)))
    Console(file=sys.stdout, highlight=False).print(table)
