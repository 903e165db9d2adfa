"""Weights of CLAP and OpenFLAM as models of this package; every size shows in the shape of a tensor.

CLAP (Wu et al., "Large-scale Contrastive Language-Audio Pretraining with Feature Fusion and Keyword-to-Caption
Augmentation", ICASSP 2023, arXiv 2211.06687) has no heads for a text's scale and bias: every text gets the values that
FLAM's heads start from, alpha = 10 and beta = -8. OpenFLAM's tensors are ours under other names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from flam.core import ModelError
from flam.model.checkpoint import build_model
from flam.model.flam import FLAM, FLAMConfig
from flam.model.htsat import HTSATConfig
from flam.model.text import RobertaTextConfig

ROBERTA_MAX_TOKENS = 77
CLAP_LOGIT_SCALE, CLAP_LOGIT_BIAS = 10.0, -8.0
# part of a name in ClapModel, part of ours; in this order
CLAP_NAMES = {
    "audio_model.audio_encoder.": "audio_encoder.",
    "text_model.": "text_encoder.roberta.",
    "projection.linear1.": "projection.0.",
    "projection.linear2.": "projection.2.",
    "logit_scale_a": "log_temperature_inverse",
}
CLAP_AUDIO_NAMES = {
    "batch_norm.": "bn0.",
    "layernorm_before.": "norm1.",
    "layernorm_after.": "norm2.",
    "attention.self.": "attn.",
    "attention.output.dense.": "attn.proj.",
    "intermediate.dense.": "mlp.fc1.",
    "output.dense.": "mlp.fc2.",
}
# indices follow from sizes; logit_scale_t is the temperature of a second direction, which Eq. 1 shares with the first
CLAP_NOT_NEEDED = ("relative_position_index", "position_ids", "token_type_ids", "logit_scale_t")
# what the audio and text towers here are, in the words of transformers' configuration
CLAP_AUDIO_IS = {
    "spec_size": 256,
    "num_mel_bins": 64,
    "patch_embed_input_channels": 1,
    "hidden_act": "gelu",
    "projection_hidden_act": "relu",
    "layer_norm_eps": 1e-5,
    "qkv_bias": True,
    "enable_patch_layer_norm": True,
}
CLAP_TEXT_IS = {"hidden_act": "gelu", "projection_hidden_act": "relu", "pad_token_id": 1, "type_vocab_size": 1}
# prefix of a released name, prefix of ours
OPENFLAM_PREFIXES = {
    "audio_branch.": "audio_encoder.",
    "text_branch.": "text_encoder.roberta.",
    "fc_per_text_logit_scale.": "logit_scale_head.",
    "fc_per_text_logit_bias.": "logit_bias_head.",
    "logit_scale_a": "log_temperature_inverse",
}
# the front-end, masks and indices follow from sizes; the last one is a temperature that no equation uses
OPENFLAM_COMPUTED_PREFIXES = (
    "audio_branch.spectrogram_extractor.",
    "audio_branch.logmel_extractor.",
    "aed_logit_scale",
)
OPENFLAM_COMPUTED_SUFFIXES = (".relative_position_index", ".attn_mask", ".embeddings.position_ids")


def flam_from_weights(
    weights: Mapping[str, Tensor], where: str, n_text_heads: int | None = None, norm_eps: float = 1e-5
) -> FLAM:
    """Build the model that fits the weights, and load them.

    Parameters
    ----------
    weights : Mapping[str, Tensor]
        under this package's names
    where : str
        file or folder that errors name
    n_text_heads : int | None, optional
        attention heads of RoBERTa, the only size that no shape shows; None: one per 64 channels, as in RoBERTa of every
        size
    norm_eps : float, default 1e-05
        of RoBERTa's LayerNorms

    Raises
    ------
    ModelError
        tensors are missing, unknown, or of a shape that does not fit the others
    """
    try:
        config = FLAMConfig(
            audio=_htsat_config(weights),
            text=_roberta_config(weights, n_text_heads, norm_eps),
            joint_dim=len(weights["audio_projection.2.weight"]),
            hidden_dim=len(weights["audio_projection.0.weight"]),
        )
    except KeyError as error:
        raise ModelError(f"{where}: no tensor for {error}; this is not the state dict of such a model") from error
    except ValueError as error:
        raise ModelError(f"{where}: shapes of tensors do not fit together ({error}); fetch the file again") from error
    return cast(FLAM, build_model(config, weights, where))


def _htsat_config(weights: Mapping[str, Tensor]) -> HTSATConfig:
    depths: list[int] = []
    heads: list[int] = []
    while f"audio_encoder.layers.{len(depths)}.blocks.0.norm1.weight" in weights:
        stage = f"audio_encoder.layers.{len(depths)}.blocks"
        heads.append(weights[f"{stage}.0.attn.relative_position_bias_table"].shape[1])
        depths.append(_count(weights, f"{stage}.{{}}.norm1.weight"))
    patches = weights["audio_encoder.patch_embed.proj.weight"]
    n_offsets = len(weights["audio_encoder.layers.0.blocks.0.attn.relative_position_bias_table"])
    n_hidden, n_channels = weights["audio_encoder.layers.0.blocks.0.mlp.fc1.weight"].shape
    return HTSATConfig(
        patch=patches.shape[-1],
        embed_dim=len(patches),
        depths=tuple(depths),
        heads=tuple(heads),
        window=(math.isqrt(n_offsets) + 1) // 2,
        mlp_ratio=n_hidden // n_channels,
    )


def _roberta_config(weights: Mapping[str, Tensor], n_heads: int | None, norm_eps: float) -> RobertaTextConfig:
    roberta = "text_encoder.roberta"
    vocab_size, embed_dim = weights[f"{roberta}.embeddings.word_embeddings.weight"].shape
    n_positions = len(weights[f"{roberta}.embeddings.position_embeddings.weight"])
    return RobertaTextConfig(
        vocab_size=vocab_size,
        embed_dim=embed_dim,
        n_layers=_count(weights, f"{roberta}.encoder.layer.{{}}.output.dense.weight"),
        n_heads=embed_dim // 64 if n_heads is None else n_heads,
        mlp_dim=len(weights[f"{roberta}.encoder.layer.0.intermediate.dense.weight"]),
        n_positions=n_positions,
        norm_eps=norm_eps,
        max_tokens=min(ROBERTA_MAX_TOKENS, n_positions - 2),
    )


def _count(weights: Mapping[str, Tensor], pattern: str) -> int:
    count = 0
    while pattern.format(count) in weights:
        count += 1
    return count


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
    for part, here in (("audio_config", CLAP_AUDIO_IS), ("text_config", CLAP_TEXT_IS)):
        for key, value in here.items():
            theirs = getattr(getattr(config, part), key)
            if theirs != value:
                raise ModelError(f"{folder}: {part}.{key} is {theirs!r}, only {value!r} can be converted")
    weights = _fuse_qkv({_our_name(name): value for name, value in clap.items() if not name.endswith(CLAP_NOT_NEEDED)})
    weights |= _constant_head("logit_scale_head", math.log(CLAP_LOGIT_SCALE), config.text_config.hidden_size)
    weights |= _constant_head("logit_bias_head", CLAP_LOGIT_BIAS, config.text_config.hidden_size)
    return flam_from_weights(
        weights, str(folder), config.text_config.num_attention_heads, config.text_config.layer_norm_eps
    )


def _our_name(name: str) -> str:
    for theirs, ours in CLAP_NAMES.items():
        name = name.replace(theirs, ours)
    if name.startswith("audio_encoder."):
        for theirs, ours in CLAP_AUDIO_NAMES.items():
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


def flam_from_openflam(released: Mapping[str, Tensor], where: str) -> FLAM:
    """The model of a released state dict.

    Parameters
    ----------
    released : Mapping[str, Tensor]
        tensors under the names of the release
    where : str
        file that errors name

    Raises
    ------
    ModelError
        tensors are missing, unknown, or of a shape that does not fit the others
    """
    weights = {}
    for name, value in released.items():
        if name.startswith(OPENFLAM_COMPUTED_PREFIXES) or name.endswith(OPENFLAM_COMPUTED_SUFFIXES):
            continue
        for theirs, ours in OPENFLAM_PREFIXES.items():
            if name.startswith(theirs):
                name = ours + name.removeprefix(theirs)
                break
        weights[name] = value
    return flam_from_weights(weights, where)
