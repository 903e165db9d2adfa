"""Streamed events equal those of a slow, plain reading of the rules, wherever the stream is split."""

import math

import numpy as np
import pytest
from scipy.ndimage import median_filter

from flam.core import Event, FrameScores, TimeGrid
from flam.detection.binarize import Binarizer, binarize
from flam.detection.config import DetectionConfig, PromptSettings

GRID = TimeGrid(1_000, 80)
PROMPTS = ("dog", "siren", "rain", "wind")
CONFIGS = {
    "defaults": DetectionConfig(),
    "bare": DetectionConfig(median_s=0, merge_gap_s=0, low_threshold=0.5),
    "long median": DetectionConfig(median_s=0.9, min_duration_s=0.24, merge_gap_s=0.16),
    "merging": DetectionConfig(median_s=0.08, min_duration_s=0.4, merge_gap_s=0.8, threshold=0.8),
    "prompts": DetectionConfig(
        prompts={
            "dog": PromptSettings(threshold=0.9, median_s=0.4),
            "rain": PromptSettings(low_threshold=0.5, merge_gap_s=0.0, min_duration_s=0.3),
        }
    ),
    "all": DetectionConfig(threshold=1e-9, low_threshold=0.0),
}


def random_scores(n_frames: int, seed: int) -> np.ndarray:
    """Runs of high and low scores with noise, many of them exactly at a threshold."""
    random = np.random.default_rng(seed)
    states = np.repeat(random.random((n_frames, len(PROMPTS))), random.integers(1, 6, n_frames), axis=0)[:n_frames]
    scores = np.clip(states + 0.2 * random.standard_normal(states.shape), 0, 1)
    return (np.round(scores * 10) / 10).astype(np.float32)


def whole(scores: np.ndarray, n_samples: int | None = None, start_frame: int = 0) -> FrameScores:
    n_samples = len(scores) * GRID.hop_samples if n_samples is None else n_samples
    return FrameScores(scores, PROMPTS[: scores.shape[1]], GRID, start_frame, n_samples)


def split(scores: FrameScores, lengths: list[int]) -> list[FrameScores]:
    pieces, start = [], 0
    for length in lengths:
        rows = scores.scores[start : start + length]
        n_samples = min(len(rows) * GRID.hop_samples, scores.n_samples - start * GRID.hop_samples)
        pieces.append(FrameScores(rows, scores.prompts, GRID, scores.start_frame + start, n_samples))
        start += length
    return pieces


def obvious(scores: FrameScores, config: DetectionConfig) -> list[Event]:
    events = []
    for prompt, column in zip(scores.prompts, scores.scores.T, strict=True):
        rule = config.rule(prompt)
        n_median = round(rule.median_s / GRID.hop_s * 1e6) / 1e6
        n_median = 2 * math.floor(n_median / 2) + 1
        smoothed = median_filter(column, n_median, mode="nearest")
        runs, onset = [], None
        for frame, value in enumerate(smoothed):
            if onset is None and value >= np.float32(rule.low_threshold):
                onset = frame
            elif onset is not None and value < np.float32(rule.low_threshold):
                runs.append((onset, frame))
                onset = None
        if onset is not None:
            runs.append((onset, len(smoothed)))
        runs = [(first, end) for first, end in runs if max(smoothed[first:end]) >= np.float32(rule.threshold)]
        merged: list[tuple[int, int]] = []
        for first, end in runs:
            if merged and (first - merged[-1][1]) * GRID.hop_s <= rule.merge_gap_s + 1e-9:
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((first, end))
        for first, end in merged:
            if (end - first) * GRID.hop_s >= rule.min_duration_s - 1e-9:
                part = smoothed[first:end].astype(np.float64)
                onset_s = (scores.start_frame + first) * GRID.hop_s
                offset_s = min((scores.start_frame + end) * GRID.hop_s, scores.end_s)
                events.append(Event(onset_s, offset_s, prompt, part.mean(), part.max()))
    return sorted(events)


