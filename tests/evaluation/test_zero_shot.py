"""Zero-shot accuracy equals scikit-learn's; templates are filled and averaged."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from flam.evaluation.zero_shot import TEMPLATES, average_templates, fill_templates, zero_shot


def test_equals_scikit_learn():
    rng = np.random.default_rng(0)
    labels = ["rain", "dog", "clock", "crow"]
    answers = [labels[k] for k in rng.integers(0, 3, 60)]  # no crow
    similarities = rng.random((60, 4)) + 0.5 * np.array([[answer == label for label in labels] for answer in answers])
    own, named = zero_shot(similarities, answers, labels), [labels[k] for k in similarities.argmax(axis=1)]
    assert own.accuracy == accuracy_score(answers, named)
    np.testing.assert_array_equal(own.confusion, confusion_matrix(answers, named, labels=labels))
    recalls = recall_score(answers, named, labels=labels, average=None, zero_division=np.nan)
    np.testing.assert_allclose(list(own.per_label.values()), recalls)
    assert np.isnan(own.per_label["crow"])


def test_templates_become_one_direction_per_label():
    texts = fill_templates(["air_conditioner", "siren"])
    assert len(texts) == 2 * len(TEMPLATES)
    assert texts[1] == "the sound of air conditioner"
    features = np.random.default_rng(0).normal(size=(len(texts), 5))
    averaged = average_templates(features, len(TEMPLATES))
    assert averaged.shape == (2, 5)
    np.testing.assert_allclose(np.linalg.norm(averaged, axis=1), 1)
    np.testing.assert_allclose(np.cross(averaged[1, :3], features[len(TEMPLATES) :].mean(axis=0)[:3]), 0, atol=1e-12)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"answers that are no label: \['cat'\]"):
        zero_shot(np.zeros((1, 1)), ["cat"], ["dog"])
    with pytest.raises(ValueError, match=r"labels given twice: \['dog'\]"):
        zero_shot(np.zeros((1, 2)), ["dog"], ["dog", "dog"])
    with pytest.raises(ValueError, match="for 0 clips"):
        zero_shot(np.zeros((0, 1)), [], ["dog"])
    with pytest.raises(ValueError, match="not finite"):
        zero_shot(np.full((1, 1), np.nan), ["dog"], ["dog"])
    with pytest.raises(ValueError, match=r"templates \['a sound'\] need one"):
        fill_templates(["dog"], ("a sound",))
    with pytest.raises(ValueError, match="3 text features for 2 templates"):
        average_templates(np.ones((3, 2)), 2)
