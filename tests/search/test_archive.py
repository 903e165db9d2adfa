"""An archive finds what detection finds in the recordings themselves."""

import numpy as np
import pytest

from flam.core import ModelError
from flam.search import Archive, Filters
from flam.search.codec import FORMS

PROMPTS = ["tone 1000", "tone 2500", "tone 400", "anything else"]


def found_in(spans, path):
    return sorted(span.event for span in spans if span.recording.path == str(path.resolve()))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"threshold": 0.6, "median_s": 0.0, "merge_gap_s": 0.0},
        {"threshold": 0.9, "low_threshold": 0.2, "median_s": 0.9, "merge_gap_s": 1.5},
        {"threshold": 0.55, "min_duration_s": 0.5, "score": "posterior"},
        {"threshold": 0.6, "silence_db": -30.0},
    ],
    ids=str,
)
def test_spans_are_those_of_detection(archive_paths, sounds, detector, form, overrides):
    archive = Archive(archive_paths[form], detector)
    spans = archive.search(PROMPTS, **overrides)
    n_events = n_equal = 0
    for path in sounds.rglob("*.wav"):
        expected, got = detector.detect(path, PROMPTS, **overrides), found_in(spans, path)
        n_events += len(expected)
        if form == "exact":
            assert [(e.onset_s, e.offset_s, e.prompt) for e in got] == [
                (e.onset_s, e.offset_s, e.prompt) for e in expected
            ]
            for ours, theirs in zip(got, expected, strict=True):
                assert ours.max_score == pytest.approx(theirs.max_score, abs=2e-3)
                assert ours.mean_score == pytest.approx(theirs.mean_score, abs=2e-3)
        n_equal += sum(
            any(
                e.prompt == o.prompt and abs(e.onset_s - o.onset_s) < 0.11 and abs(e.offset_s - o.offset_s) < 0.11
                for o in got
            )
            for e in expected
        )
    assert n_events >= 4
    # codes of 8 bits may move a span whose scores graze a threshold
    assert n_equal >= n_events - {"exact": 0, "compact": 1, "tiny": 2}[form]


def test_suppressed_frames_score_nothing(archive_paths, sounds, detector):
    archive = Archive(archive_paths["exact"], detector)
    spans = archive.search(["tone 1000", "tone 2500"], suppress=["tone 990"], threshold=0.55)
    for path in sounds.rglob("*.wav"):
        expected = detector.detect(path, ["tone 1000", "tone 2500"], ["tone 990"], threshold=0.55)
        assert [(e.onset_s, e.offset_s, e.prompt) for e in found_in(spans, path)] == [
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
