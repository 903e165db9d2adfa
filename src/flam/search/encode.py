"""One recording into frames: the same stream of features that detection reads, written into a part of its own."""

from __future__ import annotations

import logging
import os
import random
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flam.audio import find_recordings, open_recording
from flam.audio.start_time import start_time
from flam.core import ConfigError, FlamError, ModelError
from flam.detection.kinds import everyday_prompts
from flam.search.axes import SearchAxes, fit_axes
from flam.search.changes import absolute, content_hash
from flam.search.codec import Codec
from flam.search.recordings import Recording
from flam.search.segment import SegmentWriter

if TYPE_CHECKING:
    from flam.detection import Detector
    from flam.detection.backends.torch import Precision

UNIT_TOLERANCE = 0.02
# axes are fitted on half an hour of sound, at most this much of each recording
FIT_FRAMES, FRAMES_EACH = 24_000, 1_000


@dataclass(frozen=True)
class EncodedPart:
    """What encoding one recording came to.

    Parameters
    ----------
    folder : Path or None
        A segment of this recording alone; None where it failed.
    error : str
        Why it failed, in one line; empty where it did not.
    is_fatal : bool
        Whether any other recording would fail for the same reason, as with a full disk.
    """

    folder: Path | None
    error: str = ""
    is_fatal: bool = False


@dataclass(frozen=True)
class Encoder:
    """Encodes recordings, in this process or in another that gets a copy.

    Parameters
    ----------
    model : str
        Name or folder of the model; each process loads it once.
    model_id : str
        What the model's files hold.
    device : str
        See ``flam.load``.
    precision : {"auto", "fp32", "bf16"}
        See ``flam.load``.
    overlap : float
        See ``DetectionConfig``.
    codec : Codec
        Stores the features.
    incoming : Path
        Folder for the parts.
    time_zone : tzinfo or None
        Of recorders that state none.
    n_threads : int or None
        See ``flam.load``.
    """

    model: str
    model_id: str
    device: str
    precision: Precision
    overlap: float
    codec: Codec
    incoming: Path
    time_zone: tzinfo | None = None
    n_threads: int | None = None

    def __call__(self, path: Path) -> EncodedPart:
        """Encode a recording into a part; never raises."""
        folder = self.incoming / secrets.token_hex(8)
        try:
            writer = SegmentWriter(folder, self.codec, self.model_id)
            try:
                encode_recording(_detector(self), path, writer, self.time_zone)
                writer.finish(sync=False)
            except BaseException:
                writer.discard()
                raise
            return EncodedPart(folder)
        except FlamError as error:
            return EncodedPart(None, str(error))
        except OSError as error:
            if error.filename == str(path):
                return EncodedPart(None, f"{path}: can't be read ({error.strerror}); check that it is still there")
            return EncodedPart(None, f"{self.incoming}: can't be written ({error.strerror}); make space", True)
        except Exception as error:  # whatever one recording does to a decoder or the model, the rest is worth doing
            reason = (str(error).splitlines() or [""])[0]
            text = f"{path}: unexpected {type(error).__name__} ({reason}); please report this as a bug"
            return EncodedPart(None, text)

    def crashed(self, path: Path) -> EncodedPart:
        """The result for a recording that ended the process that read it."""
        return EncodedPart(None, f"{path}: ended the process that read it; export the recording again")


_detectors: dict[tuple[str, str, str, float, int | None], Detector] = {}  # of this process


def _detector(encoder: Encoder) -> Detector:
    key = (encoder.model, encoder.device, encoder.precision, encoder.overlap, encoder.n_threads)
    if key not in _detectors:
        import flam

        _detectors[key] = flam.load(
            encoder.model,
            device=encoder.device,
            precision=encoder.precision,
            n_threads=encoder.n_threads,
            overlap=encoder.overlap,  # type: ignore[arg-type]
        )
    return _detectors[key]


def encode_recording(detector: Detector, path: Path, writer: SegmentWriter, time_zone: tzinfo | None) -> Recording:
    """Write the frames of a recording, in memory that does not grow with it.

    Raises
    ------
    AudioError
        The recording can't be read.
    OSError
        The frames can't be written.
    """
    status = os.stat(path)
    n_samples = 0

    def written() -> Iterator[np.ndarray]:
        nonlocal n_samples
        for piece in detector.stream(str(path)):
            if len(piece.features):
                _require_unit_length(piece.features)
                writer.append(piece.features, piece.power)
                n_samples += piece.n_samples
                yield piece.embeddings

    with _warnings() as problems:
        with open_recording(path, on_problem=lambda _: None) as opened:
            sample_rate = opened.sample_rate
        audio_features = detector.backend.pool(written())
    began = start_time(path, time_zone)
    recording = Recording(
        path=absolute(path),
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        content_hash=content_hash(path),
        start_time=None if began is None else began.isoformat(),
        sample_rate=sample_rate,
        n_samples=n_samples,
        problems=tuple(problems),
    )
    return writer.end_recording(recording, audio_features)


def remove_part(part: EncodedPart) -> None:
    """Remove a part that has become part of a segment."""
    if part.folder is not None:
        shutil.rmtree(part.folder, ignore_errors=True)


def _require_unit_length(features: np.ndarray) -> None:
    length = float(np.linalg.norm(features[0]))
    if abs(length - 1) > UNIT_TOLERANCE:
        raise ModelError(
            f"frame features of length {length:.2f} can't be searched, 1 is needed; use a model of the FLAM family"
        )


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what the package logs as a warning while a recording is read."""
    collected: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            collected.append(record.getMessage())

    handler = Collector(logging.WARNING)
    logger = logging.getLogger("flam")
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield collected
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


def fit_on_recordings(detector: Detector, paths: Iterable[Path]) -> SearchAxes:
    """Fit axes on the beginnings of recordings, of as many as it takes to have half an hour.

    Raises
    ------
    ConfigError
        None of the recordings can be read.
    """
    batches: list[np.ndarray] = []
    n_tried = n_frames = 0
    for path in paths:
        n_tried, of_this = n_tried + 1, 0
        with suppress(FlamError), _warnings():
            for piece in detector.stream(str(path)):
                batches.append(np.asarray(piece.features))
                of_this += len(piece.features)
                if of_this >= FRAMES_EACH:
                    break
        n_frames += of_this
        if n_frames >= FIT_FRAMES:
            break
    if not n_frames:
        raise ConfigError(
            f"none of {n_tried} recordings can be read, and axes are fitted on some sound; check the folders"
        )
    return fit_axes(batches, np.asarray(detector.embed_text(list(everyday_prompts())).text_features))


def shuffled_recordings(folders: Sequence[Path]) -> list[Path]:
    """The recordings of folders in an order that mixes them, the same each time."""
    paths: list[Path] = []
    for folder in folders:
        with suppress(FlamError):
            paths += find_recordings([folder], lambda _: None)
    random.Random(0).shuffle(paths)
    return paths
