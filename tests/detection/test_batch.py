"""Clips in one call give what each gives alone, and a bad one costs its own events only."""

import numpy as np
import pytest

from flam.core import AudioError, ModelError
from flam.detection import Detector, detect_clips

PROMPTS = ["dog barking", "rain", "siren"]
LENGTHS_S = [0.3, 2.0, 0.3, 7.5, 2.0, 1.0, 12.0, 0.05, 2.0]


@pytest.fixture(scope="module")
def detector(conv_model):
    return Detector(conv_model)


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    rates = [48_000, 16_000]
    return [
        ((rng.normal(0, 0.1, round(seconds * rates[i % 2])) * rng.uniform(0.1, 1)).astype(np.float32), rates[i % 2])
        for i, seconds in enumerate(LENGTHS_S)
    ]


@pytest.mark.parametrize("windows_together", [1, 4, 100])
def test_each_clip_gives_what_it_gives_alone(detector, clips, windows_together):
    told = []
    options = {"score": "unbiased", "threshold": 0.3, "median_s": 0.0}
    found = detect_clips(
        detector, clips, PROMPTS, progress=lambda *done: told.append(done), windows_together=windows_together, **options
    )
    alone = [detector.detect(clip, PROMPTS, **options) for clip in clips]
    assert sum(map(len, alone)) > 10
    for one, other in zip(found, alone, strict=True):
        assert [(e.prompt, e.onset_s, e.offset_s) for e in one] == [(e.prompt, e.onset_s, e.offset_s) for e in other]
        assert [e.max_score for e in one] == pytest.approx([e.max_score for e in other], abs=1e-5)
    assert told == [(number, len(clips)) for number in range(1, len(clips) + 1)]


def test_bad_clip_costs_its_own_events_only(detector, clips):
    mixed = [clips[0], (np.zeros(0, np.float32), 48_000), "none.wav", clips[1]]
    problems = {}
    found = detect_clips(detector, mixed, PROMPTS, on_error=lambda number, error: problems.update({number: str(error)}))
    assert len(found) == 4
    assert set(problems) == {1, 2}
    assert "none.wav" in problems[2]
    with pytest.raises(AudioError):
        detect_clips(detector, mixed, PROMPTS)


def test_no_clips_and_bad_prompts(detector, clips):
    assert detect_clips(detector, [], PROMPTS) == []
    with pytest.raises(ModelError):
        detect_clips(detector, clips, [""])
    with pytest.raises(ModelError):
        detect_clips(detector, clips, "rain")
    with pytest.raises(ModelError, match="suppressed"):
        detect_clips(detector, clips, ["rain"], ["rain"])
