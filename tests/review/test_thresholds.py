"""Thresholds and counts against loops over every threshold, and against the truth of many draws."""

import numpy as np
import pytest

from flam.core import ConfigError
from flam.review.candidates import Pool
from flam.review.logistic import LogisticFit, fit_logistic, sigmoid
from flam.review.session import BIN_EDGES
from flam.review.thresholds import Target, call_density, choose_threshold, count_right, precision_interval

CERTAIN = 1e-10 * np.eye(2)


def some_pool(seed, n=60):
    rng = np.random.default_rng(seed)
    return Pool(np.round(sigmoid(rng.normal(0, 2, n)), rng.integers(1, 4)))  # rounded: some scores are equal


@pytest.mark.parametrize("seed", range(10))
def test_precision_threshold_is_the_lowest_that_meets_it_by_trying_all(seed):
    pool, fit = some_pool(seed), LogisticFit(-0.5, 2.0, CERTAIN)
    chosen = choose_threshold(fit, pool, Target(precision=0.8))
    p = fit.probability(pool.x)
    meeting = [score for score in np.unique(pool.scores) if p[pool.scores >= score].mean() >= 0.8]
    assert chosen.is_reached == bool(meeting)
    assert chosen.score == (min(meeting) if meeting else pool.scores.max())
    above = pool.scores >= chosen.score
    assert chosen.n_found == above.sum()
    assert chosen.recall == pytest.approx(p[above].sum() / p.sum())
    assert chosen.precision[1] == pytest.approx(p[above].mean(), abs=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_f1_threshold_is_the_best_by_trying_all(seed):
    pool, fit = some_pool(seed), LogisticFit(-1.0, 1.5, CERTAIN)
    p = fit.probability(pool.x)
    value = {
        score: 2 * p[pool.scores >= score].sum() / ((pool.scores >= score).sum() + p.sum())
        for score in np.unique(pool.scores)
    }
    assert value[choose_threshold(fit, pool, Target("f1")).score] == pytest.approx(max(value.values()))


def test_large_pools_in_parts_equal_small_ones_at_once(monkeypatch):
    pool, fit = some_pool(0, 700), LogisticFit(-1.0, 1.5, 0.2 * np.eye(2))
    whole = choose_threshold(fit, pool, Target(precision=0.7))
    monkeypatch.setattr("flam.review.thresholds.STEP_CANDIDATES", 64)
    parts = choose_threshold(fit, pool, Target(precision=0.7))
    assert (parts.score, parts.n_found) == (whole.score, whole.n_found)
    assert parts.precision == pytest.approx(whole.precision)


def test_caution_raises_the_threshold_and_more_answers_lower_it():
    pool = some_pool(1, 400)
    few, many = LogisticFit(-1.0, 2.0, 0.5 * np.eye(2)), LogisticFit(-1.0, 2.0, 0.01 * np.eye(2))
    plain = choose_threshold(few, pool, Target(quantile=0.5)).score
    assert plain < choose_threshold(many, pool, Target()).score < choose_threshold(few, pool, Target()).score


def test_precision_interval_holds_the_truth_as_often_as_it_says():
    """80 % of prompts whose truth is drawn from the posterior lie inside."""
    pool, fit = some_pool(2, 200), LogisticFit(-0.5, 1.5, np.array([[0.3, 0.05], [0.05, 0.1]]))
    low, _, high = precision_interval(fit, pool.x)
    rng = np.random.default_rng(5)
    weights = rng.multivariate_normal([fit.intercept, fit.slope], fit.covariance, 3000)
    means = np.array([sigmoid(b + max(a, 0.05) * pool.x).mean() for b, a in weights])
    assert np.mean((low <= means) & (means <= high)) == pytest.approx(0.8, abs=0.06)


def test_count_interval_holds_the_number_of_right_candidates():
    rng = np.random.default_rng(0)
    n_inside, n_trials = 0, 150
    for _ in range(n_trials):
        pool = Pool(sigmoid(rng.normal(0, 2, 300)))
        truth = rng.random(300) < sigmoid(-1 + 1.5 * pool.x)
        asked = rng.choice(300, 30, replace=False)
        estimate = count_right(
            fit_logistic(pool.x[asked], truth[asked]), pool, {int(place): bool(truth[place]) for place in asked}
        )
        n_inside += estimate.low <= truth.sum() <= estimate.high
    assert n_inside / n_trials > 0.68  # 80 % but for chance and the prior


def test_call_density_of_answers_chosen_by_score_is_not_biased():
    rng = np.random.default_rng(1)
    pool = Pool(sigmoid(rng.normal(0, 2, 2000)))
    truth = rng.random(2000) < sigmoid(-2 + 2 * pool.x)
    top = np.argsort(-pool.x)[:400]
    rest = rng.choice(2000, 100, replace=False)
    answers = {int(place): bool(truth[place]) for place in (*top, *rest)}
    estimate = call_density(pool, answers, BIN_EDGES)
    assert estimate.low < truth.mean() < estimate.high
    assert estimate.middle == pytest.approx(truth.mean(), abs=0.06)
    assert np.mean(list(answers.values())) > truth.mean() + 0.2  # the raw share is


@pytest.mark.parametrize("precision", [0.0, 1.0, -1.0, 2.0])
def test_precision_out_of_range_is_refused(precision):
    with pytest.raises(ConfigError, match="must be within"):
        Target(precision=precision)


def test_empty_pool_is_refused():
    with pytest.raises(ConfigError, match="no candidates"):
        choose_threshold(LogisticFit(0.0, 1.0, CERTAIN), Pool(np.zeros(0)), Target())
