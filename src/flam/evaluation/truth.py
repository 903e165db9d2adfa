"""Ground truth: checked, joined where events of a prompt touch, and laid out in arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from flam.core import FlamError, RecordingEvents

Outside = Literal["error", "trim", "keep"]
OtherPrompts = Literal["error", "ignore"]

ROUNDING_S = 1e-3  # how far beyond the end of a recording an event may reach before it counts as outside of it
SHORTEST_S = 1e-5  # an event shorter than this has no length
N_SHOWN = 5


@dataclass(frozen=True)
class Truth:
    """Events of all recordings, ordered by prompt, then recording, then onset; no two of a prompt touch.

    Parameters
    ----------
    recording, prompt : np.ndarray
        (E,) int arrays, positions in the table's recordings and prompts
    onset_s, offset_s : np.ndarray
        (E,) float arrays, seconds
    n_joined : int
        events that vanished into an event of the same prompt that they touch or overlap, which frame scores could not
        tell apart
    n_outside : int
        events that reach beyond the end of their recording: cut there, or kept as they are
    n_dropped : int
        events without any length inside of their recording, left out
    n_ignored : int
        events of prompts that nobody scored, left out
    """

    recording: np.ndarray
    prompt: np.ndarray
    onset_s: np.ndarray
    offset_s: np.ndarray
    n_joined: int
    n_outside: int
    n_dropped: int
    n_ignored: int

    def events_of(self, prompt: int) -> slice:
        """Place of one prompt's events."""
        first, last = np.searchsorted(self.prompt, [prompt, prompt + 1])
        return slice(int(first), int(last))


def collect_truth(
    truth: Mapping[str, RecordingEvents],
    recordings: Sequence[str],
    prompts: Sequence[str],
    durations_s: np.ndarray,
    outside: Outside,
    other_prompts: OtherPrompts,
) -> Truth:
    """Lay events out in arrays.

    Parameters
    ----------
    truth : Mapping[str, RecordingEvents]
        the events of each of ``recordings``
    durations_s : np.ndarray
        (R,) float array
    outside : Outside
        what to do with events that are not wholly inside of their recording, or have no length: tell of them; cut them
        at the end and drop what has no length left; or keep those that reach beyond the end as they are
    other_prompts : OtherPrompts
        what to do with events whose prompt is not among ``prompts``

    Raises
    ------
    FlamError
        an event is outside, or of another prompt, and this is not allowed

    Examples
    --------
    >>> from flam.core import Event
    >>> truth = {"a": RecordingEvents("a", 9.0, (Event(1.0, 3.0, "dog"), Event(2.5, 4.0, "dog")))}
    >>> found = collect_truth(truth, ["a"], ["dog"], np.array([9.0]), "error", "error")
    >>> found.onset_s, found.offset_s, found.n_joined
    (array([1.]), array([4.]), 1)
    """
    _check_prompts(truth, prompts, other_prompts)
    column = {prompt: k for k, prompt in enumerate(prompts)}
    rows: list[tuple[int, int, float, float]] = []
    problems: list[str] = []
    n_outside = n_dropped = n_ignored = 0
    for r, recording in enumerate(recordings):
        end_s = float(durations_s[r])
        for event in truth[recording].events:
            if event.prompt not in column:
                n_ignored += 1
                continue
            offset_s = event.offset_s if outside == "keep" else min(event.offset_s, end_s)
            is_outside = event.offset_s > end_s + ROUNDING_S
            has_length = offset_s - event.onset_s >= SHORTEST_S
            is_refused = is_outside or not has_length if outside == "error" else outside == "keep" and not has_length
            if is_refused:
                problems.append(
                    f"{recording}: {event.prompt!r} from {event.onset_s} s to {event.offset_s} s of {end_s} s"
                )
            elif has_length:
                n_outside += is_outside
                rows.append((column[event.prompt], r, event.onset_s, offset_s))
            else:
                n_dropped += 1
    if problems:
        raise FlamError(
            f"{len(problems)} events have no length or reach beyond the end of their recording: {truncate(problems)}; "
            "correct them, or pass outside='trim' to cut and count them"
        )
    joined = _join(sorted(rows))
    prompt, recording_index, onset_s, offset_s_all = zip(*joined, strict=True) if joined else ((), (), (), ())
    return Truth(
        np.array(recording_index, np.int64),
        np.array(prompt, np.int64),
        np.array(onset_s, np.float64),
        np.array(offset_s_all, np.float64),
        len(rows) - len(joined),
        n_outside,
        n_dropped,
        n_ignored,
    )


def truncate(names: Sequence[str]) -> str:
    """The first few of many names.

    Examples
    --------
    >>> truncate(["a", "b"]), truncate(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    rest = len(names) - N_SHOWN
    return ", ".join(names[:N_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _check_prompts(truth: Mapping[str, RecordingEvents], prompts: Sequence[str], other_prompts: OtherPrompts) -> None:
    unscored = sorted({event.prompt for events in truth.values() for event in events.events} - set(prompts))
    if unscored and other_prompts == "error":
        raise FlamError(
            f"events have {len(unscored)} prompts that were not scored: {truncate(unscored)}; scored prompts: "
            f"{truncate(list(prompts))}; score them, or pass other_prompts='ignore' to leave these events out, counted"
        )


def _join(rows: Sequence[tuple[int, int, float, float]]) -> list[tuple[int, int, float, float]]:
    joined: list[tuple[int, int, float, float]] = []
    for row in rows:
        if joined and joined[-1][:2] == row[:2] and row[2] <= joined[-1][3]:
            joined[-1] = (*joined[-1][:3], max(joined[-1][3], row[3]))
        else:
            joined.append(row)
    return joined
