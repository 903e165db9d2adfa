"""What a person is asked about: events found with a very low threshold, a few of each recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flam.core import AudioError, Event, RecordingEvents, file_sha256
from flam.detection.config import DetectionConfig
from flam.detection.prompt_file import PromptList

if TYPE_CHECKING:
    from flam.search import Archive

PER_RECORDING = 2
# Of long recordings, so many of each stretch: a day of one microphone is as good as many short recordings.
STRETCH_S = 300.0
# Where no curve was measured: scores that wrong candidates reach as well.
FLOORS: dict[str, float] = {"posterior": 0.05, "unbiased": 0.8, "approximate": 0.8}
# Scores are float32: closer to 0 and 1 they can't tell.
SMALLEST_SCORE = 1e-6


@dataclass(frozen=True, order=True)
class Candidate:
    """An event to be judged.

    Parameters
    ----------
    recording : str
        Path or name of the recording.
    onset_s, offset_s : float
        Seconds from its start.
    score : float
        The event's maximum score, in [0, 1].
    """

    recording: str
    onset_s: float
    offset_s: float
    score: float

    def overlaps(self, other: Candidate | Event) -> bool:
        """Whether both share some time; that they are of one recording and prompt is the caller's care."""
        return self.onset_s < other.offset_s and other.onset_s < self.offset_s


def candidate_floor(config: DetectionConfig) -> float:
    """The score that candidates reach at least: the lowest threshold of the model's curve of false alarms.

    Examples
    --------
    >>> candidate_floor(DetectionConfig(score="approximate"))
    0.8
    """
    curve = config.false_alarm_curve
    return FLOORS[config.score] if curve is None else curve.thresholds[0]


def find_candidates(
    recordings: Iterable[RecordingEvents], prompt: str, per_recording: int = PER_RECORDING, stretch_s: float = STRETCH_S
) -> tuple[Candidate, ...]:
    """The candidates of a prompt: its events of highest score, at most a few of each recording.

    Parameters
    ----------
    recordings : iterable of RecordingEvents
        Events found with a very low threshold, from ``detect``, a file of results or an archive. Events without a
        score don't count.
    prompt : str
        The prompt under review.
    per_recording : int
        Most candidates of a recording, of a long one of each stretch of it.
    stretch_s : float
        Length of a stretch, seconds; an event belongs to the one that holds its onset.

    Returns
    -------
    tuple of Candidate
        In the order of recordings and onsets.

    Examples
    --------
    >>> events = [Event(t, t + 1.0, "siren", 0.5, score) for t, score in ((1.0, 0.6), (5.0, 0.9), (9.0, 0.7))]
    >>> found = find_candidates([RecordingEvents("a.wav", 10.0, tuple(events))], "siren")
    >>> [(candidate.onset_s, candidate.score) for candidate in found]
    [(5.0, 0.9), (9.0, 0.7)]
    """
    chosen: list[Candidate] = []
    for recording in recordings:
        stretches: dict[int, list[Candidate]] = defaultdict(list)
        for event in recording.events:
            if event.prompt == prompt and event.max_score is not None:
                candidate = Candidate(recording.recording, event.onset_s, event.offset_s, event.max_score)
                stretches[int(event.onset_s // stretch_s)].append(candidate)
        for stretch in stretches.values():
            best = sorted(stretch, key=lambda candidate: (-candidate.score, candidate.onset_s))
            chosen += best[:per_recording]
    return tuple(sorted(chosen))


@dataclass(frozen=True)
class Pool:
    """The scores of a prompt's candidates on a scale of their own: log odds, less their mean, in standard deviations.

    Parameters
    ----------
    scores : numpy.ndarray
        (N,) maximum scores in [0, 1].

    Attributes
    ----------
    x : numpy.ndarray
        (N,) standardised scores.
    mean, sd : float
        Of the log odds of the scores; for fewer than two candidates or equal ones, ``sd`` is 1.

    Examples
    --------
    >>> pool = Pool(np.array([0.2, 0.5, 0.8]))
    >>> pool.x.round(2)[[0, 2]].tolist(), round(pool.score_of(0.0), 2)
    ([-1.22, 1.22], 0.5)
    """

    scores: np.ndarray
    x: np.ndarray = field(init=False)
    mean: float = field(init=False)
    sd: float = field(init=False)

    def __post_init__(self) -> None:
        log_odds = logit(self.scores)
        mean, sd = (float(log_odds.mean()), float(log_odds.std())) if len(log_odds) else (0.0, 1.0)
        sd = sd if sd > 1e-9 else 1.0
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "sd", sd)
        object.__setattr__(self, "x", (log_odds - mean) / sd)

    def standardise(self, scores: np.ndarray) -> np.ndarray:
        """Scores, of this pool or not, on the pool's scale; of any shape."""
        return (logit(scores) - self.mean) / self.sd

    def score_of(self, x: float) -> float:
        """The score that lies at ``x`` on the pool's scale: the reverse of ``standardise``."""
        return float(1.0 / (1.0 + np.exp(-(self.mean + self.sd * x))))


def logit(scores: np.ndarray) -> np.ndarray:
    """Log odds of scores; 0 and 1 become what float32 can just tell from them.

    Parameters
    ----------
    scores : numpy.ndarray
        Of any shape, in [0, 1].

    Returns
    -------
    numpy.ndarray
        float64, of that shape, within -13.8 and 13.8.
    """
    clipped = np.clip(np.asarray(scores, np.float64), SMALLEST_SCORE, 1 - SMALLEST_SCORE)
    return np.log(clipped) - np.log1p(-clipped)


def pool_of(candidates: Sequence[Candidate]) -> Pool:
    """The pool of some candidates, in their order."""
    return Pool(np.array([candidate.score for candidate in candidates], np.float64))


def recording_hash(path: str | Path) -> str:
    """What tells a recording wherever it lies and whatever it is called: a hash of the file's bytes.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    str
        16 hexadecimal digits.

    Raises
    ------
    AudioError
        If the file can't be read.
    """
    try:
        return file_sha256(path)[:16]
    except OSError as error:
        raise AudioError(f"{path}: can't be read ({error.strerror}); check that it is still there") from error


class RecordingHashes(Mapping[str, str]):
    """Path of a recording to the hash of its bytes, which is made when it is first asked for.

    Recordings that can't be read have none. For the thousands of an archive, of which a few are asked about.

    Parameters
    ----------
    paths : iterable of str
        The recordings.
    known : mapping
        The hashes of some of them.
    """

    def __init__(self, paths: Iterable[str], known: Mapping[str, str] | None = None):
        self._paths = dict.fromkeys(paths)
        self._known = dict(known or {})

    def __getitem__(self, path: str) -> str:
        if path not in self._paths:
            raise KeyError(path)
        if path not in self._known:
            try:
                self._known[path] = recording_hash(path)
            except AudioError:
                raise KeyError(path) from None
        return self._known[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


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
