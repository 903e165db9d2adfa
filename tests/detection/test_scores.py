"""Scores in numpy are those in torch, at extremes too, and for vectors of any length."""

import numpy as np
import pytest
import torch

from flam.audio.logmel import log_mel
from flam.core import ModelError
from flam.detection.backends.base import TextFeatures
from flam.detection.scores import score
from flam.model import flam as torch_flam
from flam.model.logmel import LogMel


@pytest.mark.parametrize("method", ["posterior", "unbiased", "approximate"])
def test_scores_equal_torch(method):
    random = np.random.default_rng(0)
    frames = (3 * random.standard_normal((50, 8))).astype(np.float32)
    texts = TextFeatures(
        random.standard_normal((20, 8)).astype(np.float32),
        random.uniform(0.1, 60, 20).astype(np.float32),
        random.uniform(-40, 5, 20).astype(np.float32),
    )
    own = torch_flam.TextFeatures(*map(torch.from_numpy, texts))
    expected = torch_flam.score(torch.from_numpy(frames)[None], own, method)[0].numpy()
    found = score(frames, texts, method)
    assert found.dtype == np.float32
    assert found.min() < 1e-6
    assert found.max() > 1 - 1e-6
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_unknown_score_is_refused():
    texts = TextFeatures(np.ones((1, 2), np.float32), np.ones(1, np.float32), np.ones(1, np.float32))
    with pytest.raises(ModelError, match="unknown score 'logit'"):
        score(np.ones((1, 2), np.float32), texts, "logit")


@pytest.mark.parametrize("n_samples", [0, 1, 512, 513, 480, 48_000, 50_001])
def test_log_mel_equals_torch(n_samples):
    waveforms = (0.1 * np.random.default_rng(n_samples).standard_normal((2, n_samples))).astype(np.float32)
    expected = LogMel()(torch.from_numpy(waveforms)).numpy()
    found = log_mel(waveforms)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-3)  # of dB
