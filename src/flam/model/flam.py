"""FLAM: an audio tower and a text tower that meet in one space, and a calibrated probability for every frame and text.

Wu et al., "FLAM: Frame-Wise Language-Audio Modeling", ICML 2025 (arXiv 2505.05335). Equation numbers are the paper's.
Shapes: B clips, N samples, T frames, K texts, L tokens, C and E embedding sizes of the towers, D joint dimension.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from flam.core import ModelError, ScoreMethod
from flam.model.htsat import HTSATConfig
from flam.model.text import RobertaTextConfig
from flam.model.towers import AudioConfig, AudioFeatures, TextConfig, TextFeatures, TwoTowers


@dataclass(frozen=True)
class FLAMConfig:
    """A whole model.

    Parameters
    ----------
    audio : AudioConfig, optional
        the towers
    text : TextConfig, optional
        the towers
    joint_dim : int, default 512
        D, size of the joint space
    hidden_dim : int, default 512
        width of the two projections between towers and joint space
    per_text_scale, per_text_bias : bool, default True
        False makes alpha or beta of Eq. 2 one number for all texts, the paper's ablations
    """

    audio: AudioConfig = field(default_factory=HTSATConfig)
    text: TextConfig = field(default_factory=RobertaTextConfig)
    joint_dim: int = 512
    hidden_dim: int = 512
    per_text_scale: bool = True
    per_text_bias: bool = True
    kind: Literal["flam"] = "flam"


class FLAM(TwoTowers):
    """Two towers, two projections, two heads.

    Parameters
    ----------
    config : FLAMConfig
        sizes of everything
    tokenizer : Tokenizer | None, optional
        splits texts into the pieces that the text tower knows; only ``embed_text`` needs it

    Examples
    --------
    >>> from flam.model.convnet import ConvEncoderConfig
    >>> from flam.model.text import LightTextConfig, TextTokens
    >>> model = FLAM(FLAMConfig(audio=ConvEncoderConfig(), text=LightTextConfig(vocab_size=10))).eval()
    >>> frames, clips = model.embed_audio(torch.randn(2, 38400))
    >>> texts = model.encode_tokens(TextTokens(torch.tensor([[1, 2], [3, 4]]), torch.ones(2, 2, dtype=torch.bool)))
    >>> score(frames, texts, "unbiased").shape
    torch.Size([2, 10, 2])
    """

    def __init__(self, config: FLAMConfig, tokenizer: Tokenizer | None = None):
        super().__init__(config.audio, config.text, tokenizer)
        self.config = config
        text_dim = self.text_encoder.embed_dim
        self.audio_projection = projection(self.audio_encoder.embed_dim, config.hidden_dim, config.joint_dim)
        self.text_projection = projection(text_dim, config.hidden_dim, config.joint_dim)
        self.logit_scale_head = scalar_head(text_dim, math.log(10), config.per_text_scale)
        self.logit_bias_head = scalar_head(text_dim, -8.0, config.per_text_bias)

    def project_audio(self, frame_embedding: Tensor) -> AudioFeatures:
        """(B, T, C) frame embeddings of the audio tower into the joint space.

        The global feature is the mean of the frame embeddings before the projection, then the same projection.
        """
        frame_features = functional.normalize(self.audio_projection(frame_embedding), dim=-1)
        audio_features = functional.normalize(self.audio_projection(frame_embedding.mean(dim=1)), dim=-1)
        return AudioFeatures(frame_features, audio_features)

    def pool_audio(self, pieces: Iterable[Tensor]) -> Tensor:
        """(D,) feature of a whole recording, of which the (T, C) frame embeddings come one piece after another."""
        n_frames, total = 0, torch.zeros((), dtype=torch.float64)
        for piece in pieces:
            n_frames += len(piece)
            total = total + piece.cpu().double().sum(dim=0)
        mean = (total / n_frames).to(self.log_temperature_inverse)
        return self.project_audio(mean[None, None]).audio_features[0]

    def project_text(self, text_embedding: Tensor) -> TextFeatures:
        """(K, E) text embeddings into the joint space, and through the heads: alpha(y) and beta(y) of Eq. 2."""
        return TextFeatures(
            functional.normalize(self.text_projection(text_embedding), dim=-1),
            self.logit_scale_head(text_embedding).squeeze(-1).exp(),
            self.logit_bias_head(text_embedding).squeeze(-1),
        )


def score(frame_features: Tensor, texts: TextFeatures, method: ScoreMethod) -> Tensor:
    """Probability that a text sounds in a frame.

    Parameters
    ----------
    frame_features : Tensor
        (B, T, D) float tensor, L2-normalised along D
    texts : TextFeatures
        features, scale and bias of K texts
    method : ScoreMethod
        "unbiased" (Eq. 7), free of the training prior: 0.5 where the cosine is 0; "approximate" (Eq. 8), without the
        bias; "posterior", sigmoid of Eq. 2's logit, the probability under the training prior

    Returns
    -------
    Tensor
        (B, T, K) float tensor in [0, 1]

    Raises
    ------
    ModelError
        an unknown method

    Examples
    --------
    >>> texts = TextFeatures(torch.eye(2), torch.tensor([10.0, 10.0]), torch.tensor([-8.0, -8.0]))
    >>> frames = torch.tensor([[[1.0, 0.0]]])  # like the first text, unlike the second
    >>> score(frames, texts, "unbiased").round(decimals=3)
    tensor([[[1.0000, 0.5000]]])
    """
    alpha_c = texts.logit_scale * (frame_features @ texts.text_features.T)  # of length 1: products are cosines
    if method == "unbiased":
        # Eq. 7, sigmoid(h) / (sigmoid(h) + sigmoid(beta)), as a logit: no quotient of two numbers near 0
        h = alpha_c + texts.logit_bias
        return torch.sigmoid(alpha_c - functional.softplus(h) + functional.softplus(texts.logit_bias))
    if method == "approximate":
        return torch.sigmoid(alpha_c)
    if method == "posterior":
        return torch.sigmoid(alpha_c + texts.logit_bias)
    raise ModelError(f"unknown score {method!r}; choose one of {', '.join(get_args(ScoreMethod))}")


def projection(n_in: int, n_hidden: int, n_out: int) -> nn.Sequential:
    """From a tower's embedding to the joint space."""
    return nn.Sequential(nn.Linear(n_in, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_out))


def scalar_head(n_in: int, initial: float, per_text: bool) -> nn.Module:
    """A module from (K, E) text embeddings to (K, 1), near ``initial`` at the start.

    Parameters
    ----------
    n_in : int
        E
    initial : float
        the value that the output starts around
    per_text : bool
        True for a small network of the embedding; False for one learnt number that all texts share

    Examples
    --------
    >>> scalar_head(8, initial=-8.0, per_text=False)(torch.zeros(2, 8)).tolist()
    [[-8.0], [-8.0]]
    """
    if not per_text:
        return SharedScalar(initial)
    hidden, last = nn.Linear(n_in, n_in), nn.Linear(n_in, 1)
    with torch.no_grad():
        last.bias.add_(initial)
    return nn.Sequential(hidden, nn.GELU(), last)


class SharedScalar(nn.Module):
    """One learnt number, whatever the text."""

    def __init__(self, initial: float):
        super().__init__()
        self.value = nn.Parameter(torch.tensor([initial]))

    def forward(self, text_embedding: Tensor) -> Tensor:
        """(K, E) -> (K, 1)"""
        return self.value + torch.zeros_like(text_embedding[:, :1])  # not len(): a graph is for any K
