"""Readers of models for ``benchmarks.fuzz``: cards, sizes, weights, tokenizers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benchmarks.fuzz_readers import Reader, json_file
from flam.core import from_mapping

_MODEL = {
    "format": "flam-checkpoint-1",
    "card": {"name": "a", "facts": {"b": "c"}},
    "model": {"kind": "flam", "audio": {"kind": "conv", "window_s": 10.24}, "text": {"kind": "light", "mlp_dim": 8}},
    "detection": {"threshold": 0.4},
}


def model_readers() -> dict[str, Reader]:
    """Readers of what a model's folder holds, by name."""
    return {
        "json model card": Reader(json_file(_MODEL), _read_model),
        "json model sizes": Reader(_sizes, _read_sizes),
        "json tokenizer": Reader(_tokenizer, _read_tokenizer),
        "safetensors model": Reader(_weights, _read_weights, False),
    }


def _read_model(path: Path) -> None:
    from flam.detection import DetectionConfig
    from flam.hub.card import read_card, read_config

    if path.name != "config.json":
        shutil.copy(path, path.with_name("config.json"))
    config = read_config(path.parent)
    read_card(path.parent)
    from_mapping(DetectionConfig, config.get("detection", {}), "detection")


def _sizes(folder: Path) -> Path:
    from flam.core import to_mapping
    from flam.model.convnet import ConvEncoderConfig
    from flam.model.flam import FLAMConfig
    from flam.model.text import LightTextConfig

    audio = ConvEncoderConfig(stem_width=4, widths=(4, 4, 4, 4, 4, 4), embed_dim=8)
    text = LightTextConfig(vocab_size=12, embed_dim=8, n_blocks=1, mlp_dim=8)
    config = FLAMConfig(audio=audio, text=text, joint_dim=8, hidden_dim=8)
    (folder / "a.json").write_text(json.dumps({"kind": "flam", **to_mapping(config)}))
    return folder / "a.json"


def _read_sizes(path: Path) -> None:
    from flam.core import ModelError, parse_json
    from flam.model.checkpoint import _built, model_config

    _built(model_config(parse_json(path.read_bytes(), "a.json", ModelError), "a.json"), None, "a.json")


def _model_folder(folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer, models

    from flam.hub.card import ModelCard
    from flam.model.checkpoint import save_checkpoint
    from flam.model.convnet import ConvEncoderConfig
    from flam.model.flam import FLAM, FLAMConfig
    from flam.model.text import LightTextConfig

    torch.manual_seed(0)
    audio = ConvEncoderConfig(stem_width=4, widths=(4, 4, 4, 4, 4, 4), embed_dim=8)
    text = LightTextConfig(vocab_size=3, embed_dim=8, n_blocks=1, mlp_dim=8)
    tokenizer = Tokenizer(models.WordLevel({"?": 0, "dog": 1, "cat": 2}, unk_token="?"))
    model = FLAM(FLAMConfig(audio=audio, text=text, joint_dim=8, hidden_dim=8), tokenizer)
    save_checkpoint(model, folder / "model", ModelCard(name="a"))


def _weights(folder: Path) -> Path:
    _model_folder(folder)
    return folder / "model" / "model.safetensors"


def _read_weights(path: Path) -> None:
    from flam.model.checkpoint import load_checkpoint

    load_checkpoint(path.parent)


def _tokenizer(folder: Path) -> Path:
    _model_folder(folder)
    return folder / "model" / "tokenizer.json"


def _read_tokenizer(path: Path) -> None:
    from flam.hub.tokens import tokenize
    from flam.model.checkpoint import load_checkpoint

    tokenizer = load_checkpoint(path.parent).model.tokenizer
    if tokenizer is not None:
        tokenize(tokenizer, ["dog", "a cat"], 8, 0)
