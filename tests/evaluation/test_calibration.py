"""Calibration error of cases known by hand."""

import numpy as np
import pytest

from flam.evaluation.calibration import calibration_error


def test_calibration_error_of_a_known_case():
    scores = np.array([0.9, 0.9, 0.1, 0.1])
    assert calibration_error(scores, np.array([True, True, False, False])) == pytest.approx(0.1)
    assert calibration_error(scores, np.array([False, False, True, True])) == pytest.approx(0.9)


def test_calibrated_scores_have_no_error():
    rng = np.random.default_rng(0)
    scores = rng.random((400, 500))
    assert calibration_error(scores, rng.random(scores.shape) < scores) < 0.005
