"""Joining windows piece by piece equals adding them all up and dividing by their weights."""

import numpy as np
import pytest

from flam.detection.plan import FramePiece, border_weights, stitch

FRAME_SAMPLES = 10


def random_windows(n_samples: int, window_frames: int, overlap_frames: int) -> list[FramePiece]:
    """As a model would give them: every window of full length, the last one filled."""
    random = np.random.default_rng(n_samples)
    pieces, start = [], 0
    while True:
        own = min(window_frames * FRAME_SAMPLES, n_samples - start * FRAME_SAMPLES)
        pieces.append(FramePiece(start, random.standard_normal((window_frames, 3)).astype(np.float32), own))
        if start * FRAME_SAMPLES + own == n_samples:
            return pieces
        start += window_frames - overlap_frames


def obvious(pieces: list[FramePiece], n_samples: int, window_frames: int, overlap_frames: int) -> np.ndarray:
    n_frames = -(-n_samples // FRAME_SAMPLES)
    total, weight = np.zeros((n_frames, 3)), np.zeros((n_frames, 1))
    for piece in pieces:
        for row in range(window_frames):
            from_border = min(row, window_frames - 1 - row)
            w = min(1.0, (from_border + 1) / (overlap_frames + 1))
            if piece.start_frame + row < n_frames:
                total[piece.start_frame + row] += w * piece.values[row]
                weight[piece.start_frame + row] += w
    return (total / weight).astype(np.float32)


@pytest.mark.parametrize("n_samples", [1, 9, 10, 11, 79, 80, 81, 99, 100, 120, 121, 139, 140, 141, 1_003])
@pytest.mark.parametrize(("window_frames", "overlap_frames"), [(8, 0), (8, 2), (8, 3), (8, 4), (1, 0), (2, 1)])
def test_equals_the_obvious_sum(n_samples, window_frames, overlap_frames):
    windows = random_windows(n_samples, window_frames, overlap_frames)
    joined = list(stitch(iter(windows), window_frames, overlap_frames, FRAME_SAMPLES))
    expected = obvious(windows, n_samples, window_frames, overlap_frames)
    np.testing.assert_allclose(np.concatenate([piece.values for piece in joined]), expected, rtol=0, atol=1e-6)
    assert sum(piece.n_samples for piece in joined) == n_samples
    position = 0
    for piece in joined:
        assert piece.start_frame == position
        assert -(-piece.n_samples // FRAME_SAMPLES) == len(piece.values) > 0
        position += len(piece.values)


def test_windows_of_only_their_own_frames_give_the_same():
    windows = random_windows(123, 8, 2)
    trimmed = [FramePiece(w.start_frame, w.values[: -(-w.n_samples // FRAME_SAMPLES)], w.n_samples) for w in windows]
    for a, b in zip(stitch(windows, 8, 2, FRAME_SAMPLES), stitch(trimmed, 8, 2, FRAME_SAMPLES), strict=True):
        np.testing.assert_array_equal(a.values, b.values)


def test_a_frame_comes_out_as_soon_as_its_last_window_is_in():
    windows = random_windows(200, 8, 2)
    n_taken = 0

    def counted():
        nonlocal n_taken
        for window in windows:
            n_taken += 1
            yield window

    for n_given, piece in enumerate(stitch(counted(), 8, 2, FRAME_SAMPLES), start=1):
        if piece.start_frame < windows[-1].start_frame:
            assert n_taken == n_given
            assert len(piece.values) == 6


def test_input_is_not_changed_and_no_windows_give_no_frames():
    windows = random_windows(150, 8, 3)
    before = [window.values.copy() for window in windows]
    list(stitch(windows, 8, 3, FRAME_SAMPLES))
    assert all(np.array_equal(window.values, values) for window, values in zip(windows, before, strict=True))
    assert list(stitch([], 8, 3, FRAME_SAMPLES)) == []


@pytest.mark.parametrize("overlap_frames", [0, 1, 3, 5])
def test_weights_of_neighbours_add_up_to_one(overlap_frames):
    weights = border_weights(10, overlap_frames)[:, 0]
    np.testing.assert_allclose(weights[:overlap_frames] + weights[10 - overlap_frames :], 1, rtol=1e-6)
    assert weights.min() > 0
