"""Answers from annotated recordings instead of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flam.core import Event
from flam.review.candidates import Candidate

MIN_OVERLAP = 0.3


def is_right(candidate: Candidate, events: Sequence[Event], min_overlap: float = MIN_OVERLAP) -> bool:
    """Whether an annotated event is where a candidate is.

    Parameters
    ----------
    candidate : Candidate
        What was found.
    events : sequence of Event
        The events of that prompt in that recording.
    min_overlap : float
        Share of the shorter of both that they must have in common.

    Examples
    --------
    >>> is_right(Candidate("a.wav", 1.0, 2.0, 0.9), [Event(1.5, 9.0, "siren")])
    True
    """
    for event in events:
        shared_s = min(candidate.offset_s, event.offset_s) - max(candidate.onset_s, event.onset_s)
        shorter_s = min(candidate.offset_s - candidate.onset_s, event.duration_s)
        if shared_s > 0 and shared_s >= min_overlap * shorter_s:
            return True
    return False


def answers_of(
    candidates: Sequence[Candidate], events_of: Mapping[str, Sequence[Event]], prompt: str
) -> dict[int, bool]:
    """Whether each candidate is right, from complete annotations.

    Parameters
    ----------
    candidates : sequence of Candidate
        What was found.
    events_of : mapping
        Recording to all its annotated events; candidates of other recordings are left out.
    prompt : str
        Label of the events that count.

    Returns
    -------
    dict
        Place of a candidate to whether it is right.
    """
    own = {name: [event for event in events if event.prompt == prompt] for name, events in events_of.items()}
    return {
        place: is_right(candidate, own[candidate.recording])
        for place, candidate in enumerate(candidates)
        if candidate.recording in own
    }
