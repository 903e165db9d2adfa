"""Detections beside reviewed labels: what was found, missed and reported wrongly, prompt by prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flam.core import Event
from flam.evaluation.detections import MIN_OVERLAP, match_detections


@dataclass(frozen=True)
class PromptComparison:
    """Counts of one prompt over all recordings.

    Parameters
    ----------
    prompt : str
        As the truth writes it; "all" for the sum.
    n_events, n_found : int
        Events that are there, and those that a detection overlaps.
    n_detections, n_right : int
        Detections, and those that overlap an event.
    onset_errors_s : tuple of float
        Of each found event, distance of its onset from that of the first detection that overlaps it, seconds.
    """

    prompt: str
    n_events: int
    n_found: int
    n_detections: int
    n_right: int
    onset_errors_s: tuple[float, ...]

    @property
    def precision(self) -> float:
        """Share of the detections that are right; NaN without any."""
        return self.n_right / self.n_detections if self.n_detections else float("nan")

    @property
    def recall(self) -> float:
        """Share of the events that were found; NaN without any."""
        return self.n_found / self.n_events if self.n_events else float("nan")

    def onset_error_s(self, share: float = 0.5) -> float:
        """Quantile of the onset errors, seconds; NaN where nothing was found."""
        return float(np.quantile(self.onset_errors_s, share)) if self.onset_errors_s else float("nan")


def compare_events(
    results: Mapping[str, Sequence[Event]], truth: Mapping[str, Sequence[Event]], min_overlap: float = MIN_OVERLAP
) -> list[PromptComparison]:
    """Compare detections with the events that are there, over the recordings of the truth.

    A detection and an event of one prompt match where they share at least ``min_overlap`` of the shorter of the two.
    Case, underscores and spaces around a prompt don't count.

    Parameters
    ----------
    results, truth : mapping of str to sequence of Event
        By recording. A recording of the truth without results counts with no detections, one of the results that
        nobody reviewed does not count.
    min_overlap : float
        In (0, 1].

    Returns
    -------
    list of PromptComparison
        By prompt, in alphabetical order; the last is "all".

    Examples
    --------
    >>> truth = {"a": [Event(1.0, 3.0, "Car horn"), Event(8.0, 9.0, "Car horn")]}
    >>> rows = compare_events({"a": [Event(1.25, 2.0, "car_horn"), Event(5.0, 6.0, "car horn")]}, truth)
    >>> [(row.prompt, row.precision, row.recall, row.onset_error_s()) for row in rows]
    [('Car horn', 0.5, 0.5, 0.25), ('all', 0.5, 0.5, 0.25)]
    """
    written: dict[str, str] = {}  # the first spelling of a prompt is the one to show
    counts: dict[str, PromptComparison] = {}
    for recording, events in truth.items():
        there = _by_prompt(events, written)
        reported = _by_prompt(results.get(recording, ()), written)
        for key in there.keys() | reported.keys():
            found = _compare(written[key], reported.get(key, []), there.get(key, []), min_overlap)
            counts[key] = _sum(written[key], [counts[key], found] if key in counts else [found])
    rows = [counts[key] for key in sorted(counts)]
    return [*rows, _sum("all", rows)]


def _compare(prompt: str, detections: Sequence[Event], events: Sequence[Event], min_overlap: float) -> PromptComparison:
    matches = match_detections(detections, events, min_overlap)
    errors_s = tuple(error_s for error_s in matches.onset_errors_s if error_s is not None)
    n_right = len(detections) - matches.n_false_alarms
    return PromptComparison(prompt, len(events), len(errors_s), len(detections), n_right, errors_s)


def _by_prompt(events: Sequence[Event], written: dict[str, str]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        key = " ".join(event.prompt.replace("_", " ").casefold().split())
        written.setdefault(key, event.prompt)
        found.setdefault(key, []).append(replace(event, prompt=key))
    return found


def _sum(prompt: str, rows: Sequence[PromptComparison]) -> PromptComparison:
    return PromptComparison(
        prompt,
        sum(row.n_events for row in rows),
        sum(row.n_found for row in rows),
        sum(row.n_detections for row in rows),
        sum(row.n_right for row in rows),
        tuple(error_s for row in rows for error_s in row.onset_errors_s),
    )
