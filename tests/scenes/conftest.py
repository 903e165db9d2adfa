"""A small library made here: sounds of many shapes at known places, and nothing on a disk."""

from pathlib import Path

import numpy as np
import pytest

from flam.library.source_library import SourceClip
from flam.library.stores import ClipStore

SAMPLE_RATE = 48_000


class MadeLibrary(ClipStore):
    """Clips by id, each a waveform; events are active throughout unless said otherwise."""

    sample_rate = SAMPLE_RATE

    def __init__(self):
        rng = np.random.default_rng(5)
        self.waveforms, self.kinds = {}, {}
        for number in range(3):
            self.add(f"wind{number}", rng.normal(0, 0.05, int((11 + 3 * number) * SAMPLE_RATE)), "background")
        for number in range(12):
            n_samples = int(rng.uniform(0.3, 4.0) * SAMPLE_RATE)
            decay = np.exp(-np.linspace(0, rng.uniform(0, 6), n_samples))
            self.add(f"noise{number}", rng.normal(0, 0.1, n_samples) * decay)
        time_s = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
        self.add("rumble", 0.5 * np.sin(2 * np.pi * 30 * time_s) + 0.01 * rng.normal(0, 1, len(time_s)))
        self.add("pulses", 0.3 * np.sin(2 * np.pi * 900 * time_s) * (time_s % 0.7 < 0.25))
        self.add("click", rng.normal(0, 0.3, 3000) * np.exp(-np.arange(3000) / 300))

    def add(self, clip_id, waveform, kind="event"):
        self.waveforms[clip_id], self.kinds[clip_id] = waveform.astype(np.float32), kind

    @property
    def clips(self):
        return [
            SourceClip(name, Path(name), name, "", kind, name, "", "general" if name < "noise3" else "effects", "CC0")
            for name, kind in self.kinds.items()
        ]

    @property
    def labels(self):
        return {name: name for name in self.waveforms}

    def n_samples(self, clip_id):
        return len(self.waveforms[clip_id])

    def spans_s(self, clip_id):
        return [(0.0, self.n_samples(clip_id) / SAMPLE_RATE)] if self.waveforms[clip_id].any() else []

    def waveform(self, clip_id):
        return self.waveforms[clip_id]


@pytest.fixture
def library():
    return MadeLibrary()
