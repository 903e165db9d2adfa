"""Retrieval against sorting every list of answers, and cases known by hand."""

import numpy as np
import pytest

from flam.evaluation.clips import TEMPLATES, average_templates, fill_templates, retrieval, zero_shot


@pytest.mark.parametrize("seed", range(4))
def test_equals_sorting_answers(seed):
    rng = np.random.default_rng(seed)
    clip_of_caption = rng.permutation(np.repeat(np.arange(30), rng.integers(1, 14, 30)))
    is_right = clip_of_caption == np.arange(30)[:, None]
    similarities = np.round(rng.random(is_right.shape) + 0.4 * is_right, 6 if seed % 2 else 1)
    own = retrieval(similarities, clip_of_caption)
    for found, table, right in (
        (own.audio_to_text, similarities, is_right),
        (own.text_to_audio, similarities.T, is_right.T),
    ):
        first, precisions = [], []
        for row, wanted in zip(table, right, strict=True):
            order = sorted(range(len(row)), key=lambda answer, row=row, wanted=wanted: (-row[answer], wanted[answer]))
            hits = [wanted[answer] for answer in order]
            first.append(hits.index(True) + 1)
            among_ten = [sum(hits[: n + 1]) / (n + 1) for n in range(min(10, len(hits))) if hits[n]]
            precisions.append(sum(among_ten) / min(10, sum(hits)))
        for k in (1, 5, 10):
            assert found.recall_at_k[k] == np.mean(np.array(first) <= k)
        assert found.map_at_10 == pytest.approx(np.mean(precisions), abs=1e-12)
        assert found.median_rank == np.median(first)
        assert found.n_queries == len(first)


def test_a_model_that_says_the_same_of_all_finds_nothing():
    same = retrieval(np.zeros((20, 40)), np.repeat(np.arange(20), 2))
    assert same.text_to_audio.recall_at_k == {1: 0.0, 5: 0.0, 10: 0.0}
    assert (same.text_to_audio.median_rank, same.audio_to_text.median_rank) == (20, 39)
    assert same.audio_to_text.map_at_10 == 0


def test_bad_retrieval_input_is_named():
    with pytest.raises(ValueError, match="1 similarities are not finite"):
        retrieval(np.array([[0.5, np.nan]]), np.array([0, 0]))
    with pytest.raises(ValueError, match=r"clips without a caption \[1\], captions of clips that are not there \[2\]"):
        retrieval(np.zeros((2, 2)), np.array([0, 2]))
    with pytest.raises(ValueError, match="2 columns of similarities for clips of 1 captions"):
        retrieval(np.zeros((1, 2)), np.array([0]))


def test_equals_scikit_learn():
    from sklearn.metrics import accuracy_score, confusion_matrix, recall_score  # slow to import

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


def test_bad_class_input_is_named():
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
