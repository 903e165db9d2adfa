"""AUROC equals scikit-learn's, ties and all."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from flam.evaluation.auroc import auroc, macro_auroc


@pytest.mark.parametrize("seed", range(5))
def test_equals_scikit_learn_with_ties(seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, 20, 300) / 20, rng.random(300) < 0.2
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_macro_leaves_out_prompts_without_positives():
    scores = np.array([[0.1, 0.2], [0.8, 0.9]])
    assert macro_auroc(scores, np.array([[False, False], [True, False]])) == 1.0
    assert np.isnan(macro_auroc(scores, np.zeros((2, 2), dtype=bool)))
