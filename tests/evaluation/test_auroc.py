"""AUROC equals scikit-learn's, ties and all."""

import numpy as np
import pytest

from flam.evaluation.auroc import auroc, frame_auroc, macro_auroc


@pytest.fixture(scope="session")
def roc_auc_score():
    """scikit-learn's, imported where a test compares with it."""
    from sklearn.metrics import roc_auc_score

    return roc_auc_score


@pytest.mark.parametrize("seed", range(5))
def test_equals_scikit_learn_with_ties(roc_auc_score, seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, 20, 300) / 20, rng.random(300) < 0.2
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_macro_leaves_out_prompts_without_positives():
    scores = np.array([[0.1, 0.2], [0.8, 0.9]])
    assert macro_auroc(scores, np.array([[False, False], [True, False]])) == 1.0
    assert np.isnan(macro_auroc(scores, np.zeros((2, 2), dtype=bool)))


@pytest.mark.parametrize("n_levels", [None, 5])
def test_equals_scikit_learn(random_table, roc_auc_score, n_levels):
    table = random_table(0, n_levels=n_levels, n_recordings=20)
    labels, own = table.frame_labels, frame_auroc(table, n_draws=0)
    areas = {prompt: roc_auc_score(labels[:, k], table.scores[:, k]) for k, prompt in enumerate(table.prompts)}
    assert {prompt: area.value for prompt, area in own.per_prompt.items()} == pytest.approx(areas, abs=1e-12)
    assert own.macro.value == pytest.approx(np.mean(list(areas.values())), abs=1e-12)
    assert own.micro.value == pytest.approx(roc_auc_score(labels.ravel(), table.scores.ravel()), abs=1e-12)
    assert np.isnan(own.macro.low)


def test_intervals_equal_drawing_recordings_one_by_one(random_table, roc_auc_score):
    table = random_table(1, n_recordings=6, n_frames=20, n_prompts=3)
    rng = np.random.default_rng(5)
    draws = rng.multinomial(6, np.full(6, 1 / 6), 20)
    macro, micro = [], []
    for draw in draws:
        rows = np.concatenate(
            [np.arange(*table.first_row[r : r + 2]) for r, times in enumerate(draw) for _ in range(times)]
        )
        labels, scores = table.frame_labels[rows], table.scores[rows]
        both = [k for k in range(3) if 0 < labels[:, k].sum() < len(rows)]
        macro.append(np.mean([roc_auc_score(labels[:, k], scores[:, k]) for k in both]))
        micro.append(roc_auc_score(labels.ravel(), scores.ravel()))
    own = frame_auroc(table, n_draws=20, share=0.9, seed=5)
    assert (own.macro.low, own.macro.high) == pytest.approx(tuple(np.quantile(macro, [0.05, 0.95])), abs=1e-12)
    assert (own.micro.low, own.micro.high) == pytest.approx(tuple(np.quantile(micro, [0.05, 0.95])), abs=1e-12)
    assert own.macro.low < own.macro.value < own.macro.high


def test_prompts_without_both_kinds_are_left_out_and_named(small_table):
    table = small_table({"x": {"a": [0.9, 0.1], "b": [0.5, 0.2]}}, {"x": [(0.0, 0.1, "a")]})
    own = frame_auroc(table, n_draws=3)
    assert (own.macro.value, own.left_out) == (1.0, ("b",))
    assert np.isnan(own.per_prompt["b"].value)
    assert np.isnan(frame_auroc(small_table({"x": {"a": [0.9, 0.1]}}, {}), n_draws=2).macro.value)
