"""An archive finds what detection finds in the recordings themselves."""

import numpy as np
import pytest

from flam.core import Event, FrameScores, ModelError
from flam.detection.binarize import binarize
from flam.detection.scores import score
from flam.search import Archive, Filters
from flam.search.codec import FORMS

PROMPTS = ["tone 1000", "tone 2500", "tone 400", "anything else"]


def found_in(spans, path):
    return sorted(span.event for span in spans if span.recording.path == path)


RULES = [
    {},
    {"threshold": 0.6, "median_s": 0.0, "merge_gap_s": 0.0},
    {"threshold": 0.9, "low_threshold": 0.2, "median_s": 0.9, "merge_gap_s": 1.5},
    {"threshold": 0.55, "min_duration_s": 0.5, "score": "posterior"},
    {"threshold": 0.6, "silence_db": -30.0},
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("overrides", RULES, ids=str)
def test_spans_are_those_of_detection_on_the_stored_frames(archive_paths, detector, form, overrides):
    """Nothing is lost by pruning and by looking at parts of recordings only, whatever a form has done to the frames."""
    archive = Archive(archive_paths[form], detector)
    spans, config = archive.search(PROMPTS, **overrides), archive.detection_config(**overrides)
    n_events = 0
    for segment, recordings in archive.segments:
        for row in recordings:
            scores = score(archive.frames(row), detector.embed_text(PROMPTS), config.score)
            levels_db = segment.level_db[row.first_frame : row.first_frame + row.n_frames]
            scores[levels_db < config.silence_db] = 0
            piece = FrameScores(scores, tuple(PROMPTS), archive.grid, 0, row.n_samples)
            expected = sorted(binarize([piece], config))
            n_events += len(expected)
            assert found_in(spans, row.path) == about(expected)
    assert n_events >= 4


@pytest.mark.parametrize("overrides", RULES, ids=str)
def test_exact_archives_find_what_detection_finds(archive_paths, sounds, detector, overrides):
    spans = Archive(archive_paths["exact"], detector).search(PROMPTS, **overrides)
    for path in sounds.rglob("*.wav"):
        expected = detector.detect(path, PROMPTS, **overrides)
        assert found_in(spans, str(path.resolve())) == about(expected, abs=2e-3)


@pytest.mark.parametrize("form", FORMS)
def test_cosines_of_a_form_are_as_near_as_its_codes_allow(archive_paths, sounds, detector, form):
    """Codes are half a step off at most, and axes that are left out take their energy with them."""
    archive = Archive(archive_paths[form], detector)
    codec = archive.segments[0][0].codec
    texts = detector.embed_text(PROMPTS).text_features
    for row in archive.recordings:
        features = np.concatenate([piece.features for piece in detector.stream(row.path)])
        left_out = codec.rotate(features)[:, codec.n_kept :]
        allowed = np.linalg.norm(left_out, axis=1) + np.linalg.norm(codec.axes.steps[: codec.n_kept]) / 2
        if form == "exact":
            allowed = np.full(len(features), 2e-3)  # half precision
        errors = np.abs(archive.frames(row) @ texts.T - features @ texts.T)
        assert (errors.max(axis=1) <= allowed + 1e-6).all()


def about(events, abs=1e-5):
    """Events whose times are equal and whose scores are about equal."""
    return [
        Event(
            e.onset_s, e.offset_s, e.prompt, pytest.approx(e.mean_score, abs=abs), pytest.approx(e.max_score, abs=abs)
        )
        for e in events
    ]


def test_suppressed_frames_score_nothing(archive_paths, sounds, detector):
    archive = Archive(archive_paths["exact"], detector)
    spans = archive.search(["tone 1000", "tone 2500"], suppress=["tone 990"], threshold=0.55)
    for path in sounds.rglob("*.wav"):
        expected = detector.detect(path, ["tone 1000", "tone 2500"], ["tone 990"], threshold=0.55)
        assert [(e.onset_s, e.offset_s, e.prompt) for e in found_in(spans, str(path.resolve()))] == [
            (e.onset_s, e.offset_s, e.prompt) for e in expected
        ]


def test_spans_are_ranked_and_keep_time_of_the_recorder(archive_paths, sounds, detector):
    archive = Archive(archive_paths["exact"], detector)
    scores = [span.event.max_score for span in archive.search(["tone 1000"], threshold=0.6)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) >= 3
    late = archive.search(["tone 1000"], filters=Filters(paths=("SITE1_20260502*",)), threshold=0.6)
    assert {span.recording.start_time for span in late} == {"2026-05-02T05:00:00"}


def test_frames_come_back(archive_paths, sounds, detector):
    archive = Archive(archive_paths["exact"], detector)
    assert archive.duration_s == pytest.approx(31.4 + 20 + 8.1 + 0.2 + 5, abs=0.3)
    for recording in archive.recordings:
        features = np.concatenate([piece.features for piece in detector.stream(recording.path)])
        np.testing.assert_allclose(archive.frames(recording), features, atol=1e-3)


def test_another_model_is_refused(archive_paths, monkeypatch, tmp_path):
    monkeypatch.setattr("flam.search.layout.resolve", lambda name: tmp_path)
    monkeypatch.setattr("flam.search.layout.model_id", lambda folder: "another")
    with pytest.raises(ModelError, match="features of two models can't be compared"):
        Archive(archive_paths["exact"]).search(["tone 1000"])
