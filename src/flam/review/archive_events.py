"""Candidates of a review from an archive: its recordings are not encoded again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flam.core import Event, RecordingEvents
from flam.detection.prompt_file import PromptList

if TYPE_CHECKING:
    from flam.search import Archive


def archive_events(
    archive: Archive, prompts: PromptList, floor: float, suppress: Sequence[str] = ()
) -> list[RecordingEvents]:
    """Events of an archive's recordings that reach a low threshold, as ``detect`` finds them with it.

    Parameters
    ----------
    archive : Archive
        Where to look.
    prompts : PromptList
        What is reviewed; thresholds of its own don't count.
    floor : float
        Score that events reach at least.
    suppress : sequence of str
        Sounds that must not be mistaken for a prompt.

    Returns
    -------
    list of RecordingEvents
        By path; recordings without events are left out.
    """
    plain = prompts.without_thresholds()
    config = plain.configure(archive.detection_config(threshold=floor, low_threshold=floor))
    found: dict[str, list[Event]] = defaultdict(list)
    for span in archive.spans(archive.queries(plain, suppress, config), config.silence_db):
        found[span.recording.path].append(span.event)
    return [RecordingEvents(path, None, tuple(sorted(events))) for path, events in sorted(found.items())]
