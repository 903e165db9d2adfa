"""The object that a user holds: an archive, opened for searching."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flam.core import FlamError, ModelError, TimeGrid
from flam.core.processor import available_cores
from flam.detection import DetectionConfig
from flam.detection.config import with_overrides
from flam.detection.prompt_file import PromptList
from flam.search.catalogue import ArchiveSettings, Catalogue
from flam.search.filters import Filters
from flam.search.layout import ArchiveFolder
from flam.search.query import Query, prompt_queries
from flam.search.recordings import Recording
from flam.search.scan import Scanner
from flam.search.segment import Segment
from flam.search.spans import SegmentSpans, Span

if TYPE_CHECKING:
    from flam.detection import Detector

ATTEMPTS = 5


class Archive:
    """An archive of recordings, ready to be searched by any words.

    What it holds is that of the moment when it was opened; a build that goes on meanwhile changes nothing.

    Parameters
    ----------
    path : str or Path
        The folder that ``flam index build`` made.
    detector : Detector, optional
        The archive's model, already loaded; None loads it when words have to be understood.

    Attributes
    ----------
    settings : ArchiveSettings
        Model, time axis and form.

    Raises
    ------
    FlamError
        There is no archive, or it is damaged.
    ModelError
        The detector is another model than the archive was made with.

    Examples
    --------
    Print when glass breaks, in hundreds of hours::

        for span in flam.Archive("archive").search(["glass breaking"]):
            print(span.recording.path, span.event.onset_s, span.event.max_score)
    """

    def __init__(self, path: str | Path, detector: Detector | None = None):
        self._folder = ArchiveFolder(Path(path))
        self.path = Path(path)
        with Catalogue.open(self._folder.catalogue_path) as catalogue:
            self.settings: ArchiveSettings = catalogue.settings()
            self._codec = self._folder.codec(self.settings)
            self._segments = self._open_segments(catalogue)
        self._detector = detector
        if detector is not None and detector.grid != self.grid:
            raise ModelError(
                f"{path}: made with {self.settings.model}, at {self.grid}, not with a model at {detector.grid}; give "
                "the archive's own model"
            )

    @property
    def grid(self) -> TimeGrid:
        """The time axis of the frames."""
        return self.settings.grid

    @property
    def dim(self) -> int:
        """Size of the features, D."""
        return self._codec.axes.dim

    @cached_property
    def recordings(self) -> list[Recording]:
        """All recordings, ordered by path."""
        return sorted((row for _, rows in self._segments for row in rows), key=lambda row: row.path)

    @property
    def segments(self) -> list[tuple[Segment, list[Recording]]]:
        """The segments with the recordings of each that count."""
        return self._segments

    @property
    def duration_s(self) -> float:
        """Length of all recordings together."""
        return sum(recording.n_samples for recording in self.recordings) / self.settings.sample_rate

    @property
    def detector(self) -> Detector:
        """The archive's model, loaded when it is first asked for.

        Raises
        ------
        ModelError
            The model can't be found, or is not the one that the archive was made with.
        """
        if self._detector is None:
            from flam.search.layout import load_model

            self._detector = load_model(self.settings.model, self.settings.model_id, self.path)
        return self._detector

    def search(
        self,
        prompts: Sequence[str] | PromptList,
        suppress: Sequence[str] = (),
        filters: Filters | None = None,
        config: DetectionConfig | None = None,
        **overrides: Any,
    ) -> list[Span]:
        """Find sounds by words, the best first.

        Parameters
        ----------
        prompts : sequence of str or PromptList
            Sounds to find.
        suppress : sequence of str
            Sounds that must not be mistaken for a prompt: where one scores higher, the prompt scores 0.
        filters : Filters, optional
            Which recordings and spans count.
        config : DetectionConfig, optional
            None takes the model's own.
        **overrides
            Fields of ``DetectionConfig`` to use instead of those of ``config``.

        Returns
        -------
        list of Span
            The spans that ``detect`` finds with the same settings, ordered by score.

        Raises
        ------
        ModelError
            The model can't be loaded, or an empty prompt.
        ConfigError
            An override that is unknown or out of range.
        """
        config = self.detection_config(config, **overrides)
        listed = prompts if isinstance(prompts, PromptList) else PromptList.of(prompts)
        return ranked(self.spans(self.queries(listed, suppress, config), config.silence_db, filters))

    def queries(self, prompts: PromptList, suppress: Sequence[str], config: DetectionConfig) -> list[Query]:
        """What prompts ask for together, with the thresholds that ``detect`` uses for them."""
        if not prompts.prompts:
            return []
        settled = self.detector.operating_point(prompts.names, config)
        return prompt_queries(prompts, suppress, self.detector.embed_text, settled)

    def detection_config(self, config: DetectionConfig | None = None, **overrides: Any) -> DetectionConfig:
        """The model's own configuration, or the one that is given, with fields replaced."""
        base = self.detector.config if config is None else config
        return with_overrides(base, overrides)

    def spans(
        self,
        queries: Sequence[Query],
        silence_db: float = DetectionConfig.silence_db,
        filters: Filters | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[Span]:
        """All spans of queries that are settled already, segment by segment, in no particular order.

        Parameters
        ----------
        queries : sequence of Query
            What to find.
        silence_db : float
            Frames quieter than this hold nothing.
        filters : Filters, optional
            Which recordings and spans count.
        cancelled : callable
            Asked now and then; True ends the search early.
        """
        filters = Filters() if filters is None else filters
        keeps_all = filters == Filters()
        features = np.concatenate([query.texts.text_features for query in queries])
        owners = np.repeat(np.arange(len(queries)), [len(query.texts.logit_bias) for query in queries])
        scanner = Scanner(self._codec, features, np.concatenate([query.min_cosines for query in queries]))
        with ThreadPoolExecutor(available_cores()) as pool:
            for segment, recordings in self._segments:
                counted = recordings if keeps_all else [row for row in recordings if filters.keep_recording(row)]
                if not counted or cancelled():
                    continue
                finder = SegmentSpans(segment, counted, silence_db, self.grid)
                hits = scanner.scan(segment, cancelled)
                by_query = [
                    finder.parts([hits[column].frames for column in np.flatnonzero(owners == number)])
                    for number in range(len(queries))
                ]
                asked = [query for query, parts in zip(queries, by_query, strict=True) for _ in parts]
                for found in pool.map(finder.find, asked, itertools.chain.from_iterable(by_query)):
                    yield from found if keeps_all else filter(filters.keep_span, found)

    def frames(self, recording: Recording) -> np.ndarray:
        """(T, D) float32 features of a recording's frames, as far as the archive's form keeps them."""
        segment = next(segment for segment, rows in self._segments if recording in rows)
        return self.features(segment, slice(recording.first_frame, recording.first_frame + recording.n_frames))

    def features(self, segment: Segment, rows: slice) -> np.ndarray:
        """(T, D) float32 features of rows of a segment."""
        values = segment.values(rows)
        return values @ self._codec.axes.rotation[:, : values.shape[1]].T

    def _open_segments(self, catalogue: Catalogue) -> list[tuple[Segment, list[Recording]]]:
        for attempt in range(ATTEMPTS):
            contents = catalogue.contents()
            try:
                return [
                    (self._segment(name), contents.recordings[number]) for number, name in contents.segments.items()
                ]
            except FlamError:
                # compacting may just have put another segment in its place
                if attempt == ATTEMPTS - 1 or catalogue.contents().segments == contents.segments:
                    raise
        raise AssertionError("unreachable")

    def _segment(self, name: str) -> Segment:
        segment = Segment(self._folder.segments_path / name, self._codec, few_rows=True)
        if segment.header.model_id != self.settings.model_id:
            raise ModelError(
                f"{segment.folder}: made with another model than the archive; flam index verify --repair takes it out"
            )
        return segment


def ranked(spans: Iterable[Span]) -> list[Span]:
    """Spans ordered by score, the best first; among equals by recording and time."""
    return sorted(
        spans,
        key=lambda span: (
            -(span.event.max_score or 0.0),
            -(span.event.mean_score or 0.0),
            span.recording.path,
            span.event,
        ),
    )
