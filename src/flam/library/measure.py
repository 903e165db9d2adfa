"""Measuring a source clip: how long, how loud, where active, how wide its band, in one pass that holds 30 s at most."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flam.audio import a_weighted_levels_db, open_recording, resample_blocks, spans_of_levels_s, windows
from flam.audio.loudness import SILENCE_DB
from flam.core import AudioError

LIBRARY_RATE = 48_000
LEVEL_FLOOR_DB = -70.0
ROLLOFF_SHARE = 0.99
BAND_EDGE_DB = 50.0

HOP_SAMPLES = 960
PIECE_FRAMES = 1500
MARGIN_FRAMES = 10  # the A-weighting and the window of a level reach 0.125 s, these 0.2 s
SPECTRUM_SAMPLES = 4096
SMOOTHING_BINS = 9


@dataclass(frozen=True, slots=True)
class Measures:
    """What a clip measures, as mono at 48 kHz.

    Parameters
    ----------
    sample_rate, n_channels : int
        of the file as stored, Hz
    n_samples : int
        length at 48 kHz
    duration_s : float
        length at 48 kHz
    level_db : float
        A-weighted level of the active part, dB re full scale; -120 for a silent clip
    rms_db, peak_db : float
        plain level of the whole clip and its highest sample, dB re full scale, not below -120
    leading_silence_s, trailing_silence_s : float
        before the first and after the last active moment
    spans_s : tuple[tuple[float, float], ...]
        active spans, (onset_s, offset_s)
    rolloff_hz : float
        99 % of the power lies below
    bandwidth_hz : float
        above it, the long-term spectrum stays 50 dB under its highest point: where a low sample rate or a codec has cut
    content : str
        hash of the decoded samples, equal for copies of one recording in different lossless files
    """

    sample_rate: int
    n_channels: int
    n_samples: int
    duration_s: float
    level_db: float
    rms_db: float
    peak_db: float
    leading_silence_s: float
    trailing_silence_s: float
    spans_s: tuple[tuple[float, float], ...]
    rolloff_hz: float
    bandwidth_hz: float
    content: str


@dataclass(frozen=True)
class MeasureOutcome:
    """What became of a file: its status, a remark where it is not "ok", and its measures unless it is unreadable.

    ``status`` is one of ok, partial (usable, though the file breaks off), silent, empty, damaged.
    """

    status: str
    remark: str
    measures: Measures | None


USABLE = ("ok", "partial")


def measure_file(path: str | Path, relative_threshold_db: float = 35.0) -> MeasureOutcome:
    """Measure an audio file; nothing that is wrong with it raises.

    Parameters
    ----------
    path : str | Path
        the file
    relative_threshold_db : float, default 35.0
        as for ``active_part``

    Examples
    --------
    >>> import tempfile
    >>> from flam.audio import write_audio
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000, dtype=np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_audio(f"{folder}/tone.wav", np.concatenate([np.zeros(24000, np.float32), 0.5 * tone]), 48000)
    ...     outcome = measure_file(f"{folder}/tone.wav")
    >>> outcome.status, outcome.measures.duration_s, outcome.measures.peak_db, outcome.measures.leading_silence_s
    ('ok', 1.5, -6.021, 0.48)
    """
    problems: list[str] = []
    try:
        if Path(path).stat().st_size == 0:
            return MeasureOutcome("empty", "0 bytes", None)
        measures = _measure(Path(path), relative_threshold_db, problems)
    except AudioError as error:
        return MeasureOutcome("damaged", _without_path(str(error), path), None)
    except OSError as error:
        return MeasureOutcome("damaged", f"can't be read ({error.strerror})", None)
    except Exception as error:  # whatever one file does to a decoder, the others are worth measuring
        return MeasureOutcome("damaged", f"unexpected {type(error).__name__} ({error})", None)
    if measures is None:
        return MeasureOutcome("empty", "holds no samples", None)
    if not measures.spans_s:
        return MeasureOutcome("silent", f"no moment of 40 ms reaches {LEVEL_FLOOR_DB:g} dB, A-weighted", measures)
    if problems:
        return MeasureOutcome("partial", _without_path("; ".join(problems), path), measures)
    return MeasureOutcome("ok", "", measures)


def active_part(
    levels_db: np.ndarray, n_samples: int, sample_rate: int, relative_threshold_db: float
) -> tuple[list[tuple[float, float]], float]:
    """Where a clip is active, and how loud it is there.

    Parameters
    ----------
    levels_db : np.ndarray
        (T,) float array, A-weighted levels every 20 ms
    n_samples : int
        length of the clip
    sample_rate : int
        Hz
    relative_threshold_db : float
        a moment this far below the clip's loudest one is inactive, as is one below -70 dB

    Returns
    -------
    tuple[list[tuple[float, float]], float]
        active spans in seconds, and the A-weighted level of the active moments, -120 dB where there is none

    Examples
    --------
    >>> active_part(np.array([-90.0, -20, -20, -20, -90]), 4800, 48000, 35.0)
    ([(0.02, 0.08)], -20.0)
    """
    threshold_db = max(LEVEL_FLOOR_DB, float(levels_db.max(initial=SILENCE_DB)) - relative_threshold_db)
    spans_s = spans_of_levels_s(levels_db, n_samples, sample_rate, threshold_db=threshold_db)
    if not spans_s:
        return [], SILENCE_DB
    power = 10 ** (levels_db[levels_db >= threshold_db] / 10)
    return spans_s, 10 * float(np.log10(power.mean()))


def _measure(path: Path, relative_threshold_db: float, problems: list[str]) -> Measures | None:
    totals = _Totals()
    with open_recording(path, problems.append) as recording:
        mono = totals.hashing(recording.own_rate_mono_blocks(), recording.sample_rate)
        blocks = totals.adding(resample_blocks(mono, recording.sample_rate, LIBRARY_RATE))
        levels_db = stream_levels_db(blocks)
        sample_rate, n_channels = recording.sample_rate, recording.n_channels
    if not totals.n_samples:
        return None
    spans_s, level_db = active_part(levels_db, totals.n_samples, LIBRARY_RATE, relative_threshold_db)
    duration_s = totals.n_samples / LIBRARY_RATE
    rolloff_hz, bandwidth_hz = totals.band_hz()
    return Measures(
        sample_rate=sample_rate,
        n_channels=n_channels,
        n_samples=totals.n_samples,
        duration_s=round(duration_s, 5),
        level_db=round(level_db, 3),
        rms_db=round(_power_db(totals.energy / totals.n_samples), 3),
        peak_db=round(_power_db(totals.peak**2), 3),
        leading_silence_s=round(spans_s[0][0] if spans_s else duration_s, 5),
        trailing_silence_s=round(duration_s - spans_s[-1][1] if spans_s else duration_s, 5),
        spans_s=tuple((round(onset_s, 5), round(offset_s, 5)) for onset_s, offset_s in spans_s),
        rolloff_hz=rolloff_hz,
        bandwidth_hz=bandwidth_hz,
        content=totals.digest.hexdigest()[:16],
    )


def stream_levels_db(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """``a_weighted_levels_db`` of a stream: pieces overlap by twice the margin; frames in it are a neighbour's."""
    levels_db = np.zeros(0)
    size, hop = (PIECE_FRAMES + 2 * MARGIN_FRAMES) * HOP_SAMPLES, PIECE_FRAMES * HOP_SAMPLES
    for piece in windows(blocks, size, hop):
        frames_db = a_weighted_levels_db(piece.waveform[: piece.n_valid], LIBRARY_RATE)
        margin = MARGIN_FRAMES if piece.start_sample else 0
        first = piece.start_sample // HOP_SAMPLES + margin
        levels_db = np.concatenate([levels_db[:first], frames_db[margin:]])
    return levels_db


