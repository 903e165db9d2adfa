"""The probability that a candidate is right, as a logistic of its score, fitted to a few answers under a prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A score that says nothing about right and wrong must not turn the order of the candidates round.
SMALLEST_SLOPE = 0.05
N_DRAWS = 200
MAX_STEPS = 100
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Prior:
    """Independent Gaussians over intercept and slope, from the fits of other prompts.

    Parameters
    ----------
    intercept, intercept_sd : float
        Mean and standard deviation of the log odds of a candidate of average score.
    slope, slope_sd : float
        Mean and standard deviation of what one standard deviation of the score adds to the log odds.
    """

    intercept: float
    intercept_sd: float
    slope: float
    slope_sd: float


# The slope is that of `benchmarks/review.py`: median, and 1.5 times the median absolute deviation, of 30 prompts' fits.
# The intercept there, -3.0 with 1.0, tells how rare the sounds are in those scenes; it is left wide, as that differs.
SHIPPED_PRIOR = Prior(intercept=-2.0, intercept_sd=2.0, slope=2.0, slope_sd=0.8)


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """``p(right | x) = sigmoid(intercept + slope * x)``, with what is known of both numbers.

    Parameters
    ----------
    intercept, slope : float
        The most probable values; the slope is positive.
    covariance : numpy.ndarray
        (2, 2), of the Gaussian that approximates their posterior.
    """

    intercept: float
    slope: float
    covariance: np.ndarray

    def probability(self, x: np.ndarray) -> np.ndarray:
        """Probability of being right at standardised scores.

        Parameters
        ----------
        x : numpy.ndarray
            (N,) standardised scores.

        Returns
        -------
        numpy.ndarray
            (N,), in (0, 1).

        Examples
        --------
        >>> fit = LogisticFit(0.0, 2.0, np.eye(2))
        >>> fit.probability(np.array([-100.0, 0.0, 100.0])).round(3).tolist()
        [0.0, 0.5, 1.0]
        """
        return sigmoid(self.intercept + self.slope * x)

    def draws(self, x: np.ndarray, n_draws: int = N_DRAWS) -> np.ndarray:
        """Probabilities under draws from the posterior, the same draws for equal fits.

        Parameters
        ----------
        x : numpy.ndarray
            (N,) standardised scores.
        n_draws : int
            Number of draws S, even: they come in pairs on both sides of the most probable values.

        Returns
        -------
        numpy.ndarray
            (S, N), in (0, 1).
        """
        half = np.random.default_rng(0).standard_normal((n_draws // 2, 2))
        deviations = np.concatenate([half, -half]) @ np.linalg.cholesky(self.covariance).T
        intercepts = self.intercept + deviations[:, :1]
        slopes = np.maximum(self.slope + deviations[:, 1:], SMALLEST_SLOPE)
        return sigmoid(intercepts + slopes * x)


def fit_logistic(x: np.ndarray, is_right: np.ndarray, prior: Prior = SHIPPED_PRIOR) -> LogisticFit:
    """Fit intercept and slope to answers: the maximum of the posterior, by Newton's method with a line search.

    Parameters
    ----------
    x : numpy.ndarray
        (n,) standardised scores of the candidates that were answered; n may be 0, which gives the prior back.
    is_right : numpy.ndarray
        (n,) bool.
    prior : Prior
        What is known before the first answer.

    Returns
    -------
    LogisticFit
        With a slope of at least ``SMALLEST_SLOPE``.

    Examples
    --------
    >>> fit = fit_logistic(np.array([-1.0, 0.0, 1.0, 2.0]), np.array([False, False, True, True]))
    >>> fit.probability(np.array([-1.0, 2.0])).round(2).tolist()
    [0.02, 0.96]
    """
    x, y = np.asarray(x, np.float64), np.asarray(is_right, np.float64)
    design = np.stack([np.ones_like(x), x], axis=1)
    mean = np.array([prior.intercept, prior.slope])
    precision = np.diag([prior.intercept_sd**-2.0, prior.slope_sd**-2.0])
    both = np.array([True, True])
    weights = _maximum(mean.copy(), both, design, y, mean, precision)
    if weights[1] < SMALLEST_SLOPE:
        weights[1] = SMALLEST_SLOPE
        weights = _maximum(weights, np.array([True, False]), design, y, mean, precision)
    p = sigmoid(design @ weights)
    hessian = design.T @ (design * (p * (1 - p))[:, None]) + precision
    return LogisticFit(float(weights[0]), float(weights[1]), np.linalg.inv(hessian))


def negative_log_posterior(
    weights: np.ndarray, design: np.ndarray, y: np.ndarray, mean: np.ndarray, precision: np.ndarray
) -> float:
    """The function that ``fit_logistic`` minimises, up to a constant.

    Parameters
    ----------
    weights : numpy.ndarray
        (2,) intercept and slope.
    design : numpy.ndarray
        (n, 2): ones, and the standardised scores.
    y : numpy.ndarray
        (n,) 1 for right, 0 for wrong.
    mean, precision : numpy.ndarray
        (2,) and (2, 2), of the prior.

    Returns
    -------
    float
    """
    log_odds = design @ weights
    deviation = weights - mean
    return float(np.sum(np.logaddexp(0, log_odds) - y * log_odds) + 0.5 * deviation @ precision @ deviation)


def _maximum(
    weights: np.ndarray, free: np.ndarray, design: np.ndarray, y: np.ndarray, mean: np.ndarray, precision: np.ndarray
) -> np.ndarray:
    """Walk to the maximum over the free weights; a full Newton step can diverge, so each is halved until it helps."""
    value = negative_log_posterior(weights, design, y, mean, precision)
    for _ in range(MAX_STEPS):
        p = sigmoid(design @ weights)
        gradient = (design.T @ (p - y) + precision @ (weights - mean))[free]
        hessian = (design.T @ (design * (p * (1 - p))[:, None]) + precision)[np.ix_(free, free)]
        step = np.zeros(2)
        step[free] = np.linalg.solve(hessian, gradient)
        length = 1.0
        while length > 1e-10:
            trial = weights - length * step
            trial_value = negative_log_posterior(trial, design, y, mean, precision)
            if trial_value <= value - 1e-4 * length * float(gradient @ step[free]):
                break
            length /= 2
        else:
            return weights  # no step helps: this is the maximum as far as floating point can tell
        weights, value = trial, trial_value
        if float(np.abs(length * step).max()) < TOLERANCE:
            return weights
    return weights


def sigmoid(log_odds: np.ndarray) -> np.ndarray:
    """Probability from log odds, without overflow.

    Parameters
    ----------
    log_odds : numpy.ndarray
        Of any shape.

    Returns
    -------
    numpy.ndarray
        Of that shape, in [0, 1].

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return 0.5 * (1.0 + np.tanh(0.5 * log_odds))
