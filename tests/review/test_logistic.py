"""The fitted logistic against a grid, its derivatives and the cases in which plain Newton diverges."""

import numpy as np
import pytest

from flam.review.logistic import SMALLEST_SLOPE, Prior, fit_logistic, negative_log_posterior, sigmoid

PRIOR = Prior(intercept=-1.0, intercept_sd=1.5, slope=1.5, slope_sd=0.8)


def objective(weights, x, y, prior):
    design = np.stack([np.ones_like(x), x], axis=1)
    mean, precision = np.array([prior.intercept, prior.slope]), np.diag([prior.intercept_sd**-2, prior.slope_sd**-2])
    return negative_log_posterior(np.asarray(weights), design, y.astype(float), mean, precision)


@pytest.mark.parametrize("seed", range(12))
def test_fit_is_the_best_point_of_a_fine_grid(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rng.integers(1, 25)) * rng.choice([0.3, 1.0, 4.0])
    y = rng.random(len(x)) < sigmoid(rng.normal() + rng.normal(1, 2) * x)
    fit = fit_logistic(x, y, PRIOR)
    best = objective((fit.intercept, fit.slope), x, y, PRIOR)
    for intercept in np.linspace(-6, 4, 81):
        for slope in np.linspace(SMALLEST_SLOPE, 5, 60):
            assert best <= objective((intercept, slope), x, y, PRIOR) + 1e-9


def test_answers_that_a_line_separates_far_out_still_converge():
    x = np.array([-40.0, -30.0, 30.0, 50.0])
    fit = fit_logistic(x, x > 0, Prior(0.0, 100.0, 1.0, 100.0))
    assert np.isfinite([fit.intercept, fit.slope]).all()
    assert fit.probability(np.array([-40.0]))[0] < 0.01 < 0.99 < fit.probability(np.array([50.0]))[0]


def test_no_answers_give_the_prior_back():
    fit = fit_logistic(np.zeros(0), np.zeros(0, bool), PRIOR)
    assert (fit.intercept, fit.slope) == (PRIOR.intercept, PRIOR.slope)
    np.testing.assert_allclose(fit.covariance, np.diag([PRIOR.intercept_sd**2, PRIOR.slope_sd**2]))


def test_answers_against_the_order_of_scores_leave_a_rising_curve():
    x = np.linspace(-2, 2, 20)
    fit = fit_logistic(x, x < 0, PRIOR)
    assert fit.slope == SMALLEST_SLOPE
    assert np.all(np.diff(fit.probability(x)) > 0)


def test_covariance_is_the_inverse_of_the_measured_curvature():
    rng = np.random.default_rng(3)
    x = rng.normal(size=30)
    y = rng.random(30) < sigmoid(x)
    fit = fit_logistic(x, y, PRIOR)
    step, hessian = 1e-3, np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            value = 0.0
            for first, second, sign in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)):
                at = np.array([fit.intercept, fit.slope])
                at[i] += first * step
                at[j] += second * step
                value += sign * objective(at, x, y, PRIOR)
            hessian[i, j] = value / (4 * step**2)
    np.testing.assert_allclose(np.linalg.inv(fit.covariance), hessian, rtol=1e-3)


def test_draws_have_the_posterior_s_mean_and_spread():
    fit = fit_logistic(np.array([-1.0, 0.5, 1.0, 2.0]), np.array([False, False, True, True]), PRIOR)
    log_odds = fit.draws(np.array([0.0]), n_draws=4000)
    intercepts = np.log(log_odds / (1 - log_odds))[:, 0]
    assert intercepts.mean() == pytest.approx(fit.intercept, abs=1e-6)  # drawn in pairs
    assert intercepts.std() == pytest.approx(np.sqrt(fit.covariance[0, 0]), rel=0.05)
