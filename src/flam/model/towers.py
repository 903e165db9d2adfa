"""What all models share: an audio tower, a text tower, and the space where frames, clips and texts meet.

Shapes: B clips, N samples, T frames, K texts, L tokens, C and E embedding sizes of the towers, D joint dimension.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from flam.core import ModelError, TimeGrid
from flam.hub.tokens import token_batches
from flam.model.convnet import ConvEncoder, ConvEncoderConfig
from flam.model.htsat import HTSAT, HTSATConfig
from flam.model.text import (
    LightTextConfig,
    LightTextEncoder,
    RobertaTextConfig,
    RobertaTextEncoder,
    TextTokens,
)


class AudioFeatures(NamedTuple):
    """``frame_features (B, T, D)`` and ``audio_features (B, D)``, both L2-normalised along D."""

    frame_features: Tensor
    audio_features: Tensor


class TextFeatures(NamedTuple):
    """``text_features (K, D)``, L2-normalised; per-text ``logit_scale (K,)`` > 0 and ``logit_bias (K,)`` (Eq. 2)."""

    text_features: Tensor
    logit_scale: Tensor
    logit_bias: Tensor


class TwoTowers(nn.Module):
    """A model up to where its towers end; how it goes on from there is what ``project_audio`` and the like say.

    Parameters
    ----------
    audio : HTSATConfig | ConvEncoderConfig
        sizes of the towers
    text : RobertaTextConfig | LightTextConfig
        sizes of the towers
    tokenizer : Tokenizer | None
        splits texts into the pieces that the text tower knows; only ``embed_text`` needs it
    per_word : bool, default False
        let the text tower tell of each word, (K, L, E), rather than of the text, (K, E)
    """

    config: Any

    def __init__(
        self,
        audio: HTSATConfig | ConvEncoderConfig,
        text: RobertaTextConfig | LightTextConfig,
        tokenizer: Tokenizer | None,
        per_word: bool = False,
    ):
        super().__init__()
        self.tokenizer = tokenizer
        self.audio_encoder = ConvEncoder(audio) if isinstance(audio, ConvEncoderConfig) else HTSAT(audio)
        self.text_encoder = (
            LightTextEncoder(text, per_word)
            if isinstance(text, LightTextConfig)
            else RobertaTextEncoder(text, per_word)
        )
        # temperature of the instance loss (Eq. 1), as its logarithm
        self.log_temperature_inverse = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def project_audio(self, frame_embedding: Tensor) -> AudioFeatures:
        """(B, T, C) frame embeddings of the audio tower into the joint space."""
        raise NotImplementedError

    def project_text(self, text_embedding: Tensor) -> TextFeatures:
        """What the text tower gives into the joint space, and what goes with it."""
        raise NotImplementedError

    def pool_audio(self, pieces: Iterable[Tensor]) -> Tensor:
        """(D,) feature of a whole recording, of which the (T, C) frame embeddings come one piece after another."""
        raise NotImplementedError

    @property
    def grid(self) -> TimeGrid:
        """The time axis of the frames."""
        return TimeGrid(self.audio_encoder.sample_rate, self.audio_encoder.frame_hop_samples)

    def embed_audio(self, waveform: Tensor) -> AudioFeatures:
        """Features of (B, N) waveforms at the model's sample rate, for every frame and for the whole."""
        return self.project_audio(self.audio_encoder(waveform))

    def embed_text(self, texts: Sequence[str]) -> TextFeatures:
        """Features, scale and bias of K texts, in their order; K may be 0 and as large as memory for (K, D) allows.

        Raises
        ------
        ModelError
            an empty text, a single string, or a model without a tokenizer
        """
        if self.tokenizer is None:
            raise ModelError("this model has no tokenizer; give it one, or load a checkpoint that holds one")
        if isinstance(texts, str):
            raise ModelError(f"prompts {texts!r} are one string; give a list of strings")
        encoder, device = self.text_encoder, self.log_temperature_inverse.device
        none = torch.zeros(0, device=device)
        described = [TextFeatures(none.view(0, self.config.joint_dim), none, none)]
        by_length: list[int] = []
        for rows, (ids, mask) in token_batches(self.tokenizer, texts, encoder.max_tokens, encoder.pad_id):
            tokens = TextTokens(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
            described.append(self.encode_tokens(tokens))
            by_length += rows
        place = torch.tensor(by_length, dtype=torch.long, device=device).argsort()
        return TextFeatures(*(torch.cat(values)[place] for values in zip(*described, strict=True)))

    def encode_tokens(self, tokens: TextTokens) -> TextFeatures:
        """Features, scale and bias of (K, L) tokens."""
        return self.project_text(self.text_encoder(tokens))
