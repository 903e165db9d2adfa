"""Small models with random weights, and one that hears nothing but level: no weights are read, no network is used."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from torch.nn import functional

from flam.core import TimeGrid
from flam.model.convnet import ConvEncoderConfig
from flam.model.flam import FLAM, AudioFeatures, FLAMConfig, TextFeatures
from flam.model.htsat import HTSATConfig
from flam.model.text import LightTextConfig

WORDS = ["?", "a", "dog", "barking", "siren", "rain", "glass", "breaking", "speech", "wind"]


def tiny_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def random_flam(audio: ConvEncoderConfig | HTSATConfig) -> FLAM:
    """Random weights under which frames and texts differ, and scores are neither all 0 nor all 1."""
    torch.manual_seed(0)
    text = LightTextConfig(vocab_size=len(WORDS), embed_dim=16, n_blocks=1, mlp_dim=16)
    model = FLAM(FLAMConfig(audio=audio, text=text, joint_dim=16, hidden_dim=32), tiny_tokenizer())
    with torch.no_grad():
        model.logit_bias_head[2].bias.fill_(-1.0)
        model.audio_encoder.bn0.running_mean.fill_(-30.0)
        model.audio_encoder.bn0.running_var.fill_(100.0)
    return model.eval()


@pytest.fixture(scope="session")
def conv_model() -> FLAM:
    """Variable length, windows of 25 frames."""
    return random_flam(
        ConvEncoderConfig(
            stem_width=4,
            widths=(4, 6, 8),
            strides=((2, 2), (2, 2), (1, 2)),
            embed_dim=24,
            n_context_blocks=1,
            window_s=2.0,
        )
    )


@pytest.fixture(scope="session")
def folded_model() -> FLAM:
    """Fixed length: 10 s, 32 frames."""
    return random_flam(HTSATConfig(embed_dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 1, 1)))


class LevelEncoder(nn.Module):
    """An embedding that says how loud a frame is: 1,000 samples a second, frames of 0.1 s, windows of 10 s."""

    sample_rate, frame_hop_samples, window_samples, variable_length, embed_dim = 1_000, 100, 10_000, True, 256

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        level = waveform.unflatten(1, (-1, self.frame_hop_samples)).square().mean(dim=2)
        is_loud = (level > 0.01).float()[..., None]
        return torch.cat([is_loud, 1 - is_loud, torch.zeros(*level.shape, self.embed_dim - 2)], dim=-1)


class LevelFLAM(FLAM):
    """Says "loud" with a probability of 0.99 in a loud frame and 0.01 in another; any other text the reverse."""

    def __init__(self):
        nn.Module.__init__(self)
        self.audio_encoder = LevelEncoder()
        self.log_temperature_inverse = nn.Parameter(torch.zeros(()))
        self.config = SimpleNamespace(joint_dim=LevelEncoder.embed_dim)

    @property
    def grid(self) -> TimeGrid:
        return TimeGrid(LevelEncoder.sample_rate, LevelEncoder.frame_hop_samples)

    def project_audio(self, frame_embedding: torch.Tensor) -> AudioFeatures:
        return AudioFeatures(
            functional.normalize(frame_embedding, dim=-1), functional.normalize(frame_embedding.mean(dim=1), dim=-1)
        )

    def embed_text(self, texts) -> TextFeatures:
        features = torch.zeros(len(texts), LevelEncoder.embed_dim)
        for row, text in enumerate(texts):
            features[row, 0 if text == "loud" else 1] = 1.0
        return TextFeatures(features, torch.full((len(texts),), 9.2), torch.full((len(texts),), -4.6))


@pytest.fixture
def level_model() -> FLAM:
    return LevelFLAM().eval()


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    """Noise whose level rises and falls, so that no two frames are alike."""
    random = np.random.default_rng(seed)
    level_db = 20 * np.sin(np.arange(n_samples) / 9_000.0)
    return (0.02 * 10 ** (level_db / 20) * random.standard_normal(n_samples)).astype(np.float32)


@pytest.fixture(scope="session")
def make_noise():
    return noise
