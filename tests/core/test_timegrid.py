"""The time axis: one rounding rule, frames that cover every sample, labels that equal a loop over all frames."""

import numpy as np
import pytest

from flam.core import TimeGrid, round_half_up, seconds_to_samples

GRID = TimeGrid(sample_rate=48_000, hop_samples=3_840)


@pytest.mark.parametrize(
    ("value", "rounded"), [(0.5, 1), (1.5, 2), (2.5, 3), (-0.5, 0), (-1.5, -1), (2.49999, 2), (1e9 + 0.5, 1e9 + 1)]
)
def test_halves_go_up(value, rounded):
    assert round_half_up(value) == rounded


def test_every_sample_has_a_time_that_leads_back_to_it():
    for sample_rate in (8_000, 11_025, 44_100, 48_000, 192_000):
        for sample in (0, 1, 2, 441, 47_999, sample_rate * 3_600 * 24 + 1):
            assert seconds_to_samples(sample / sample_rate, sample_rate) == sample


@pytest.mark.parametrize("n_samples", [0, 1, 3_839, 3_840, 3_841, 10 * 3_840])
def test_frames_cover_every_sample_and_no_frame_is_empty(n_samples):
    n_frames = GRID.n_frames(n_samples)
    assert n_frames * GRID.hop_samples >= n_samples > (n_frames - 1) * GRID.hop_samples or n_samples == n_frames == 0


@pytest.mark.parametrize("numbers", [(0, 480), (48_000, 0), (-1, 480)])
def test_grid_without_extent_is_refused(numbers):
    with pytest.raises(ValueError, match="must be positive"):
        TimeGrid(*numbers)


def slow_labels(grid, spans_s, n_frames):
    """Frame by frame: covered by half, or else the frame that a short span overlaps most, the first of equals."""
    active = np.zeros(n_frames, bool)
    for onset_s, offset_s in spans_s:
        covered = [
            min(offset_s, (i + 1) * grid.hop_s) - max(onset_s, i * grid.hop_s)
            for i in range(int(offset_s / grid.hop_s) + 1)
        ]
        half = [i for i, seconds in enumerate(covered) if seconds >= 0.5 * grid.hop_s - 1e-12]
        chosen = half if half else [int(np.argmax(np.round(covered, 12)))]
        active[[i for i in chosen if i < n_frames]] = True
    return active


@pytest.mark.parametrize("longest_s", [0.03, 0.1, 0.3, 2.0])
def test_labels_equal_a_loop_over_frames(longest_s):
    random = np.random.default_rng(0)
    for _ in range(300):
        onsets = random.uniform(0, 2.5, size=3)
        spans_s = [(onset, onset + random.uniform(1e-4, longest_s)) for onset in onsets]
        assert GRID.frame_labels(spans_s, 30).tolist() == slow_labels(GRID, spans_s, 30).tolist(), spans_s


def test_labels_on_the_borders_of_frames():
    """Times that are whole and half frames, as floating point writes them."""
    for first in range(0, 40):
        for length in range(1, 8):
            span_s = (first * 0.04, (first + length) * 0.04)
            assert GRID.frame_labels([span_s], 30).tolist() == slow_labels(GRID, [span_s], 30).tolist(), span_s


def test_what_lies_beyond_the_grid_marks_nothing():
    assert not GRID.frame_labels([(10.0, 11.0), (2.5, 2.52)], 30).any()
    assert GRID.frame_labels([(2.3, 99.0)], 30).tolist() == [False] * 29 + [True]