class _Totals:
    """What is summed up while a clip streams by."""

    def __init__(self) -> None:
        self.n_samples = 0
        self.energy = 0.0
        self.peak = 0.0
        self.digest = hashlib.sha256()
        self._power = np.zeros(SPECTRUM_SAMPLES // 2 + 1)

    def hashing(self, blocks: Iterable[np.ndarray], sample_rate: int) -> Iterator[np.ndarray]:
        self.digest.update(str(sample_rate).encode())
        for block in blocks:
            self.digest.update(np.clip(np.round(block * 32768.0), -32768, 32767).astype("<i2").tobytes())
            yield block

    def adding(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        left = np.zeros(0, np.float32)
        window = np.hanning(SPECTRUM_SAMPLES).astype(np.float32)
        for block in blocks:
            self.n_samples += len(block)
            self.energy += float(np.dot(block, block))
            self.peak = max(self.peak, float(np.abs(block).max(initial=0.0)))
            whole = np.concatenate([left, block])
            end = len(whole) - len(whole) % SPECTRUM_SAMPLES
            self._add_spectrum(whole[:end].reshape(-1, SPECTRUM_SAMPLES) * window)
            left = whole[end:]
            yield block
        if len(left):
            self._add_spectrum(np.pad(left, (0, SPECTRUM_SAMPLES - len(left)))[None] * window)

    def _add_spectrum(self, frames: np.ndarray) -> None:
        self._power += np.square(np.abs(np.fft.rfft(frames))).sum(axis=0)

    def band_hz(self) -> tuple[float, float]:
        """Roll-off and bandwidth, Hz; 0 for digital silence."""
        power = self._power.copy()
        power[0] = 0.0  # a constant offset is no sound
        if not power.any():
            return 0.0, 0.0
        bin_hz = LIBRARY_RATE / SPECTRUM_SAMPLES
        rolloff = int(np.searchsorted(np.cumsum(power), ROLLOFF_SHARE * power.sum()))
        smooth = np.convolve(power, np.full(SMOOTHING_BINS, 1 / SMOOTHING_BINS), "same")
        edge = int(np.flatnonzero(smooth >= smooth.max() * 10 ** (-BAND_EDGE_DB / 10))[-1])
        return round(rolloff * bin_hz, 1), round(edge * bin_hz, 1)


def _power_db(power: float) -> float:
    return max(10 * float(np.log10(power)), SILENCE_DB) if power > 0 else SILENCE_DB


def _without_path(message: str, path: str | Path) -> str:
    return " ".join(message.removeprefix(f"{path}: ").split())
