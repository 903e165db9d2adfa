"""Requests and responses as JSON: what OpenAPI tells, checked before anything is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from flam.core import ConfigError, Event
from flam.detection.prompt_file import Probability, PromptEntry, PromptList
from flam.server.scoring import Query

MAX_TEXT = 400


def printable(text: str) -> str:
    """Refuse what is no text: lone surrogates and null characters."""
    if "\0" in text:
        raise ValueError("must not hold a null character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("must be Unicode text") from None
    return text


Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT), AfterValidator(printable)
]
ArchiveName = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(printable)]
Score = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


class Strict(BaseModel):
    """Unknown keys are errors, so that a typo is never ignored."""

    model_config = ConfigDict(extra="forbid")


class RecordingRef(Strict):
    """A recording: one sent before, a bundled one, or a path under an allowed folder."""

    id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")] | None = None
    demo: Literal["home", "nature", "street"] | None = None
    path: Annotated[str, StringConstraints(min_length=1, max_length=4096), AfterValidator(printable)] | None = None

    @model_validator(mode="after")
    def _one(self) -> RecordingRef:
        if sum(value is not None for value in (self.id, self.demo, self.path)) != 1:
            raise ValueError("name a recording by one of id, demo and path")
        return self


class EventOptions(Strict):
    """How scores become events; what is left out, the model decides."""

    threshold: Score | None = None
    low_threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    median_s: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] | None = None
    min_duration_s: Seconds | None = None
    merge_gap_s: Seconds | None = None

    def given(self) -> dict[str, Any]:
        """The fields that are not left out."""
        return self.model_dump(exclude_none=True)


class ProbabilityIn(Strict):
    """A fitted probability: ``sigmoid(offset + slope * logit(score))``."""

    offset: Annotated[float, Field(allow_inf_nan=False)]
    slope: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PromptRule(EventOptions):
    """What is known of one prompt, as a prompts file holds it."""

    alternatives: list[Text] = []
    negatives: list[Text] = []
    probability: ProbabilityIn | None = None

    def settings(self) -> dict[str, Any]:
        """The fields of ``PromptSettings`` that are not left out."""
        return self.model_dump(exclude_none=True, exclude={"alternatives", "negatives", "probability"})

    def entry(self, prompt: str) -> PromptEntry:
        """The same as an entry of a prompts file."""
        fitted = self.probability
        return PromptEntry(
            prompt,
            alternatives=tuple(self.alternatives),
            negatives=tuple(self.negatives),
            threshold=self.threshold,
            min_duration_s=self.min_duration_s,
            probability=None if fitted is None else Probability(fitted.offset, fitted.slope),
        )


class What(Strict):
    """Prompts, what they must not be mistaken for, and rules for all or for one prompt."""

    prompts: Annotated[list[Text], Field(min_length=1)]
    suppress: list[Text] = []
    options: EventOptions = EventOptions()
    rules: dict[Text, PromptRule] = {}
    n_together: Annotated[
        int | None, Field(ge=1, le=100_000, description="Prompts asked in all, if these are a part of them.")
    ] = None

    def query(self) -> Query:
        """The same as the scorer takes it."""
        try:
            entries = [self.rules.get(prompt, PromptRule()).entry(prompt) for prompt in dict.fromkeys(self.prompts)]
            prompts = PromptList(tuple(entries))
        except ValueError as error:
            raise ConfigError(str(error)) from error
        rules = {prompt: rule.settings() for prompt, rule in self.rules.items()}
        return Query(prompts, tuple(dict.fromkeys(self.suppress)), self.options.given(), rules, self.n_together)


class DetectRequest(What):
    """Find sounds in a recording."""

    recording: RecordingRef


class HeatRequest(What):
    """A tile of the heat map."""

    level: Annotated[int, Field(ge=0, le=24)] = 0
    tile: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class ExportRequest(What):
    """Events in a file format."""

    format: str = "csv"


class TextEmbedRequest(Strict):
    """Texts to encode."""

    texts: Annotated[list[Text], Field(min_length=1)]


class AudioEmbedRequest(Strict):
    """A recording to encode."""

    recording: RecordingRef


class EventOut(BaseModel):
    """A sound between two times of a recording, half-open."""

    onset_s: float
    offset_s: float
    prompt: str
    mean_score: float | None
    max_score: float | None
    probability: float | None = None

    @staticmethod
    def of(event: Event) -> EventOut:
        """The event as JSON holds it."""
        return EventOut(
            onset_s=event.onset_s,
            offset_s=event.offset_s,
            prompt=event.prompt,
            mean_score=event.mean_score,
            max_score=event.max_score,
            probability=event.probability,
        )


class RuleOut(BaseModel):
    """The rule by which the events of a prompt were found."""

    threshold: float
    low_threshold: float
    median_s: float
    min_duration_s: float
    merge_gap_s: float


class EventsOut(BaseModel):
    """Events of a recording, in the order of their onsets."""

    recording: str
    duration_s: float
    is_complete: bool
    events: list[EventOut]
    rules: dict[str, RuleOut]


class RecordingOut(BaseModel):
    """A recording and how far its analysis is."""

    id: str
    name: str
    state: str
    error: str | None
    problems: list[str]
    duration_s: float
    analysed_s: float
    sample_rate: int
    n_frames: int
    hop_s: float
    n_columns: int
    column_s: float
    n_rows: int
    row_edges_hz: list[float]
    n_peaks: int
    peak_s: float