def assert_same(found: list[Event], expected: list[Event]) -> None:
    assert [event.prompt for event in found] == [event.prompt for event in expected]
    for field in ("onset_s", "offset_s", "mean_score", "max_score"):
        np.testing.assert_allclose(
            [getattr(event, field) for event in found], [getattr(event, field) for event in expected], atol=1e-9
        )


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seed", range(8))
def test_equals_the_plain_reading_of_the_rules(name, seed):
    scores = random_scores(150 + seed, seed)
    recording = whole(scores, len(scores) * GRID.hop_samples - 33)
    found = sorted(binarize([recording], CONFIGS[name]))
    assert_same(found, obvious(recording, CONFIGS[name]))
    assert found


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seed", range(12))
def test_where_the_stream_is_split_does_not_matter(name, seed):
    random = np.random.default_rng(100 + seed)
    scores = random_scores(int(random.integers(1, 90)), seed)
    recording = whole(scores, len(scores) * GRID.hop_samples - int(random.integers(0, 80)), start_frame=seed)
    lengths = []
    while sum(lengths) < len(scores):
        lengths.append(int(random.integers(0, 12)))
    expected = sorted(binarize([recording], CONFIGS[name]))
    assert_same(expected, obvious(recording, CONFIGS[name]))
    for pieces in (split(recording, lengths), split(recording, [1] * len(scores)), split(recording, [0, len(scores)])):
        assert_same(sorted(binarize(pieces, CONFIGS[name])), expected)


def test_pieces_longer_than_a_step_are_no_exception(monkeypatch):
    recording = whole(random_scores(400, 1))
    expected = sorted(binarize([recording]))
    monkeypatch.setattr("flam.detection.binarize.STEP_FRAMES", 7)
    assert_same(sorted(binarize([recording])), expected)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 5])
def test_recordings_shorter_than_the_median_filter(n_frames):
    scores = np.full((n_frames, 1), 0.9, np.float32)
    (event,) = binarize([whole(scores, n_frames * 80 - 79)], DetectionConfig(median_s=2.0))
    assert (event.onset_s, event.offset_s) == (0.0, (n_frames * 80 - 79) / 1_000)
    assert event.mean_score == event.max_score == pytest.approx(0.9)


def test_an_event_is_given_before_the_recording_ends():
    scores = np.zeros((40, 1), np.float32)
    scores[5:10] = 0.9
    config = DetectionConfig(median_s=0.24, merge_gap_s=0.16)
    binarizer = Binarizer(PROMPTS[:1], GRID, config)
    given_after = [piece.start_frame + 1 for piece in split(whole(scores), [1] * 40) for _ in binarizer.push(piece)]
    assert given_after == [
        14
    ]  # end, frame 10, a gap of 2 that could still be bridged, 1 for the next, 1 for the median
    assert binarizer.finish() == []


def test_scores_exactly_at_a_threshold_count():
    scores = np.array([[0.1], [0.7], [0.3], [0.299], [0.699]], np.float32)
    config = DetectionConfig(threshold=0.7, low_threshold=0.3, median_s=0, merge_gap_s=0)
    assert [(e.onset_s, e.offset_s) for e in binarize([whole(scores)], config)] == [(0.08, 0.24)]


def test_nothing_gives_nothing():
    assert list(binarize([])) == []
    assert list(binarize([whole(np.zeros((10, 0), np.float32))])) == []
    assert list(binarize([whole(np.zeros((0, 2), np.float32))])) == []
    assert Binarizer(PROMPTS, GRID, DetectionConfig()).finish() == []


def test_pieces_that_do_not_fit_are_refused():
    pieces = split(whole(random_scores(20, 0)), [10, 10])
    binarizer = Binarizer(PROMPTS, GRID, DetectionConfig())
    binarizer.push(pieces[0])
    with pytest.raises(ValueError, match="does not continue"):
        binarizer.push(pieces[0])
    with pytest.raises(ValueError, match="other prompts"):
        binarizer.push(FrameScores(pieces[1].scores[:, :2], PROMPTS[:2], GRID, 10, 800))
