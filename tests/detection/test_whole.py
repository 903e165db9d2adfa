"""Events of a whole curve at once are those that the binarizer finds piece by piece."""

import numpy as np
import pytest

from flam.core import FrameScores, TimeGrid
from flam.detection import DetectionConfig
from flam.detection.binarize import binarize
from flam.detection.whole import event_frames

GRID = TimeGrid(8_000, 800)


@pytest.mark.parametrize("seed", range(40))
def test_equals_the_binarizer(seed):
    rng = np.random.default_rng(seed)
    curve = rng.uniform(size=rng.integers(1, 400)) ** rng.choice([0.3, 1, 4])
    # plateaus, and scores equal to the thresholds
    curve = np.repeat(curve.round(1), rng.integers(1, 6, len(curve))).astype(np.float32)
    threshold = rng.choice([0.1, 0.5, 0.9])
    config = DetectionConfig(
        threshold=threshold,
        low_threshold=threshold * rng.choice([0, 0.5, 1.0]),
        median_s=0.0,
        min_duration_s=rng.choice([0, 0.1, 0.3, 0.95]),
        merge_gap_s=rng.choice([0, 0.2, 1.0]),
    )
    found = event_frames(curve, config.rule("x"), GRID)
    expected = sorted(binarize([FrameScores(curve[:, None], ("x",), GRID, 0, len(curve) * 800)], config))
    assert [GRID.frame_s(onset) for onset in found.onsets] == [event.onset_s for event in expected]
    assert [GRID.frame_s(offset) for offset in found.offsets] == [event.offset_s for event in expected]
    assert found.mean_scores.tolist() == pytest.approx([event.mean_score for event in expected])
    assert found.max_scores.tolist() == [event.max_score for event in expected]
