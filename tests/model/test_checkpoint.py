"""Checkpoint folders: what is written is read back, and neither an interruption nor a mistake costs anyone files."""

import json
import os

import pytest
import torch
from safetensors.torch import load_file, save_file

from flam.core import ConfigError, ModelError, OutputError
from flam.hub.card import ModelCard, read_config
from flam.model import checkpoint as checkpoint_module
from flam.model.checkpoint import load_checkpoint, save_checkpoint
from flam.model.convnet import ConvEncoderConfig
from flam.model.flam import FLAM, FLAMConfig
from flam.model.text import LightTextConfig

CONFIG = FLAMConfig(
    audio=ConvEncoderConfig(stem_width=4, widths=(4, 4, 8, 8), strides=((2, 2), (2, 2), (1, 2), (1, 2)), embed_dim=16),
    text=LightTextConfig(vocab_size=17, embed_dim=16, mlp_dim=32),
    joint_dim=24,
    hidden_dim=20,
)
CARD = ModelCard("small", "for a test", "CC0-1.0", "random numbers", {"trained": "never"})


@pytest.fixture
def model(word_tokenizer) -> FLAM:
    torch.manual_seed(0)
    return FLAM(CONFIG, word_tokenizer).eval()


@pytest.fixture
def folder(model, tmp_path):
    save_checkpoint(model, tmp_path / "small", CARD, {"threshold": 0.4})
    return tmp_path / "small"


def test_written_equals_read_back(model, folder):
    checkpoint = load_checkpoint(folder)
    assert checkpoint.model.config == CONFIG
    assert checkpoint.card == CARD
    assert checkpoint.detection == {"threshold": 0.4}
    assert not checkpoint.model.training
    loaded = checkpoint.model.state_dict()
    assert loaded.keys() == model.state_dict().keys()
    assert all(torch.equal(value, loaded[name]) for name, value in model.state_dict().items())
    waveform, prompts = 0.1 * torch.randn(1, 38_400), ["a dog barks", "siren"]
    with torch.inference_mode():
        for ours, read in zip(model.embed_text(prompts), checkpoint.model.embed_text(prompts), strict=True):
            assert torch.equal(ours, read)
        assert torch.equal(model.embed_audio(waveform)[0], checkpoint.model.embed_audio(waveform)[0])


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such permissions")
def test_whoever_may_read_files_of_this_user_may_read_all_of_a_checkpoint(folder, tmp_path):
    (tmp_path / "any").touch()
    modes = {path.stat().st_mode for path in (tmp_path / "any", *folder.iterdir())}
    assert len(modes) == 1


def test_loading_draws_no_random_numbers(folder):
    before = torch.get_rng_state()
    load_checkpoint(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_loaded_model_can_be_trained_on(folder):
    model = load_checkpoint(folder).model
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_model_without_tokenizer_has_no_tokenizer_file(tmp_path):
    save_checkpoint(FLAM(CONFIG), tmp_path / "bare")
    assert sorted(path.name for path in (tmp_path / "bare").iterdir()) == ["config.json", "model.safetensors"]
    assert load_checkpoint(tmp_path / "bare").model.tokenizer is None


def test_half_precision_is_stored_and_single_computed(model, tmp_path):
    save_checkpoint(model, tmp_path / "half", dtype=torch.float16)
    stored = load_file(tmp_path / "half" / "model.safetensors").values()
    assert {value.dtype for value in stored} == {torch.float16, torch.int64}
    loaded = load_checkpoint(tmp_path / "half").model
    for name, value in model.state_dict().items():
        assert loaded.state_dict()[name].dtype == value.dtype
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_replaces_a_checkpoint_and_leaves_nothing_beside_it(model, folder):
    save_checkpoint(model, folder, ModelCard("newer"))
    assert load_checkpoint(folder).card.name == "newer"
    assert [path.name for path in folder.parent.iterdir()] == ["small"]


def test_failed_write_keeps_the_old_checkpoint(model, folder, monkeypatch):
    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_module, "save_file", disk_full)
    with pytest.raises(OutputError, match="No space left"):
        save_checkpoint(model, folder, ModelCard("newer"))
    assert load_checkpoint(folder).card.name == "small"
    assert [path.name for path in folder.parent.iterdir()] == ["small"]


def test_never_replaces_a_folder_or_file_of_something_else(model, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "cat.jpg").write_bytes(b"cat")
    (tmp_path / "note.txt").write_text("note")
    for taken in (photos, tmp_path / "note.txt"):
        with pytest.raises(OutputError, match="no checkpoint"):
            save_checkpoint(model, taken)
    assert (photos / "cat.jpg").read_bytes() == b"cat"
    assert (tmp_path / "note.txt").read_text() == "note"


def test_an_empty_folder_may_be_filled(model, tmp_path):
    (tmp_path / "empty").mkdir()
    save_checkpoint(model, tmp_path / "empty")
    assert read_config(tmp_path / "empty")["format"] == "flam-checkpoint-1"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError):
        load_checkpoint(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_file_cut_off(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="small"):
        load_checkpoint(folder)


def test_weights_of_another_shape_are_named(folder):
    weights = load_file(folder / "model.safetensors")
    weights["text_projection.0.bias"] = torch.zeros(3)
    weights["surplus"] = torch.zeros(1)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"text_projection.0.bias.*surplus"):
        load_checkpoint(folder)


def test_unknown_setting_is_named(folder):
    config = json.loads((folder / "config.json").read_text())
    config["model"]["joint_dims"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="joint_dims"):
        load_checkpoint(folder)


def test_config_of_another_program(folder):
    (folder / "config.json").write_text('{"model_type": "clap"}')
    with pytest.raises(ModelError, match="flam models convert"):
        read_config(folder)
