"""How many answers a threshold needs, and which ones: synthetic prompts, reviewed in several ways.

    python benchmarks/review_simulation.py

Each of 110 synthetic prompts has 1,500 candidates: log odds of right ones and of wrong ones from two skewed
distributions, with a share of right ones between 2 and 50 %. The logistic is therefore never exactly true. Every
prompt is reviewed with 10, 20 and 30 answers from the truth, the prior coming from the full fits of the other prompts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from flam.review.candidates import Pool
from flam.review.logistic import Prior, fit_logistic
from flam.review.session import BIN_EDGES, bin_of, next_question
from flam.review.thresholds import Target, choose_threshold

N_PROMPTS, N_CANDIDATES = 110, 1500
NO_PRIOR = Prior(0.0, 10.0, 1.0, 10.0)
ASKED, TOO_LOW = 0.9, 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    prompts = [synthetic_prompt(np.random.default_rng((arguments.seed, number))) for number in range(N_PROMPTS)]
    fits = [fit_logistic(pool.x, truth, NO_PRIOR) for pool, truth in prompts]
    numbers = np.array([(fit.intercept, fit.slope) for fit in fits])
    priors = [prior_of(np.delete(numbers, place, axis=0)) for place in range(N_PROMPTS)]
    print(f"prior from all: {prior_of(numbers)}")
    print(f"best F1 of any threshold {np.mean([best_f1(pool, truth) for pool, truth in prompts]):.3f}")
    fixed = np.median([pool.score_of(best_x(pool, truth)) for pool, truth in prompts])
    with_fixed = np.mean([f1(pool.scores >= fixed, truth) for pool, truth in prompts])
    print(f"one threshold for all, {fixed:.3f}: {with_fixed:.3f}")
    print("| reviewed | 10, no prior | 10, prior | 20, prior | 30, prior |")
    print("|---|---|---|---|---|")
    for name, choose in STRATEGIES.items():
        cells = []
        for n_answers, has_prior in ((10, False), (10, True), (20, True), (30, True)):
            results = [
                judged(pool, truth, choose, n_answers, priors[place] if has_prior else NO_PRIOR, place)
                for place, (pool, truth) in enumerate(prompts)
            ]
            scores, middle, cautious = np.array(results).T
            cells.append(f"{scores.mean():.3f} / {np.mean(middle < TOO_LOW):.2f} ({np.mean(cautious < TOO_LOW):.2f})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print("F1 / share of prompts below .80 precision when .90 was asked (in brackets: at the 20 % quantile)")


def synthetic_prompt(rng: np.random.Generator) -> tuple[Pool, np.ndarray]:
    """(pool, (N,) bool truth) of a prompt whose scores are skewed."""
    truth = rng.random(N_CANDIDATES) < np.exp(rng.uniform(np.log(0.02), np.log(0.5)))
    skew_right, skew_wrong = rng.uniform(0.3, 1.0, 2)
    right = rng.uniform(3.0, 7.0) + rng.uniform(0.7, 1.6) * rng.normal(size=N_CANDIDATES)
    right -= skew_right * rng.exponential(size=N_CANDIDATES)
    wrong = rng.normal(size=N_CANDIDATES) + skew_wrong * rng.exponential(size=N_CANDIDATES)
    log_odds = rng.normal(0, 1.5) + np.where(truth, right, wrong)
    return Pool(1 / (1 + np.exp(-log_odds))), truth


def prior_of(numbers: np.ndarray) -> Prior:
    """Median and 1.5 times the median absolute deviation of (P, 2) intercepts and slopes."""
    middle = np.median(numbers, axis=0)
    spread = 1.5 * np.median(np.abs(numbers - middle), axis=0)
    return Prior(float(middle[0]), float(spread[0]), float(middle[1]), float(spread[1]))


def judged(
    pool: Pool, truth: np.ndarray, choose: Callable, n_answers: int, prior: Prior, seed: int
) -> tuple[float, float, float]:
    """F1 of the threshold for F1; precision got when .9 is asked at the middle, and at the 20 % quantile."""
    asked = choose(pool, truth, n_answers, prior, seed)
    fit = fit_logistic(pool.x[asked], truth[asked], prior)
    threshold = choose_threshold(fit, pool, Target("f1")).score
    precisions = []
    for quantile in (0.5, 0.2):
        chosen = choose_threshold(fit, pool, Target("precision", ASKED, quantile))
        precisions.append(float(truth[pool.scores >= chosen.score].mean()) if chosen.is_reached else 1.0)
    return f1(pool.scores >= threshold, truth), precisions[0], precisions[1]


def top(pool: Pool, truth: np.ndarray, n_answers: int, prior: Prior, seed: int) -> list[int]:
    return np.argsort(-pool.x)[:n_answers].tolist()


def by_chance(pool: Pool, truth: np.ndarray, n_answers: int, prior: Prior, seed: int) -> list[int]:
    return np.random.default_rng(seed).choice(len(pool.x), n_answers, replace=False).tolist()


def strata(pool: Pool, truth: np.ndarray, n_answers: int, prior: Prior, seed: int) -> list[int]:
    rng, bins = np.random.default_rng(seed), bin_of(pool.x, BIN_EDGES)
    per_bin = n_answers // (len(BIN_EDGES) - 1)
    drawn = [rng.choice(np.flatnonzero(bins == number), per_bin, replace=False) for number in range(len(BIN_EDGES) - 1)]
    return np.concatenate(drawn).tolist()


def protocol(pool: Pool, truth: np.ndarray, n_answers: int, prior: Prior, seed: int) -> list[int]:
    asked: list[int] = []
    while len(asked) < n_answers:
        fit = fit_logistic(pool.x[asked], truth[asked], prior)
        threshold = (
            choose_threshold(fit, pool, Target(quantile=0.5)).score if len(asked) >= 2 * (len(BIN_EDGES) - 1) else 0.5
        )
        place = next_question(pool, asked, len(asked), threshold, seed)
        assert place is not None
        asked.append(place)
    return asked


STRATEGIES: dict[str, Callable] = {
    "top n": top,
    "random": by_chance,
    "5 score strata": strata,
    "strata, then nearest to the threshold": protocol,
}


def f1(found: np.ndarray, truth: np.ndarray) -> float:
    """F1 of (N,) bool candidates found."""
    return 2 * float((found & truth).sum()) / max(1, found.sum() + truth.sum())


def best_x(pool: Pool, truth: np.ndarray) -> float:
    """The standardised score whose threshold has the best F1."""
    order = np.argsort(-pool.x)
    right = np.cumsum(truth[order])
    return float(pool.x[order][np.argmax(2 * right / (np.arange(1, len(order) + 1) + truth.sum()))])


def best_f1(pool: Pool, truth: np.ndarray) -> float:
    """F1 of the best threshold."""
    return f1(pool.x >= best_x(pool, truth), truth)


if __name__ == "__main__":
    main()
