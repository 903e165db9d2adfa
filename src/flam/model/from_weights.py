"""A model out of weights alone: every size that FLAM with HTS-AT and RoBERTa needs shows in the shape of a tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from torch import Tensor

from flam.core import ModelError
from flam.model.build import build_model
from flam.model.flam import FLAM, FLAMConfig
from flam.model.htsat import HTSATConfig
from flam.model.text import RobertaTextConfig

MAX_TOKENS = 77


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
        max_tokens=min(MAX_TOKENS, n_positions - 2),
    )


def _count(weights: Mapping[str, Tensor], pattern: str) -> int:
    count = 0
    while pattern.format(count) in weights:
        count += 1
    return count
