"""Search over HTTP: hits with times, and the sound of each."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from flam.search.examples import Example
from flam.server.dependencies import ServiceDep
from flam.server.routes_recordings import described, open_reference
from flam.server.schemas import (
    ArchiveName,
    EventOptions,
    PromptRule,
    RecordingOut,
    RecordingRef,
    Seconds,
    Strict,
    Text,
    printable,
)
from flam.server.searching import MAX_HITS, ArchiveShelf, SearchQuery
from flam.server.wav import wav_clip

router = APIRouter(prefix="/v1", tags=["search"])
MAX_CLIP_S = 120.0
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4096), AfterValidator(printable)]
Moment = Annotated[float, Query(ge=0, le=10_000_000, allow_inf_nan=False)]


class ExampleIn(Strict):
    """A part of a recording to find the like of."""

    recording: RecordingRef
    start_s: Seconds
    end_s: Seconds


class SearchRequest(Strict):
    """What to find, in which archives."""

    archives: list[ArchiveName] = Field(default_factory=list)
    prompts: list[Text] = Field(default_factory=list)
    suppress: list[Text] = Field(default_factory=list)
    rules: dict[Text, PromptRule] = Field(default_factory=dict)
    options: EventOptions = EventOptions()
    then: Text | None = None
    within_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 5.0
    like: ExampleIn | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_HITS)] = 100


class HitOut(BaseModel):
    """A sound that was found."""

    archive: str
    recording: str
    name: str
    start_time: str | None
    onset_s: float
    offset_s: float
    prompt: str
    mean_score: float | None
    max_score: float | None
    level_db: float


class SearchOut(BaseModel):
    """The best hits, and how many there are in all."""

    n_found: int
    counts: dict[str, int]
    hits: list[HitOut]


class ArchiveOut(BaseModel):
    """What an archive holds."""

    name: str
    n_recordings: int
    duration_s: float
    model: str


class OpenRequest(Strict):
    """A recording of an archive."""

    archive: ArchiveName
    recording: FilePath


@router.get("/archives")
def archives(request: Request) -> list[ArchiveOut]:
    """The archives that can be searched."""
    shelf: ArchiveShelf = request.app.state.shelf
    opened = [(name, shelf.open(name)) for name in shelf.names]
    return [
        ArchiveOut(
            name=name,
            n_recordings=len(archive.recordings),
            duration_s=archive.duration_s,
            model=archive.settings.model,
        )
        for name, archive in opened
    ]


@router.post("/search")
def search(what: SearchRequest, request: Request, service: ServiceDep) -> SearchOut:
    """Find sounds in archives: the best hits first."""
    shelf: ArchiveShelf = request.app.state.shelf
    example, shown = None, {}
    if what.like is not None:
        stored = open_reference(service, what.like.recording)
        example = Example(stored.path, what.like.start_s, what.like.end_s)
        shown[example.name] = f"like {stored.name}"
    entries = tuple(what.rules.get(prompt, PromptRule()).entry(prompt) for prompt in dict.fromkeys(what.prompts))
    query = SearchQuery(
        service.require_few(entries, what.suppress),
        tuple(dict.fromkeys(what.suppress)),
        what.then,
        what.within_s,
        example,
        what.options.given(),
    )
    found = [(name, span) for name in what.archives or shelf.names for span in shelf.find(name, query)]
    found.sort(key=lambda pair: -(pair[1].event.max_score or 0.0))
    return SearchOut(
        n_found=len(found),
        counts=dict(Counter(shown.get(span.event.prompt, span.event.prompt) for _, span in found)),
        hits=[
            HitOut(
                archive=name,
                recording=span.recording.path,
                name=span.recording.path.rpartition("/")[2],
                start_time=span.recording.start_time,
                onset_s=span.event.onset_s,
                offset_s=span.event.offset_s,
                prompt=shown.get(span.event.prompt, span.event.prompt),
                mean_score=span.event.mean_score,
                max_score=span.event.max_score,
                level_db=span.level_db,
            )
            for name, span in found[: what.limit]
        ],
    )


@router.post("/archives/open")
def open_archived(what: OpenRequest, request: Request, service: ServiceDep) -> RecordingOut:
    """Open a recording of an archive like an upload, to look at and listen to."""
    path = request.app.state.shelf.recording_path(what.archive, what.recording)
    return described(service, service.add_file(path))


@router.get("/archives/{archive}/clip.wav", response_class=Response, responses={200: {"content": {"audio/wav": {}}}})
def clip(
    archive: Annotated[str, Path(max_length=255)],
    recording: Annotated[str, Query(max_length=4096)],
    start_s: Moment,
    end_s: Moment,
    request: Request,
) -> Response:
    """A part of an archived recording as WAV, at most two minutes."""
    path = request.app.state.shelf.recording_path(archive, recording)
    return Response(wav_clip(path, start_s, min(end_s, start_s + MAX_CLIP_S)), media_type="audio/wav")
