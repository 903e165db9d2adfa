"""A recipe that trains in seconds: a tiny model, sounds made from numbers."""

from pathlib import Path

import pytest
import yaml

MODEL = {
    "audio": {
        "kind": "conv",
        "stem_width": 4,
        "widths": [4, 8, 8],
        "strides": [[2, 2], [2, 2], [1, 2]],
        "embed_dim": 16,
        "window_s": 1.28,
    },
    "text": {"kind": "light", "embed_dim": 16, "mlp_dim": 16, "n_blocks": 1},
    "joint_dim": 16,
    "hidden_dim": 16,
}
LABELS = ["bicycle bell", "door slam", "telephone"]


@pytest.fixture(scope="session")
def tiny_settings() -> dict:
    """The recipe as nested settings; a test changes its own copy."""
    library = {"n_takes": 2, "labels": LABELS}
    scenes = {"procedural": library, "scene": {"background_share": 0.0}}
    sizes = {"caption_clips": 4, "frame_clips": 4, "clip_s": 1.28}
    return {
        "model": MODEL,
        "start": {"tokenizer": "flam-mini"},
        "data": {"captions": [{"procedural": library}], "frames": [{"scenes": scenes}], **sizes},
        "validation_data": {"frames": [{"scenes": {**scenes, "seed": 1}}], **sizes},
        "optim": {"lr": 3e-3, "steps": 12, "warmup_steps": 2},
        "compute": {"device": "cpu", "precision": "fp32", "workers": 0},
        "record": {"log_every": 2, "validate_every": 6, "validation_batches": 2, "save_every": 5},
        "ema_decay": 0.9,
    }


@pytest.fixture
def tiny_recipe(tiny_settings, tmp_path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_settings), encoding="utf-8")
    return path
