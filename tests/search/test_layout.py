"""Which models may search an archive."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from flam.core import ModelError
from flam.hub.hub import resolve
from flam.search.layout import model_id


@pytest.fixture
def changed(tmp_path):
    """Copy the bundled model with some weights or settings changed, and give the identity of the copy."""

    def make(tensor=None, **settings):
        folder = tmp_path / "model"
        shutil.copytree(resolve("flam-mini"), folder, dirs_exist_ok=True)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["model"] |= settings
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        weights = load_file(folder / "model.safetensors")
        if tensor is not None:
            weights[tensor] = weights[tensor] + np.float16(1)
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        return model_id(folder)

    return make


def test_the_same_audio_side_is_the_same_model(changed):
    own = model_id(resolve("flam-mini"))
    assert changed() == own
    assert changed("logit_scale_head.2.bias") == own
    assert changed("text_projection.0.bias") == own
    assert changed(per_text_bias=False) == own


def test_another_audio_side_is_another_model(changed):
    own = model_id(resolve("flam-mini"))
    assert changed("audio_projection.0.bias") != own
    assert changed(joint_dim=128) != own


def test_weights_that_were_cut_off_have_no_identity(tmp_path):
    shutil.copytree(resolve("flam-mini"), tmp_path / "model")
    with open(tmp_path / "model" / "model.safetensors", "r+b") as file:
        file.truncate(1_000_000)
    with pytest.raises(ModelError, match=r"holds .* bytes of weights; fetch or convert the model again"):
        model_id(tmp_path / "model")
