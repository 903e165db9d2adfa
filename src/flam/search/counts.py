"""How many of each sound: by prompt, recording, hour, day and site, with an estimate where a prompt was reviewed."""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import PurePath
from typing import Literal, TextIO, get_args

from flam.annotations.rows import spreadsheet_safe
from flam.core import ConfigError, Event
from flam.search.filters import recording_start
from flam.search.recordings import Recording
from flam.search.spans import Span

By = Literal["prompt", "recording", "hour", "day", "site"]
SiteFrom = Literal["folder", "name"]
_NAME_END = re.compile(r"[ _-]?(19|20)\d\d([-_.]?)\d\d\2\d\d.*")
# the share of a standard normal distribution within this of its middle is 80 %, as in a review
INTERVAL = 1.2816


@dataclass(frozen=True)
class Found:
    """A sound that was found, as counting sees it.

    Parameters
    ----------
    recording : str
        Path.
    began : datetime or None
        When the recording began.
    event : Event
        Times, prompt, scores; the probability where a review has fitted one.
    counts : bool
        Whether it reaches the threshold; those below it only go into estimates.
    """

    recording: str
    began: datetime | None
    event: Event
    counts: bool = True

    @property
    def moment(self) -> datetime | None:
        """When it began by the recorder's clock."""
        return None if self.began is None else self.began + timedelta(seconds=self.event.onset_s)


@dataclass(frozen=True)
class Count:
    """A row of the table of counts.

    Parameters
    ----------
    key : tuple of str
        What it is about, one value for each of the chosen ``by``.
    n : int
        Spans at or above the threshold.
    duration_s : float
        Their length together.
    estimate : (float, float, float) or None
        10 % quantile, expected value and 90 % quantile of how many there really are, as far as the probabilities of a
        review tell; None where the prompt was not reviewed.
    """

    key: tuple[str, ...]
    n: int
    duration_s: float
    estimate: tuple[float, float, float] | None = None


def found_in_archive(spans: Iterable[Span], thresholds: dict[str, float]) -> list[Found]:
    """Spans of an archive, those below the threshold of their prompt marked."""
    return [
        Found(
            span.recording.path,
            recording_start(span.recording),
            span.event,
            (span.event.max_score or 0.0) >= thresholds.get(span.event.prompt, 0.0),
        )
        for span in spans
    ]


def count(found: Sequence[Found], by: Sequence[By], site_from: SiteFrom = "folder") -> list[Count]:
    """Count by any combination of prompt, recording, hour, day and site.

    Parameters
    ----------
    found : sequence of Found
        What was found.
    by : sequence of {"prompt", "recording", "hour", "day", "site"}
        The columns, the first one first. Hour and day are those of the recorder's clock; where nobody knows when a
        recording began they are empty.
    site_from : {"folder", "name"}
        Whether the folder of a recording names its site or what stands before the date in its name.

    Returns
    -------
    list of Count
        Ordered by key.

    Raises
    ------
    ConfigError
        An unknown column.

    Examples
    --------
    >>> event = Event(3600.0, 3602.0, "owl", 0.9, 0.9)
    >>> found = [Found("wood/a.wav", datetime(2026, 5, 1, 22), event), Found("wood/b.wav", None, event)]
    >>> [(row.key, row.n) for row in count(found, ["prompt", "hour"])]
    [(('owl', ''), 1), (('owl', '23'), 1)]
    """
    keys = [_KEYS[column] if column != "site" else _site_key(site_from) for column in by if column in get_args(By)]
    if len(keys) != len(by):
        unknown = next(column for column in by if column not in get_args(By))
        raise ConfigError(f"column {unknown!r} is not known; choose of {', '.join(get_args(By))}")
    groups: dict[tuple[str, ...], list[Found]] = defaultdict(list)
    for one in found:
        groups[tuple(key(one) for key in keys)].append(one)
    return [_counted(key, groups[key]) for key in sorted(groups)]


def write_counts(rows: Iterable[Count], by: Sequence[By], file: TextIO) -> None:
    """Write counts as CSV.

    Examples
    --------
    >>> import sys
    >>> write_counts([Count(("owl",), 3, 4.5)], ["prompt"], sys.stdout)
    prompt,n,duration_s,estimate,low,high
    owl,3,4.500,,,
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*by, "n", "duration_s", "estimate", "low", "high"])
    for row in rows:
        values = ["", "", ""]
        if row.estimate is not None:
            low, middle, high = row.estimate
            values = [f"{middle:.1f}", f"{low:.1f}", f"{high:.1f}"]
        writer.writerow([*map(spreadsheet_safe, row.key), row.n, f"{row.duration_s:.3f}", *values])


def recorded_hours(recordings: Iterable[Recording], sample_rate: int) -> dict[tuple[date, int], float]:
    """Seconds that were recorded in each hour of each day, by the recorder's clock."""
    recorded: dict[tuple[date, int], float] = defaultdict(float)
    for recording in recordings:
        began = recording_start(recording)
        if began is None:
            continue
        now, end = began, began + timedelta(seconds=recording.n_samples / sample_rate)
        while now < end:
            next_hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
            recorded[now.date(), now.hour] += (min(next_hour, end) - now).total_seconds()
            now = next_hour
    return dict(recorded)


def _counted(key: tuple[str, ...], group: Sequence[Found]) -> Count:
    counted = [one.event for one in group if one.counts]
    probabilities = [one.event.probability for one in group]
    estimate = None
    known = [probability for probability in probabilities if probability is not None]
    if known and len(known) == len(probabilities):
        expected = sum(known)
        spread = INTERVAL * math.sqrt(sum(probability * (1 - probability) for probability in known))
        estimate = max(expected - spread, 0.0), expected, min(expected + spread, float(len(known)))
    return Count(key, len(counted), sum(event.duration_s for event in counted), estimate)


def _hour(one: Found) -> str:
    return "" if one.moment is None else f"{one.moment.hour:02d}"


def _day(one: Found) -> str:
    return "" if one.moment is None else one.moment.date().isoformat()


def _site_key(site_from: SiteFrom) -> Callable[[Found], str]:
    if site_from == "folder":
        return lambda one: PurePath(one.recording).parent.name
    return lambda one: _NAME_END.sub("", PurePath(one.recording).stem)


_KEYS: dict[str, Callable[[Found], str]] = {
    "prompt": lambda one: one.event.prompt,
    "recording": lambda one: one.recording,
    "hour": _hour,
    "day": _day,
}


def with_probability(found: Iterable[Found], events: Iterable[Event]) -> list[Found]:
    """The same with events that know their probability, one for each."""
    return [replace(one, event=event) for one, event in zip(found, events, strict=True)]
