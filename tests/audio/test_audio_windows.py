"""Windows cover every sample once their hop allows, whatever the blocks, in bounded memory."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from flam.audio import mono_blocks, resample_blocks, windows
from flam.core import ConfigError

LENGTHS = [0, 1, 5, 31, 32, 33, 39, 40, 41, 63, 64, 65, 200]


def recording(n_samples: int) -> np.ndarray:
    return np.arange(1, n_samples + 1, dtype=np.float32)


def obvious_windows(waveform: np.ndarray, window_samples: int, hop_samples: int) -> list[tuple[int, int, np.ndarray]]:
    n_samples = len(waveform)
    if n_samples == 0:
        return []
    if n_samples < window_samples:
        return [(0, n_samples, np.tile(waveform, window_samples)[:window_samples])]
    cut, start = [], 0
    while True:
        own = waveform[start : start + window_samples]
        cut.append((start, len(own), np.concatenate([own, np.zeros(window_samples - len(own), np.float32)])))
        if start + window_samples >= n_samples:
            return cut
        start += hop_samples


@pytest.mark.parametrize("n_samples", LENGTHS)
@pytest.mark.parametrize("hop_samples", [1, 8, 20, 32])
@pytest.mark.parametrize("block_samples", [1, 3, 32, 1_000])
def test_windows_are_the_obvious_ones_for_any_block_size(n_samples, hop_samples, block_samples):
    waveform = recording(n_samples)
    blocks = [waveform[start : start + block_samples] for start in range(0, n_samples, block_samples)]
    given = list(windows([np.zeros(0, np.float32), *blocks], 32, hop_samples))
    expected = obvious_windows(waveform, 32, hop_samples)
    assert [(window.start_sample, window.n_valid) for window in given] == [(start, n) for start, n, _ in expected]
    for window, (_, _, filled) in zip(given, expected, strict=True):
        assert window.waveform.dtype == np.float32
        np.testing.assert_array_equal(window.waveform, filled)


def test_windows_do_not_share_memory():
    first, second, third = windows([recording(10)], 4, 3)
    first.waveform[:] = second.waveform[:] = -1
    assert third.waveform.tolist() == [7, 8, 9, 10]


@pytest.mark.parametrize(("window_samples", "hop_samples"), [(10, 0), (10, 11), (0, 0)])
def test_a_hop_that_leaves_gaps_is_refused_at_once(window_samples, hop_samples):
    with pytest.raises(ConfigError, match="hop of"):
        windows([], window_samples, hop_samples)


def sparse_wav(path, n_samples: int) -> None:
    soundfile.write(path, np.zeros(0), 8_000, subtype="PCM_U8")
    header = bytearray(path.read_bytes()[:44])
    header[4:8], header[40:44] = (36 + n_samples).to_bytes(4, "little"), n_samples.to_bytes(4, "little")
    path.write_bytes(header)
    with open(path, "r+b") as file:
        file.truncate(44 + n_samples)


def peak_bytes(stream) -> tuple[int, int]:
    """Number of windows in a stream and the most memory their making took."""
    tracemalloc.start()
    try:
        return sum(1 for _ in stream), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_four_hours_take_no_more_memory_than_four_minutes(tmp_path):
    peaks = {}
    for minutes in (4, 240):
        sparse_wav(tmp_path / f"{minutes}.wav", minutes * 60 * 8_000)
        stream = windows(mono_blocks(tmp_path / f"{minutes}.wav", 8_000), 80_000, 80_000)
        n_windows, peaks[minutes] = peak_bytes(stream)
        assert n_windows == minutes * 6
    assert peaks[240] < 1.2 * peaks[4]


def test_resampling_an_hour_takes_no_more_memory_than_a_minute():
    def stream(seconds):
        silence = np.zeros(11_025, np.float32)
        return windows(resample_blocks((silence for _ in range(seconds)), 11_025, 48_000), 480_000, 480_000)

    n_windows, peak = peak_bytes(stream(3600))
    assert n_windows == 360
    assert peak < 1.2 * peak_bytes(stream(60))[1]
