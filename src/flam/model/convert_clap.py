"""CLAP checkpoints of Hugging Face's ``ClapModel``: FLAM-Global without any training for frames.

Wu et al., "Large-scale Contrastive Language-Audio Pretraining with Feature Fusion and Keyword-to-Caption Augmentation",
ICASSP 2023 (arXiv 2211.06687). CLAP has no heads for a text's scale and bias: every text gets the values that FLAM's
heads start from, alpha = 10 and beta = -8.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flam.core import ModelError
from flam.model.flam import FLAM
from flam.model.from_weights import flam_from_weights

LOGIT_SCALE, LOGIT_BIAS = 10.0, -8.0
# part of a name in ClapModel, part of ours; in this order
NAMES = {
    "audio_model.audio_encoder.": "audio_encoder.",
    "text_model.": "text_encoder.roberta.",
    "projection.linear1.": "projection.0.",
    "projection.linear2.": "projection.2.",
    "logit_scale_a": "log_temperature_inverse",
}
AUDIO_NAMES = {
    "batch_norm.": "bn0.",
    "layernorm_before.": "norm1.",
    "layernorm_after.": "norm2.",
    "attention.self.": "attn.",
    "attention.output.dense.": "attn.proj.",
    "intermediate.dense.": "mlp.fc1.",
    "output.dense.": "mlp.fc2.",
}
# indices follow from sizes; logit_scale_t is the temperature of a second direction, which Eq. 1 shares with the first
NOT_NEEDED = ("relative_position_index", "position_ids", "token_type_ids", "logit_scale_t")
# what the audio and text towers here are, in the words of transformers' configuration
AUDIO_IS = {
    "spec_size": 256,
    "num_mel_bins": 64,
    "patch_embed_input_channels": 1,
    "hidden_act": "gelu",
    "projection_hidden_act": "relu",
    "layer_norm_eps": 1e-5,
    "qkv_bias": True,
    "enable_patch_layer_norm": True,
}
TEXT_IS = {"hidden_act": "gelu", "projection_hidden_act": "relu", "pad_token_id": 1, "type_vocab_size": 1}


def flam_from_clap(clap: Mapping[str, Tensor], folder: str | Path) -> FLAM:
    """The model of a CLAP checkpoint.

    Parameters
    ----------
    clap : Mapping[str, Tensor]
        tensors under the names of ``ClapModel``
    folder : str | Path
        where its config.json lies

    Raises
    ------
    ModelError
        a fused or otherwise different CLAP, tensors that don't fit, or transformers is not installed
    """
    try:
        from transformers import ClapConfig
    except ImportError as error:
        raise ModelError('CLAP models need transformers; install it with pip install "flam-audio[base]"') from error
    try:
        config: Any = ClapConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"{folder}: config.json is not CLAP's ({reason}); fetch the folder again") from error
    if config.audio_config.enable_fusion:
        raise ModelError(
            f"{folder}: a CLAP with feature fusion, which looks at whole recordings; "
            "take an unfused one, such as laion/clap-htsat-unfused or laion/larger_clap_general"
        )
    for part, here in (("audio_config", AUDIO_IS), ("text_config", TEXT_IS)):
        for key, value in here.items():
            theirs = getattr(getattr(config, part), key)
            if theirs != value:
                raise ModelError(f"{folder}: {part}.{key} is {theirs!r}, only {value!r} can be converted")
    weights = _fuse_qkv({_our_name(name): value for name, value in clap.items() if not name.endswith(NOT_NEEDED)})
    weights |= _constant_head("logit_scale_head", math.log(LOGIT_SCALE), config.text_config.hidden_size)
    weights |= _constant_head("logit_bias_head", LOGIT_BIAS, config.text_config.hidden_size)
    return flam_from_weights(
        weights, str(folder), config.text_config.num_attention_heads, config.text_config.layer_norm_eps
    )


def _our_name(name: str) -> str:
    for theirs, ours in NAMES.items():
        name = name.replace(theirs, ours)
    if name.startswith("audio_encoder."):
        for theirs, ours in AUDIO_NAMES.items():
            name = name.replace(theirs, ours)
    return name


def _fuse_qkv(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Queries, keys and values of the audio tower, three tensors in CLAP, as the one that they are here."""
    fused = {}
    for name, value in weights.items():
        if ".attn.query." in name:
            parts = [name.replace(".query.", f".{part}.") for part in ("query", "key", "value")]
            fused[name.replace(".query.", ".qkv.")] = torch.cat([weights[part] for part in parts if part in weights])
        elif ".attn.key." not in name and ".attn.value." not in name:
            fused[name] = value
    return fused


def _constant_head(head: str, value: float, n_in: int) -> dict[str, Tensor]:
    """A head that gives ``value`` whatever the text; only its last layer is zero, so that training can move it."""
    random = torch.Generator().manual_seed(0)
    bound = 1 / math.sqrt(n_in)  # of nn.Linear's own start
    return {
        f"{head}.0.weight": torch.empty(n_in, n_in).uniform_(-bound, bound, generator=random),
        f"{head}.0.bias": torch.empty(n_in).uniform_(-bound, bound, generator=random),
        f"{head}.2.weight": torch.zeros(1, n_in),
        f"{head}.2.bias": torch.full((1,), value),
    }
