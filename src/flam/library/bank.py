"""A bank of decoded waveforms: each clip once, in 16 bits of its own scale, with its level and active spans."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flam.audio import a_weighted_levels_db, read_audio
from flam.core import AudioError, ConfigError, atomic_text, parse_json, read_text
from flam.core.progress import Progress
from flam.library.measure import LIBRARY_RATE as SAMPLE_RATE
from flam.library.measure import active_part
from flam.library.source_library import SourceClip
from flam.library.stores import ClipStore


class WaveformBank(ClipStore):
    """Random access to the clips of a library without decoding them again.

    Parameters
    ----------
    folder : str | Path
        what ``WaveformBank.build`` wrote

    Attributes
    ----------
    samples
        (N,) int16 array on the disk, of all clips one after another
    sample_rate
        Hz

    Raises
    ------
    ConfigError
        the folder holds no bank, or not all of one
    """

    def __init__(self, folder: str | Path):
        self._folder = folder = Path(folder)
        self.sample_rate = SAMPLE_RATE
        self._index = _read_index(folder / "index.json")
        n_samples = sum(entry["n_samples"] for entry in self._index.values())
        try:
            self.samples = np.memmap(folder / "samples.i16", np.int16, "r") if n_samples else np.zeros(0, np.int16)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{folder / 'samples.i16'}: can't be read ({error}); make the bank again") from error
        if len(self.samples) != n_samples:
            raise ConfigError(f"{folder}: {len(self.samples)} samples, {n_samples} in its index; make the bank again")
        for clip_id, entry in self._index.items():
            if entry["start"] + entry["n_samples"] > n_samples:
                raise ConfigError(f"{folder}: clip {clip_id!r} ends behind the last sample; make the bank again")

    @property
    def index(self) -> dict[str, dict[str, Any]]:
        """Clip id to where it is and what was measured of it."""
        return self._index

    def __contains__(self, clip_id: str) -> bool:
        return clip_id in self._index

    def __reduce__(self) -> tuple[type[WaveformBank], tuple[Path]]:
        """Travels to other processes as its folder: a pickled memory map would be a copy of all samples."""
        return WaveformBank, (self._folder.absolute(),)

    def waveform(self, clip_id: str) -> np.ndarray:
        """(N,) float32 samples of a clip, full scale is 1.0; codecs make clips go beyond it."""
        entry = self._index[clip_id]
        samples = self.samples[entry["start"] : entry["start"] + entry["n_samples"]]
        return samples.astype(np.float32) * self.scale(clip_id)

    def start(self, clip_id: str) -> int:
        """Where in ``samples`` a clip begins."""
        return self._index[clip_id]["start"]

    def scale(self, clip_id: str) -> np.float32:
        """What the samples of a clip in ``samples`` are multiplied by."""
        return np.float32(self._index[clip_id].get("scale", 1 / 32768))

    def n_samples(self, clip_id: str) -> int:
        """Length of a clip in samples."""
        return self._index[clip_id]["n_samples"]

    def spans_s(self, clip_id: str) -> list[tuple[float, float]]:
        """Where a clip is active, (onset_s, offset_s) in seconds."""
        return [(onset_s, offset_s) for onset_s, offset_s in self._index[clip_id]["spans_s"]]

    def level_db(self, clip_id: str) -> float:
        """A-weighted level of the clip's active part, dB re full scale."""
        return self._index[clip_id]["level_db"]

    @staticmethod
    def build(
        clips: Sequence[SourceClip],
        folder: str | Path,
        relative_threshold_db: float = 35.0,
        progress: Progress | None = None,
    ) -> list[str]:
        """Decode clips into a bank; silent and broken clips are left out and named in the result.

        Parameters
        ----------
        clips : Sequence[SourceClip]
            the library
        folder : str | Path
            where the bank is written; it appears whole or not at all
        relative_threshold_db : float, default 35.0
            a moment this far below the clip's loudest one is inactive, as is one below -70 dB
        progress : Progress | None, optional
            called with (clips done, clips in all)

        Returns
        -------
        list[str]
            ids of the clips that were left out
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        index: dict[str, dict[str, Any]] = {}
        skipped, start = [], 0
        with open(folder / "samples.i16.part", "wb") as file:
            for done, clip in enumerate(clips, start=1):
                waveform, entry = _measured(clip, relative_threshold_db)
                if entry is None:
                    skipped.append(clip.clip_id)
                else:
                    file.write(np.round(waveform / np.float32(entry["scale"])).astype(np.int16).tobytes())
                    index[clip.clip_id] = {"start": start, **entry}
                    start += len(waveform)
                if progress is not None:
                    progress(done, len(clips))
        (folder / "index.json").unlink(missing_ok=True)  # of an earlier bank, whose samples go now
        os.replace(folder / "samples.i16.part", folder / "samples.i16")
        with atomic_text(folder / "index.json") as text_file:
            json.dump(index, text_file)
        return skipped


def _read_index(path: Path) -> dict[str, dict[str, Any]]:
    try:
        index = parse_json(read_text(path, ConfigError), str(path))
    except ConfigError as error:
        raise ConfigError(f"{path.parent}: not a waveform bank ({error}); make one with WaveformBank.build") from error
    if not isinstance(index, dict):
        raise ConfigError(f"{path}: not the index of a waveform bank; make one with WaveformBank.build")
    for clip_id, entry in index.items():
        if not _is_entry(entry):
            raise ConfigError(f"{path}: what it says of clip {clip_id!r} can't be; make the bank again")
    return index


def _is_entry(entry: Any) -> bool:
    """Whether a bank can have written it; by hand, as there may be hundreds of thousands."""
    if not isinstance(entry, dict):
        return False
    start, n_samples, spans_s = entry.get("start"), entry.get("n_samples"), entry.get("spans_s")
    numbers = [entry.get("level_db"), entry.get("scale", 1.0)]
    if not isinstance(spans_s, list) or not all(isinstance(span, list) and len(span) == 2 for span in spans_s):
        return False
    numbers += [time_s for span in spans_s for time_s in span]
    return (
        all(type(count) is int and count >= 0 for count in (start, n_samples))
        and all(type(number) in (int, float) for number in numbers)
        and all(map(math.isfinite, numbers))  # type: ignore[arg-type]
    )


def _measured(clip: SourceClip, relative_threshold_db: float) -> tuple[np.ndarray, dict[str, Any] | None]:
    """The samples of a clip and what the index says of it; None for one that is broken or silent."""
    try:
        waveform = read_audio(clip.path, SAMPLE_RATE)
    except AudioError:
        return np.zeros(0, np.float32), None
    levels_db = a_weighted_levels_db(waveform, SAMPLE_RATE)
    spans_s, level_db = active_part(levels_db, len(waveform), SAMPLE_RATE, relative_threshold_db)
    if not spans_s:
        return waveform, None
    entry = {
        "n_samples": len(waveform),
        "scale": float(np.abs(waveform).max()) / 32767,
        "spans_s": [[round(onset_s, 5), round(offset_s, 5)] for onset_s, offset_s in spans_s],
        "level_db": round(level_db, 3),
    }
    return waveform, entry
