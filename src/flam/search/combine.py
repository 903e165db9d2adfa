"""Spans of several prompts together: at the same time, one or the other, one after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from flam.core import ConfigError, Event
from flam.search.recordings import Recording
from flam.search.spans import Span


def all_of(spans: Iterable[Span], prompts: Sequence[str], within_s: float = 0.0) -> list[Span]:
    """Stretches of time in which all prompts sound.

    Parameters
    ----------
    spans : iterable of Span
        Of all the prompts.
    prompts : sequence of str
        Two at least.
    within_s : float
        How far apart they may be: spans are this much longer, half before and half behind, when they are compared. 0
        asks for sounds that overlap.

    Returns
    -------
    list of Span
        From the first onset to the last offset of each group of spans, with the lowest of their scores.
    """
    if len(prompts) < 2:
        raise ConfigError("--all needs two prompts at least; give another -p")
    found: list[Span] = []
    for recording, by_prompt in _by_recording(spans).items():
        groups = [[span] for span in by_prompt.get(prompts[0], [])]
        for prompt in prompts[1:]:
            groups = [
                [*group, span]
                for group in groups
                for span in by_prompt.get(prompt, [])
                if all(_gap_s(span.event, other.event) <= within_s for other in group)
            ]
        best: dict[tuple[float, float], Span] = {}
        for group in groups:
            joined = _joined(recording, group, " + ".join(prompts))
            best.setdefault((joined.event.onset_s, joined.event.offset_s), joined)
        found += best.values()
    return found


def any_of(spans: Iterable[Span], prompts: Sequence[str]) -> list[Span]:
    """Stretches of time in which any of the prompts sounds: overlapping spans joined, with their highest score."""
    found = []
    for recording, by_prompt in _by_recording(spans).items():
        ordered = sorted((span for rows in by_prompt.values() for span in rows), key=lambda span: span.event)
        group: list[Span] = []
        for span in ordered:
            if group and span.event.onset_s > max(other.event.offset_s for other in group):
                found.append(_joined(recording, group, " | ".join(prompts), highest=True))
                group = []
            group.append(span)
        if group:
            found.append(_joined(recording, group, " | ".join(prompts), highest=True))
    return found


def followed_by(spans: Iterable[Span], then: str, within_s: float) -> list[Span]:
    """Spans that another prompt's span follows: it begins after the onset of the first and soon after its end.

    Parameters
    ----------
    spans : iterable of Span
        Of the first prompts and of ``then``.
    then : str
        The prompt that follows.
    within_s : float
        Most seconds from the end of the first to the beginning of the second.

    Returns
    -------
    list of Span
        From the beginning of the first to the end of the second, the nearest that follows, with the lower of the two
        scores.
    """
    found = []
    for recording, by_prompt in _by_recording(spans).items():
        later = sorted(by_prompt.pop(then, []), key=lambda span: span.event)
        for first in (span for rows in by_prompt.values() for span in rows):
            for second in later:
                starts_after = second.event.onset_s > first.event.onset_s
                if starts_after and second.event.onset_s - first.event.offset_s <= within_s:
                    found.append(_joined(recording, [first, second], f"{first.event.prompt} > {then}"))
                    break
    return found


def _by_recording(spans: Iterable[Span]) -> dict[Recording, dict[str, list[Span]]]:
    groups: dict[Recording, dict[str, list[Span]]] = defaultdict(lambda: defaultdict(list))
    for span in spans:
        groups[span.recording][span.event.prompt].append(span)
    return groups


def _gap_s(one: Event, other: Event) -> float:
    """Seconds between two events; 0 where they touch, below 0 where they overlap."""
    return max(one.onset_s, other.onset_s) - min(one.offset_s, other.offset_s)


def _joined(recording: Recording, group: Sequence[Span], label: str, highest: bool = False) -> Span:
    events = [span.event for span in group]
    choose = max if highest else min
    event = Event(
        min(event.onset_s for event in events),
        max(event.offset_s for event in events),
        label,
        choose(event.mean_score or 0.0 for event in events),
        choose(event.max_score or 0.0 for event in events),
    )
    return Span(recording, event, max(span.level_db for span in group))
