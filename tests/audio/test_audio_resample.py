"""A stream resampled in pieces is the whole resampled at once: same samples, exact length, no delay."""

import numpy as np
import pytest
import soxr

from flam.audio import resample, resample_blocks, resampled_length
from flam.core import AudioError

RATES = [(44_100, 48_000), (16_000, 48_000), (8_000, 48_000), (192_000, 48_000), (48_000, 16_000), (11_025, 48_000)]


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
