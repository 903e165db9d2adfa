"""Answers, kept so that nothing is asked twice, and those that annotated recordings give instead of a person."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from flam.annotations.rows import spreadsheet_plain, spreadsheet_safe
from flam.core import AnnotationError, Event, atomic_text, read_text
from flam.review.candidates import Candidate

Verdict = Literal["right", "wrong", "unsure"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
MIN_OVERLAP = 0.3


@dataclass(frozen=True)
class Label:
    """One answer.

    Parameters
    ----------
    prompt : str
        What was asked for.
    recording : str
        Path or name of the recording when it was judged.
    recording_hash : str
        Hash of its bytes, see ``recording_hash``; may be empty where the recording was not at hand.
    onset_s, offset_s : float
        The span that was judged, seconds, or what the person made of it.
    score : float
        Maximum score of the candidate, by the model below.
    verdict : {"right", "wrong", "unsure"}
        The answer.
    model_id : str
        Content hash of the model that found the candidate.
    site : str
        Where it was recorded, if the user keeps sites apart.
    """

    prompt: str
    recording: str
    recording_hash: str
    onset_s: float
    offset_s: float
    score: float
    verdict: Verdict
    model_id: str = ""
    site: str = ""

    def is_about(self, candidate: Candidate, recording_hash: str) -> bool:
        """Whether a candidate shows the same sound: the recording is the same and the spans share some time.

        Parameters
        ----------
        candidate : Candidate
            Of the prompt of this label, found by this or another model.
        recording_hash : str
            That of the candidate's recording; where it or the label's is empty, the paths are compared.
        """
        if self.recording_hash and recording_hash:
            is_same = self.recording_hash == recording_hash
        else:
            is_same = self.recording == candidate.recording
        return is_same and self.onset_s < candidate.offset_s and candidate.onset_s < self.offset_s


COLUMNS = tuple(field.name for field in fields(Label))


def read_labels(path: str | Path) -> list[Label]:
    """Read answers from a CSV file with the columns of ``Label``; rows without a verdict are still to be answered.

    A spreadsheet may add columns and change their order. ``y``, ``n`` and ``?`` are read as verdicts too.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    list[Label]
        list of Label

    Raises
    ------
    AnnotationError
        If the file can't be read, or a row is no answer; the message names the line.
    """
    rows = csv.DictReader(io.StringIO(read_text(path, AnnotationError)), restval="")
    missing = [
        name
        for name in ("prompt", "recording", "onset_s", "offset_s", "score", "verdict")
        if name not in (rows.fieldnames or ())
    ]
    if missing:
        raise AnnotationError(f"{path}: has no column {missing[0]!r}; it needs {', '.join(COLUMNS)}")
    labels = []
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        if any(cell.strip() for cell in row.pop(None, ())):  # type: ignore[call-overload]  # what csv calls the rest
            raise AnnotationError(f"{where}: has more cells than the header has columns; quote cells that hold commas")
        if row["verdict"].strip():
            labels.append(_label({name: spreadsheet_plain(cell) for name, cell in row.items()}, where))
    return labels


def _safe(row: dict[str, Any]) -> dict[str, Any]:
    return {name: spreadsheet_safe(cell) if isinstance(cell, str) else cell for name, cell in row.items()}


def write_labels(labels: Iterable[Label], path: str | Path) -> None:
    """Write answers so that ``read_labels`` reads them back equal; the file is replaced as a whole.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    with atomic_text(Path(path)) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_safe(asdict(label)) for label in labels)


