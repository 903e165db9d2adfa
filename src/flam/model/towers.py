"""Two towers: an audio encoder, a text encoder, and the space where frames, clips and texts meet.

Shapes: B clips, N samples, T frames, K texts, L tokens, C and E embedding sizes of the towers, D joint dimension.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

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


class AudioEncoder(Protocol):
    """What embeds (B, N) waveforms as (B, T, C) frames.

    Attributes
    ----------
    embed_dim : int
        C, size of a frame embedding
    sample_rate : int
        Hz that waveforms must have
    frame_hop_samples : int
        length of a frame
    window_samples : int
        length of a window at inference
    variable_length : bool
        whether other lengths than ``window_samples`` are taken
    """

    embed_dim: int
    sample_rate: int
    frame_hop_samples: int
    window_samples: int
    variable_length: bool

    def __call__(self, waveform: Tensor) -> Tensor:
        """(B, N) waveform to (B, T, C) frame embeddings."""


class TextEncoder(Protocol):
    """What embeds (K, L) tokens as (K, E) texts, or as (K, L, E) words.

    Attributes
    ----------
    embed_dim : int
        E, size of a text embedding
    max_tokens : int
        longest text
    pad_id : int
        token id that fills the rows of shorter texts
    """

    embed_dim: int
    max_tokens: int
    pad_id: int

    def __call__(self, tokens: TextTokens) -> Tensor:
        """(K, L) tokens to (K, E) text embeddings."""


# A new encoder is a module as ``AudioEncoder`` or ``TextEncoder`` describe it, and a frozen dataclass of its sizes with
# a ``kind`` of its own: a line here lets every model, recipe and checkpoint name it.
AudioConfig = HTSATConfig | ConvEncoderConfig
TextConfig = RobertaTextConfig | LightTextConfig
AUDIO_ENCODERS: dict[type, Callable[[Any], Any]] = {HTSATConfig: HTSAT, ConvEncoderConfig: ConvEncoder}
TEXT_ENCODERS: dict[type, Callable[[Any, bool], Any]] = {
    RobertaTextConfig: RobertaTextEncoder,
    LightTextConfig: LightTextEncoder,
}


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
    audio : AudioConfig
        sizes of the audio tower, of a type that ``AUDIO_ENCODERS`` knows
    text : TextConfig
        sizes of the text tower, of a type that ``TEXT_ENCODERS`` knows
    tokenizer : Tokenizer | None
        splits texts into the pieces that the text tower knows; only ``embed_text`` needs it
    per_word : bool, default False
        let the text tower tell of each word, (K, L, E), rather than of the text, (K, E)
    """

    config: Any

    def __init__(
        self,
        audio: AudioConfig,
        text: TextConfig,
        tokenizer: Tokenizer | None,
        per_word: bool = False,
    ):
        super().__init__()
        self.tokenizer = tokenizer
        self.audio_encoder = AUDIO_ENCODERS[type(audio)](audio)
        self.text_encoder = TEXT_ENCODERS[type(text)](text, per_word)
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
