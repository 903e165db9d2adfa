"""A stream resampled in pieces is the whole resampled at once: same samples, exact length, no delay."""

import tracemalloc

import numpy as np
import pytest
import soundfile
import soxr

from flam.audio import mono_blocks, resample, resample_blocks, resampled_length, windows
from flam.core import AudioError, ConfigError

RATES = [(44_100, 48_000), (16_000, 48_000), (8_000, 48_000), (192_000, 48_000), (48_000, 16_000), (11_025, 48_000)]
LENGTHS = [0, 1, 5, 31, 32, 33, 39, 40, 41, 63, 64, 65, 200]


def in_blocks(waveform: np.ndarray, block_samples: int) -> list[np.ndarray]:
    return [waveform[start : start + block_samples] for start in range(0, len(waveform), block_samples)]


def joined(blocks) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.float32), *blocks])


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
@pytest.mark.parametrize("n_samples", [0, 1, 2, 3, 10, 100, 1_001, 30_011])
def test_streamed_equals_whole_in_any_block_size(from_rate, to_rate, n_samples):
    noise = np.random.default_rng(n_samples).uniform(-1, 1, n_samples).astype(np.float32)
    whole = resample(noise, from_rate, to_rate)
    assert whole.dtype == np.float32
    assert len(whole) == resampled_length(n_samples, from_rate, to_rate)
    reference = soxr.resample(noise, from_rate, to_rate)
    n_common = min(len(whole), len(reference))
    assert abs(len(whole) - len(reference)) <= 1
    np.testing.assert_allclose(whole[:n_common], reference[:n_common], atol=1e-6)
    for block_samples in (7, 1_000, 65_536):
        streamed = joined(resample_blocks(in_blocks(noise, block_samples), from_rate, to_rate))
        np.testing.assert_allclose(streamed, whole, atol=1e-6)


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_a_sine_is_the_same_sine_without_delay(from_rate, to_rate):
    before, expected = (np.sin(2 * np.pi * 440 * np.arange(rate) / rate) for rate in (from_rate, to_rate))
    converted = resample(before.astype(np.float32), from_rate, to_rate)
    inner = slice(to_rate // 20, -to_rate // 20)
    np.testing.assert_allclose(converted[inner], expected[inner], atol=1e-4)


def test_equal_rates_pass_untouched():
    blocks = in_blocks(np.random.default_rng(0).standard_normal(1_000).astype(np.float32), 300)
    assert all(after is before for after, before in zip(resample_blocks(blocks, 48_000, 48_000), blocks, strict=True))


def test_length_stays_exact_over_hours():
    assert resampled_length(44_100 * 3600 * 1000 + 1, 44_100, 48_000) == 48_000 * 3600 * 1000 + 1
    assert [resampled_length(n, 2, 1) for n in range(6)] == [0, 1, 1, 2, 2, 3], "halves go up"


def test_a_rate_that_is_not_positive_is_refused():
    with pytest.raises(AudioError, match="must be positive"):
        resample_blocks([], 0, 48_000)


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


@pytest.mark.slow
def test_four_hours_take_no_more_memory_than_four_minutes(tmp_path):
    peaks = {}
    for minutes in (4, 240):
        sparse_wav(tmp_path / f"{minutes}.wav", minutes * 60 * 8_000)
        stream = windows(mono_blocks(tmp_path / f"{minutes}.wav", 8_000), 80_000, 80_000)
        n_windows, peaks[minutes] = peak_bytes(stream)
        assert n_windows == minutes * 6
    assert peaks[240] < 1.2 * peaks[4]


@pytest.mark.slow
def test_resampling_an_hour_takes_no_more_memory_than_a_minute():
    def stream(seconds):
        silence = np.zeros(11_025, np.float32)
        return windows(resample_blocks((silence for _ in range(seconds)), 11_025, 48_000), 480_000, 480_000)

    n_windows, peak = peak_bytes(stream(3600))
    assert n_windows == 360
    assert peak < 1.2 * peak_bytes(stream(60))[1]
