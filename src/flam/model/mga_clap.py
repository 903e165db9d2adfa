"""MGA-CLAP, a baseline: clips and texts that belong together are sums of the same codewords; no frame is labelled.

Li et al., "Advancing Multi-grained Alignment for Contrastive Language-Audio Pre-training", ACM Multimedia 2024 (arXiv
2408.07919). Its other two parts are ``HTSATConfig.locality_aware`` and the ``hardness`` of ``losses.infonce_loss``.
Shapes: B clips, T frames, K texts, L words, C and E embedding sizes of the towers, D joint dimension, M codewords.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from flam.model.htsat import HTSATConfig
from flam.model.text import RobertaTextConfig
from flam.model.towers import AudioConfig, AudioFeatures, TextConfig, TextFeatures, TwoTowers

# The model has no scale and bias of a text: its frames are ranked by the cosine alone, which these turn into a score.
LOGIT_SCALE, LOGIT_BIAS = 10.0, 0.0


@dataclass(frozen=True)
class MGACLAPConfig:
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
    n_codewords : int, default 4096
        M, codewords that clips and texts are made of
    temperature : float, default 1.0
        T of the affinities; the higher, the more codewords take part
    """

    audio: AudioConfig = field(default_factory=lambda: HTSATConfig(locality_aware=True))
    text: TextConfig = field(default_factory=RobertaTextConfig)
    joint_dim: int = 512
    hidden_dim: int = 512
    n_codewords: int = 4096
    temperature: float = 1.0
    kind: Literal["mga_clap"] = "mga_clap"

    def __post_init__(self) -> None:
        if self.n_codewords < 1 or self.temperature <= 0:
            raise ValueError(f"n_codewords {self.n_codewords} and temperature {self.temperature} must be positive")


class MGACLAP(TwoTowers):
    """Two towers, two projections, one codebook; takes the place of ``FLAM`` in detection and evaluation.

    Parameters
    ----------
    config : MGACLAPConfig
        sizes of everything
    tokenizer : Tokenizer | None, optional
        splits texts into the pieces that the text tower knows; only ``embed_text`` needs it

    Examples
    --------
    >>> from flam.model.convnet import ConvEncoderConfig
    >>> from flam.model.text import LightTextConfig, TextTokens
    >>> config = MGACLAPConfig(audio=ConvEncoderConfig(), text=LightTextConfig(vocab_size=10), n_codewords=8)
    >>> model = MGACLAP(config).eval()
    >>> frames, clips = model.embed_audio(torch.randn(2, 38400))
    >>> texts = model.encode_tokens(TextTokens(torch.tensor([[1, 2], [3, 4]]), torch.ones(2, 2, dtype=torch.bool)))
    >>> frames.shape, clips.shape, texts.text_features.shape
    (torch.Size([2, 10, 512]), torch.Size([2, 512]), torch.Size([2, 512]))
    """

    def __init__(self, config: MGACLAPConfig, tokenizer: Tokenizer | None = None):
        super().__init__(config.audio, config.text, tokenizer, per_word=True)
        self.config = config
        self.audio_projection = _projection(self.audio_encoder.embed_dim, config.hidden_dim, config.joint_dim)
        self.text_projection = _projection(self.text_encoder.embed_dim, config.hidden_dim, config.joint_dim)
        self.codewords = nn.Parameter(torch.empty(config.n_codewords, config.joint_dim))
        # codewords of unit size would leave sparsemax with a single one, and training without a gradient
        nn.init.normal_(self.codewords, std=0.02)

    def project_audio(self, frame_embedding: Tensor) -> AudioFeatures:
        """(B, T, C) frame embeddings into the joint space: each frame as it is, the clip by its codewords."""
        frames = self.audio_projection(frame_embedding)
        return AudioFeatures(functional.normalize(frames, dim=-1), self._sum_of_codewords(self._affinity(frames)))

    def project_text(self, text_embedding: Tensor) -> TextFeatures:
        """(K, L, E) word embeddings into the joint space: each text by its codewords."""
        features = self._sum_of_codewords(self._affinity(self.text_projection(text_embedding)))
        scale = features.new_full((len(features),), LOGIT_SCALE)
        return TextFeatures(features, scale, torch.full_like(scale, LOGIT_BIAS))

    def pool_audio(self, pieces: Iterable[Tensor]) -> Tensor:
        """(D,) feature of a whole recording, of which the (T, C) frame embeddings come one piece after another."""
        affinity = self.codewords.new_full((1, len(self.codewords)), float("-inf"))
        for piece in pieces:
            if len(piece):
                affinity = torch.maximum(affinity, self._affinity(self.audio_projection(piece[None])))
        return self._sum_of_codewords(affinity)[0]

    def _affinity(self, parts: Tensor) -> Tensor:
        """(B, T, D) frames or words to (B, M), of each codeword with the frame or word that is most like it."""
        config = self.config
        return (parts @ self.codewords.T).amax(dim=1) / (config.joint_dim**0.5 * config.temperature)

    def _sum_of_codewords(self, affinity: Tensor) -> Tensor:
        """(B, M) affinities to (B, D) features, L2-normalised."""
        return functional.normalize(sparsemax(affinity) @ self.codewords, dim=-1)


def _projection(n_in: int, n_hidden: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(n_in), nn.Linear(n_in, n_hidden), nn.GELU(), nn.LayerNorm(n_hidden), nn.Linear(n_hidden, n_out)
    )


def sparsemax(scores: Tensor, dim: int = -1) -> Tensor:
    """The point of the probability simplex nearest to the scores: ``max(score - threshold, 0)``, which sums to 1.

    ``MGACLAP`` weights the codewords of its codebook with it.

    Parameters
    ----------
    scores : Tensor
        float tensor of any shape
    dim : int, default -1
        the dimension along which the weights sum to 1

    Returns
    -------
    Tensor
        tensor like ``scores``

    Examples
    --------
    >>> sparsemax(torch.tensor([2.0, 1.5, 0.0]))
    tensor([0.7500, 0.2500, 0.0000])
    """
    scores = scores.transpose(dim, -1)
    scores = scores - scores.detach().amax(dim=-1, keepdim=True)  # changes nothing but the rounding of large scores
    ordered = scores.sort(dim=-1, descending=True).values
    # with the n highest scores in the support the threshold is (their sum - 1) / n, and each of them lies above it
    rank = torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)
    thresholds = (ordered.cumsum(dim=-1) - 1.0) / rank
    support = (ordered > thresholds).sum(dim=-1, keepdim=True)
    return (scores - thresholds.gather(-1, support - 1)).clamp(min=0.0).transpose(dim, -1)
