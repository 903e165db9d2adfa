"""Stores of clips: the protocol, and the one that reads files when asked."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from flam.audio import read_audio
from flam.core import AudioError

if TYPE_CHECKING:
    from flam.library.clip_table import SourceLibrary


SHORTEST_S = 0.002


class ClipMeasures(Protocol):
    """What a plan needs to know of a clip; unknown clips are a KeyError."""

    sample_rate: int

    def n_samples(self, clip_id: str) -> int:
        """Length of a clip in samples."""
        ...

    def spans_s(self, clip_id: str) -> list[tuple[float, float]]:
        """Where a clip is active, (onset_s, offset_s) in seconds."""
        ...

    def can_sound(self, clip_id: str) -> bool:
        """Whether a scene can use a clip: it, and what is active of it, last ``SHORTEST_S`` at least."""
        spans_s = self.spans_s(clip_id)
        return (
            bool(spans_s)
            and spans_s[-1][1] - spans_s[0][0] >= SHORTEST_S
            and self.n_samples(clip_id) >= SHORTEST_S * self.sample_rate
        )

    def identity(self, clip_id: str) -> list[Any]:
        """What differs, as JSON, for clips that scenes are drawn from in another way."""
        return [self.n_samples(clip_id), self.spans_s(clip_id)]


class ClipStore(ClipMeasures, Protocol):
    """Where the renderer takes clips from: files, a bank of decoded waveforms, or generators."""

    def waveform(self, clip_id: str) -> np.ndarray:
        """(N,) float32 samples of a clip, not to be written to."""
        ...


class DiskStore(ClipStore):
    """Clips decoded when they are asked for, and kept while memory allows.

    A ``flam.library.bank.WaveformBank`` holds every clip decoded and is faster; this needs no copy of the library.

    Parameters
    ----------
    table : SourceLibrary
        the clips
    cache_bytes : int, optional
        decoded clips kept in memory, those used last; 0 keeps none

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from flam.audio import write_audio
    >>> from flam.library.scan import scan_library
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tone = np.sin(np.arange(4800) / 10).astype(np.float32)
    ...     write_audio(Path(folder, "tone.wav"), tone, 48_000)
    ...     source = DiskStore(scan_library([folder], Path(folder, "library.csv")))
    ...     clip_id = source.table.clips[0].clip_id
    ...     len(source.waveform(clip_id)) == source.n_samples(clip_id)
    True
    """

    def __init__(self, table: SourceLibrary, cache_bytes: int = 512 * 2**20):
        self.table = table
        self.sample_rate = table.sample_rate
        self._cache_bytes = cache_bytes
        self._held: OrderedDict[str, np.ndarray] = OrderedDict()
        self._held_bytes = 0

    def __contains__(self, clip_id: str) -> bool:
        return clip_id in self.table

    def n_samples(self, clip_id: str) -> int:
        """Length of a clip in samples."""
        return self.table.n_samples(clip_id)

    def spans_s(self, clip_id: str) -> list[tuple[float, float]]:
        """Where a clip is active, (onset_s, offset_s) in seconds."""
        return self.table.spans_s(clip_id)

    def level_db(self, clip_id: str) -> float:
        """A-weighted level of the clip's active part, dB re full scale."""
        return self.table.level_db(clip_id)

    def waveform(self, clip_id: str) -> np.ndarray:
        """(N,) float32 samples of a clip, read-only.

        Raises
        ------
        AudioError
            the file is gone or can't be decoded, or is not as long as when it was measured
        """
        if clip_id in self._held:
            self._held.move_to_end(clip_id)
            return self._held[clip_id]
        path, n_samples = self.table.path(clip_id), self.table.n_samples(clip_id)
        waveform = read_audio(path, self.sample_rate)
        if len(waveform) != n_samples:
            raise AudioError(
                f"{path}: has {len(waveform)} samples at {self.sample_rate} Hz, {n_samples} when the library was "
                "scanned; scan it again"
            )
        waveform.flags.writeable = False
        self._held[clip_id] = waveform
        self._held_bytes += waveform.nbytes
        while self._held_bytes > self._cache_bytes:
            self._held_bytes -= self._held.popitem(last=False)[1].nbytes
        return waveform
