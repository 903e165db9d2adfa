"""Reviews that go on in the page: one prompt each, over recordings of the server, or over whole archives."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from flam.core import ConfigError, RecordingEvents
from flam.detection.prompt_file import PromptList
from flam.review import (
    Candidate,
    RecordingHashes,
    ReviewConfig,
    ReviewSession,
    Target,
    archive_events,
    candidate_floor,
    find_candidates,
)
from flam.server.errors import NotFound
from flam.server.scoring import Query
from flam.server.searching import ArchiveShelf
from flam.server.service import Service, require_ready
from flam.server.store import StoredRecording

MAX_REVIEWS = 200
# Candidates are sought at ever lower shares of the way from the model's threshold down to nothing, so that a loud
# event keeps its span and a faint one is found at all.
FLOORS = (0.99, 0.97, 0.93, 0.85, 0.7, 0.5)


@dataclass(eq=False)
class Review:
    """A review and where its candidates can be heard.

    Parameters
    ----------
    id : str
        Not to be guessed.
    session : ReviewSession
        What was asked and answered.
    recordings : dict
        By the candidate's recording, what holds its sound: a recording of the server, or the name of an archive.
    """

    id: str
    session: ReviewSession
    recordings: dict[str, StoredRecording | str]
    lock: threading.Lock = field(default_factory=threading.Lock)
    used_at: float = field(default_factory=time.monotonic)


class Reviews:
    """The reviews of a server; the ones not touched for longest are forgotten.

    Parameters
    ----------
    service : Service
        Finds the candidates in recordings.
    shelf : ArchiveShelf
        The archives.
    """

    def __init__(self, service: Service, shelf: ArchiveShelf):
        self._service, self._shelf = service, shelf
        self._reviews: OrderedDict[str, Review] = OrderedDict()
        self._lock = threading.Lock()

    def begin(
        self,
        entries: PromptList,
        suppress: Sequence[str],
        recordings: Sequence[StoredRecording],
        archives: Sequence[str],
        target: Target,
        site: str,
    ) -> Review:
        """Begin a review of one prompt.

        Raises
        ------
        ConfigError
            Nothing there is even a candidate.
        NotFound
            No such archive.
        NotReady
            A recording is not analysed.
        """
        [prompt] = entries.names
        found: list[RecordingEvents] = []
        by_name: dict[str, StoredRecording | str] = {}
        hashes: dict[str, str] = {}
        for recording in recordings:
            require_ready(recording)
            name = recording.name if recording.name not in by_name else f"{recording.name} ({recording.id[:6]})"
            by_name[name], hashes[name] = recording, recording.id[:16]
            events = self._events(recording, entries, tuple(suppress))
            found.append(RecordingEvents(name, recording.analysed_s, events))
        floor = candidate_floor(self._service.detector.config)
        for archive in archives:
            events_of = archive_events(self._shelf.open(archive), entries, floor, suppress)
            found += events_of
            by_name |= {item.recording: archive for item in events_of}
        candidates = find_candidates(found, prompt)
        known = RecordingHashes(by_name, hashes)
        config = ReviewConfig(target=target)
        session = ReviewSession(prompt, candidates, (), known, self._service.model_id, site, config)
        review = Review(secrets.token_hex(16), session, by_name)
        with self._lock:
            self._reviews[review.id] = review
            while len(self._reviews) > MAX_REVIEWS:
                self._reviews.popitem(last=False)
        return review

    def get(self, id: str) -> Review:
        """The review with an id.

        Raises
        ------
        NotFound
            No such review.
        """
        with self._lock:
            review = self._reviews.get(id)
            if review is None:
                raise NotFound(f"review {id!r} is not here any more; begin it again")
            self._reviews.move_to_end(id)
            return review

    def _events(self, recording: StoredRecording, entries: PromptList, suppress: tuple[str, ...]) -> tuple:
        """Events at the model's threshold, then those that only lower ones show."""
        kept: list = []
        for floor in FLOORS:
            query = Query(entries, suppress, {"threshold": floor}, {})
            for event in self._service.scorer.events(recording, query):
                if not any(event.onset_s < other.offset_s and other.onset_s < event.offset_s for other in kept):
                    kept.append(event)
        return tuple(sorted(kept))


def require_candidate(candidate: Candidate | None) -> Candidate:
    """Refuse an answer when nothing is asked.

    Raises
    ------
    ConfigError
        The review is finished.
    """
    if candidate is None:
        raise ConfigError("the review is finished; undo an answer, or begin another one")
    return candidate
