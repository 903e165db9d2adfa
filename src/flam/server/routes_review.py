"""Review over HTTP: begin, answer, undo, and what follows from the answers."""

from __future__ import annotations

import tempfile
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from flam.detection.prompt_file import PromptList, write_prompt_file
from flam.review import Target, Verdict, write_labels
from flam.server.dependencies import ServiceDep
from flam.server.errors import Refused
from flam.server.reviews import Review, Reviews, require_candidate
from flam.server.routes_recordings import file_response, open_reference
from flam.server.schemas import ArchiveName, ProbabilityIn, RecordingRef, Seconds, Strict, Text, What
from flam.server.service import Service

router = APIRouter(prefix="/v1/reviews", tags=["review"])
Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class ReviewRequest(What):
    """Review the only prompt over some recordings, or over archives."""

    recordings: Annotated[list[RecordingRef], Field(default_factory=list, max_length=100)]
    archives: Annotated[list[ArchiveName], Field(default_factory=list, max_length=100)]
    precision: Share = 0.9
    site: Annotated[str, Field(max_length=100)] = ""


class AnswerRequest(Strict):
    """The answer to what is asked now, and the span as it was corrected."""

    verdict: Verdict
    onset_s: Seconds | None = None
    offset_s: Seconds | None = None


class CandidateOut(BaseModel):
    """What is asked about; its score is not told, so that it can't sway the answer."""

    recording: str
    recording_id: str | None
    archive: str | None
    onset_s: float
    offset_s: float


class ReviewOut(BaseModel):
    """A review: the next question, and what follows from the answers so far."""

    id: str
    prompt: str
    candidate: CandidateOut | None
    n_candidates: int
    n_answers: int
    n_unsure: int
    is_finished: bool
    summary: str
    threshold: float
    is_reached: bool
    precision: tuple[float, float, float]
    recall: float
    n_found: int
    probability: ProbabilityIn


def _out(service: Service, review: Review) -> ReviewOut:
    session, chosen = review.session, review.session.threshold
    asked = session.next()
    entry = session.entry(service.detector.config.score)
    assert entry.probability is not None
    assert entry.threshold is not None
    candidate = None
    if asked is not None:
        place = review.recordings[asked.recording]
        candidate = CandidateOut(
            recording=asked.recording,
            recording_id=None if isinstance(place, str) else place.id,
            archive=place if isinstance(place, str) else None,
            onset_s=asked.onset_s,
            offset_s=asked.offset_s,
        )
    return ReviewOut(
        id=review.id,
        prompt=session.prompt,
        candidate=candidate,
        n_candidates=len(session.candidates),
        n_answers=len(session.answers),
        n_unsure=len(session.labels) - len(session.answers),
        is_finished=session.is_finished(),
        summary=session.summary(),
        threshold=entry.threshold,
        is_reached=chosen.is_reached,
        precision=chosen.precision,
        recall=chosen.recall,
        n_found=chosen.n_found,
        probability=ProbabilityIn(offset=entry.probability.offset, slope=entry.probability.slope),
    )


def _reviews(request: Request) -> Reviews:
    return request.app.state.reviews


@router.post("", status_code=201)
def begin(what: ReviewRequest, request: Request, service: ServiceDep) -> ReviewOut:
    """Begin a review: candidates are found with low thresholds, and asked about in an order that learns most."""
    query = service.require_prompts(what.query())
    if len(query.prompts) != 1:
        raise Refused(f"a review is about one prompt, not {len(query.prompts)}; begin one for each")
    if not (what.recordings or what.archives):
        raise Refused("nothing to review; give recordings or archives")
    recordings = [open_reference(service, ref) for ref in what.recordings]
    archives, target = tuple(dict.fromkeys(what.archives)), Target(precision=what.precision)
    return _out(
        service, _reviews(request).begin(query.entries, query.suppress, recordings, archives, target, what.site)
    )


@router.get("/{id}")
def state(id: Id, request: Request, service: ServiceDep) -> ReviewOut:
    """What is asked now."""
    review = _reviews(request).get(id)
    with review.lock:
        return _out(service, review)


@router.post("/{id}/answer")
def answer(id: Id, given: AnswerRequest, request: Request, service: ServiceDep) -> ReviewOut:
    """Answer what is asked now."""
    if given.onset_s is not None and given.offset_s is not None and given.offset_s < given.onset_s:
        raise Refused(f"offset_s {given.offset_s} must not lie before onset_s {given.onset_s}; swap them")
    review = _reviews(request).get(id)
    with review.lock:
        candidate = require_candidate(review.session.next())
        review.session.answer(candidate, given.verdict, given.onset_s, given.offset_s)
        return _out(service, review)


@router.post("/{id}/undo")
def undo(id: Id, request: Request, service: ServiceDep) -> ReviewOut:
    """Take the last answer back; it is asked again."""
    review = _reviews(request).get(id)
    with review.lock:
        review.session.undo()
        return _out(service, review)


@router.get("/{id}/labels.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def labels(id: Id, request: Request) -> Response:
    """All answers, as ``flam review`` and ``flam finetune --reviews`` read them."""
    review = _reviews(request).get(id)
    with tempfile.TemporaryDirectory() as folder:
        path = FilePath(folder, "labels.csv")
        write_labels(review.session.labels, path)
        return file_response(path.read_text(encoding="utf-8"), f"{_name(review.session.prompt)} answers.csv")


@router.get("/{id}/prompts.yaml", response_class=Response, responses={200: {"content": {"text/yaml": {}}}})
def prompts_file(id: Id, request: Request, service: ServiceDep) -> Response:
    """The prompt with its fitted threshold and probability, as ``--prompts`` reads it."""
    review = _reviews(request).get(id)
    with tempfile.TemporaryDirectory() as folder:
        path = FilePath(folder, "prompts.yaml")
        write_prompt_file(PromptList((review.session.entry(service.detector.config.score),)), path)
        return file_response(path.read_text(encoding="utf-8"), f"{_name(review.session.prompt)}.yaml")


def _name(prompt: Text) -> str:
    """A prompt as a file name."""
    return "".join(char if char.isalnum() or char in " -_" else "_" for char in prompt)[:80]
