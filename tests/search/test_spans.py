"""Spans found around a few frames are those of detection on all frames, for scores of every kind."""

import numpy as np
import pytest

from flam.core import Event, FrameScores, TimeGrid
from flam.detection import DetectionConfig
from flam.detection.backends.base import TextFeatures
from flam.detection.binarize import binarize
from flam.detection.scores import score
from flam.search import Query, Recording
from flam.search.axes import SearchAxes
from flam.search.codec import Codec
from flam.search.scan import Scanner
from flam.search.segment import Segment, SegmentWriter
from flam.search.spans import SegmentSpans

GRID = TimeGrid(8_000, 800)
DIM = 4
TEXT = TextFeatures(np.eye(DIM, dtype=np.float32)[:1], np.array([12], np.float32), np.array([-3], np.float32))
NONE = TextFeatures(np.zeros((0, DIM), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32))


def cosines(rng, n_frames):
    """A sound that comes and goes: from single frames to long stretches, some at the beginning and the end."""
    steps = rng.normal(0, rng.choice([0.02, 0.1, 0.4]), n_frames)
    return np.clip(rng.uniform(-0.3, 0.5) + np.cumsum(steps) - 0.1 * np.arange(n_frames) * steps.mean(), -0.95, 0.95)


@pytest.fixture
def segment(tmp_path):
    rng = np.random.default_rng(0)
    codec = Codec(SearchAxes(np.eye(DIM, dtype=np.float32), np.full(DIM, 1 / 127, np.float32)), "compact")
    writer = SegmentWriter(tmp_path / "segment", codec, "id")
    for number, n_frames in enumerate([1, 2, 3, 5, 17, *rng.integers(20, 900, 25).tolist()]):
        first = cosines(rng, n_frames)
        frames = np.stack([first, np.sqrt(1 - first**2), *np.zeros((2, n_frames))], axis=1)
        writer.append(frames.astype(np.float32), np.full(n_frames, 0.1))
        n_samples = n_frames * GRID.hop_samples - 7
        writer.end_recording(Recording(f"/{number:02d}.wav", 1, 1, "", None, 8_000, n_samples), frames[0])
    writer.finish(sync=False)
    return Segment(tmp_path / "segment", codec), writer.recordings


@pytest.mark.parametrize("median_s", [0.0, 0.3, 0.5, 1.1])
@pytest.mark.parametrize(("threshold", "low"), [(0.9, 0.9), (0.97, 0.4), (0.6, 0.55), (0.999, 0.05), (0.9, 0.0)])
@pytest.mark.parametrize("merge_gap_s", [0.0, 0.4, 2.0])
def test_spans_equal_detection(segment, median_s, threshold, low, merge_gap_s):
    segment, recordings = segment
    config = DetectionConfig(
        score="approximate",
        threshold=threshold,
        low_threshold=low,
        median_s=median_s,
        merge_gap_s=merge_gap_s,
        min_duration_s=0.2,
    )
    query = Query("x", TEXT, NONE, "approximate", config.rule("x"))
    [hits] = Scanner(segment.codec, TEXT.text_features, query.min_cosines, 1).scan(segment)
    found = SegmentSpans(segment, recordings, -60.0, GRID).find(query, hits.frames)
    for row in recordings:
        values = segment.values(slice(row.first_frame, row.first_frame + row.n_frames))
        piece = FrameScores(score(values, TEXT, "approximate"), ("x",), GRID, 0, row.n_samples)
        expected = [
            Event(e.onset_s, e.offset_s, "x", pytest.approx(e.mean_score), pytest.approx(e.max_score))
            for e in sorted(binarize([piece], config))
        ]
        assert [span.event for span in found if span.recording == row] == expected


def test_a_sound_that_two_texts_hear_in_turns_is_one_span(tmp_path):
    codec = Codec(SearchAxes(np.eye(DIM, dtype=np.float32), np.full(DIM, 1 / 127, np.float32)), "compact")
    writer = SegmentWriter(tmp_path / "segment", codec, "id")
    places = np.ones(200, int)  # along an axis that neither text knows
    places[[100, 102, 180, 190]], places[[20, 60, 101, 170]] = 0, 2
    frames = np.eye(DIM, dtype=np.float32)[places]
    writer.append(frames, np.full(200, 0.1))
    writer.end_recording(Recording("/a.wav", 1, 1, "", None, 8_000, 200 * GRID.hop_samples), frames[0])
    writer.finish(sync=False)
    segment = Segment(tmp_path / "segment", codec)
    both = TextFeatures(np.eye(DIM, dtype=np.float32)[[0, 2]], np.full(2, 12, np.float32), np.full(2, -3, np.float32))
    config = DetectionConfig(score="approximate", threshold=0.9, low_threshold=0.9, median_s=0.5, merge_gap_s=0)
    query = Query("x", both, NONE, "approximate", config.rule("x"))
    hits = Scanner(codec, both.text_features, query.min_cosines, 1).scan(segment)
    finder = SegmentSpans(segment, writer.recordings, -60.0, GRID)
    [part] = finder.parts([each.frames for each in hits])
    [span] = finder.find(query, part)
    assert (span.event.onset_s, span.event.offset_s) == (10.0, 10.3)


@pytest.mark.parametrize("frames_of_a_part", [1, 7, 100, 10_000])
def test_parts_give_what_the_whole_gives(segment, frames_of_a_part, monkeypatch):
    monkeypatch.setattr("flam.search.spans.FRAMES_OF_A_PART", frames_of_a_part)
    segment, recordings = segment
    config = DetectionConfig(score="approximate", threshold=0.6, median_s=0.3, merge_gap_s=0.4)
    query = Query("x", TEXT, NONE, "approximate", config.rule("x"))
    [hits] = Scanner(segment.codec, TEXT.text_features, query.min_cosines, 1).scan(segment)
    finder = SegmentSpans(segment, recordings, -60.0, GRID)
    parts = finder.parts([hits.frames])
    assert np.concatenate(parts).tolist() == hits.frames.tolist()
    assert len(parts) <= len(recordings)
    assert [span for part in parts for span in finder.find(query, part)] == finder.find(query, hits.frames)
