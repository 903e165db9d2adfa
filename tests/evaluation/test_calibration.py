"""Calibration error of cases known by hand."""

import numpy as np
import pytest

from flam.evaluation.calibration import calibration_error, reliability


def test_calibration_error_of_a_known_case():
    scores = np.array([0.9, 0.9, 0.1, 0.1])
    assert calibration_error(scores, np.array([True, True, False, False])) == pytest.approx(0.1)
    assert calibration_error(scores, np.array([False, False, True, True])) == pytest.approx(0.9)


def test_calibrated_scores_have_no_error():
    rng = np.random.default_rng(0)
    scores = rng.random((400, 500))
    assert calibration_error(scores, rng.random(scores.shape) < scores) < 0.005


def test_reliability_equals_a_loop_over_bins():
    rng = np.random.default_rng(1)
    scores = np.concatenate([rng.random(200) ** 3 * 0.6, [0.0, 1.0]])
    truth = rng.random(202) < 0.3
    diagram, error = reliability(scores, truth, n_bins=10), 0.0
    for low, high, n, mean, share in zip(
        diagram.edges[:-1],
        diagram.edges[1:],
        diagram.n_scores,
        diagram.mean_score,
        diagram.positive_share,
        strict=True,
    ):
        inside = (scores >= low - 1e-12) & ((scores < high - 1e-12) | (high == 1))
        assert n == inside.sum()
        if n:
            assert (mean, share) == pytest.approx((scores[inside].mean(), truth[inside].mean()))
            error += n * abs(mean - share) / 202
        else:
            assert np.isnan([mean, share]).all()
    assert diagram.error == pytest.approx(error)
    assert 0 in diagram.n_scores


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match=r"scores from 0.5 to 1.5"):
        reliability(np.array([0.5, 1.5]), np.array([True, False]))
    with pytest.raises(ValueError, match="scores from nan"):
        reliability(np.array([np.nan]), np.array([True]))
    with pytest.raises(ValueError, match="shape"):
        reliability(np.zeros(2), np.zeros(3, bool))
    with pytest.raises(ValueError, match="not empty"):
        reliability(np.zeros(0), np.zeros(0, bool))
