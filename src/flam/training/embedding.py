"""One forward pass of a training step: clips and texts in, features out.

That is what DistributedDataParallel and FSDP want to see, and what gradient accumulation repeats piece by piece.
Shapes: B clips, N samples, T frames, K texts, D joint dimension.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from flam.core import ConfigError
from flam.model.text import TextTokens, tokenize
from flam.model.towers import TwoTowers


class Inputs(NamedTuple):
    """Clips ``waveform (B, N)`` and K ``texts``; they need not belong together."""

    waveform: Tensor
    texts: Sequence[str]


class Features(NamedTuple):
    """What the losses need of ``Inputs``, every learnt number among it.

    ``frame_features (B, T, D)``, ``audio_features (B, D)``, ``text_features (K, D)``, ``logit_scale (K,)``,
    ``logit_bias (K,)``, ``log_temperature_inverse ()``; scale and bias of SigLIP's loss, both ``()``, where it is used.
    """

    frame_features: Tensor
    audio_features: Tensor
    text_features: Tensor
    logit_scale: Tensor
    logit_bias: Tensor
    log_temperature_inverse: Tensor
    sigmoid_log_scale: Tensor | None = None
    sigmoid_bias: Tensor | None = None


class Embedder(nn.Module):
    """A model with its two towers in one forward pass, the towers in bfloat16 where asked.

    Parameters
    ----------
    model : TwoTowers
        What is trained.
    bf16 : bool
        Run the towers under bfloat16 autocast; weights, projections and heads stay float32.
    frozen_norms : bool
        Batch norms use and keep their running statistics instead of the batch's own.
    with_sigmoid : bool
        Learn scale and bias of SigLIP's loss, from 10 and -10 on.

    Raises
    ------
    ConfigError
        The model has no tokenizer.
    """

    def __init__(self, model: TwoTowers, bf16: bool = False, frozen_norms: bool = False, with_sigmoid: bool = False):
        super().__init__()
        if model.tokenizer is None:
            raise ConfigError("the model has no tokenizer; name one in start.tokenizer, or start from a checkpoint")
        self.model = model
        self._bf16 = bf16
        self._frozen_norms = frozen_norms
        self.sigmoid_log_scale = nn.Parameter(torch.tensor(math.log(10.0))) if with_sigmoid else None
        self.sigmoid_bias = nn.Parameter(torch.tensor(-10.0)) if with_sigmoid else None

    def train(self, mode: bool = True) -> Embedder:
        """Switch dropout and the like on or off; frozen batch norms stay in evaluation mode."""
        super().train(mode)
        for module in self.modules() if self._frozen_norms else ():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def forward(self, inputs: Inputs) -> Features:
        """Embed all clips and all texts."""
        model, encoder = self.model, self.model.text_encoder
        device = model.log_temperature_inverse.device
        ids, mask = tokenize(model.tokenizer, inputs.texts, encoder.max_tokens, encoder.pad_id)  # type: ignore[arg-type]
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bf16):
            frames = model.audio_encoder(inputs.waveform.to(device))
            texts = encoder(TextTokens(ids.to(device), mask.to(device)))
        audio = model.project_audio(frames.float())
        # times 1: outputs of their own, so that their gradients arrive as those of all others do
        temperature = model.log_temperature_inverse * 1.0
        sigmoid = (None if value is None else value * 1.0 for value in (self.sigmoid_log_scale, self.sigmoid_bias))
        return Features(*audio, *model.project_text(texts.float()), temperature, *sigmoid)


def cut(inputs: Inputs, n_pieces: int) -> list[Inputs]:
    """Cut inputs into ``n_pieces`` as equal in size as can be.

    Examples
    --------
    >>> [(len(piece.waveform), piece.texts) for piece in cut(Inputs(torch.zeros(3, 1), ["a", "b"]), 2)]
    [(2, ['a']), (1, ['b'])]
    """
    waveforms = inputs.waveform.tensor_split(n_pieces)
    rows = torch.arange(len(inputs.texts)).tensor_split(n_pieces)
    return [
        Inputs(waveform, [inputs.texts[i] for i in chosen]) for waveform, chosen in zip(waveforms, rows, strict=True)
    ]