def write_questions(
    prompt: str, candidates: Sequence[Candidate], path: str | Path, hashes: Mapping[str, str], model_id: str, site: str
) -> None:
    """Write candidates as a CSV with an empty column ``verdict``, to be filled in and read by ``read_labels``.

    Parameters
    ----------
    prompt : str
        What they are candidates of.
    candidates : sequence of Candidate
        What to ask about.
    path : str or Path
        The file.
    hashes : mapping
        Recording to the hash of its bytes.
    model_id, site : str
        As in ``Label``.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    with atomic_text(Path(path)) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for candidate in candidates:
            row = asdict(label_of(candidate, prompt, "unsure", hashes.get(candidate.recording, ""), model_id, site))
            writer.writerow(_safe(row | {"verdict": ""}))


def label_of(
    candidate: Candidate, prompt: str, verdict: Verdict, recording_hash: str = "", model_id: str = "", site: str = ""
) -> Label:
    """The answer to a candidate."""
    span = (candidate.onset_s, candidate.offset_s)
    return Label(prompt, candidate.recording, recording_hash, *span, candidate.score, verdict, model_id, site)


def match_labels(
    labels: Iterable[Label], candidates: Sequence[Candidate], prompt: str, hashes: Mapping[str, str], site: str = ""
) -> dict[int, Label]:
    """Find the candidates that were answered before, by this model or another: their scores are those of today.

    Parameters
    ----------
    labels : iterable of Label
        Answers; of two to one candidate the later counts, and ``unsure`` is an answer.
    candidates : sequence of Candidate
        Of today's model.
    prompt : str
        Labels of other prompts are left out.
    hashes : mapping
        Recording to the hash of its bytes.
    site : str
        Empty takes the labels of all sites.

    Returns
    -------
    dict
        Place of a candidate to its label, in the order of the labels.

    Examples
    --------
    >>> label = Label("siren", "a.wav", "", 1.0, 2.0, 0.4, "right", model_id="old")
    >>> candidates = [Candidate("a.wav", 1.5, 3.0, 0.7), Candidate("b.wav", 1.0, 2.0, 0.9)]
    >>> {place: label.verdict for place, label in match_labels([label], candidates, "siren", {}).items()}
    {0: 'right'}
    """
    labels = [label for label in labels if label.prompt == prompt and (not site or label.site == site)]
    if not labels:
        return {}  # and no recording was read for its hash
    by_key: dict[str, list[int]] = {}
    for place, candidate in enumerate(candidates):
        for key in {candidate.recording, hashes.get(candidate.recording, candidate.recording)}:
            by_key.setdefault(key, []).append(place)
    answered: dict[int, Label] = {}
    for label in labels:
        places = {*by_key.get(label.recording_hash, ()), *by_key.get(label.recording, ())}
        about = [
            place
            for place in sorted(places)
            if label.is_about(candidates[place], hashes.get(candidates[place].recording, ""))
        ]
        if about:
            closest = max(about, key=lambda place: _shared_s(label, candidates[place]))
            answered.pop(closest, None)
            answered[closest] = label
    return answered


def _shared_s(label: Label, candidate: Candidate) -> float:
    return min(label.offset_s, candidate.offset_s) - max(label.onset_s, candidate.onset_s)


def _label(row: dict[str, str], where: str) -> Label:
    short: dict[str, Verdict] = {"y": "right", "n": "wrong", "?": "unsure"}
    verdict = row["verdict"].strip().lower()
    verdict = short.get(verdict, verdict)
    if verdict not in VERDICTS:
        raise AnnotationError(f"{where}: verdict {row['verdict']!r} is none of {', '.join(VERDICTS)}, y, n, ?")
    try:
        onset_s, offset_s, score = (float(row[name]) for name in ("onset_s", "offset_s", "score"))
    except ValueError as error:
        raise AnnotationError(f"{where}: {error}; onset_s, offset_s and score are numbers with a point") from error
    if not (0 <= onset_s <= offset_s < float("inf") and 0 <= score <= 1):
        raise AnnotationError(f"{where}: needs 0 <= onset_s <= offset_s, and a score within [0, 1]; correct the row")
    texts = (row["prompt"], row["recording"], row.get("recording_hash") or "")
    return Label(*texts, onset_s, offset_s, score, verdict, row.get("model_id") or "", row.get("site") or "")


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
