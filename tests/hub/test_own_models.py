"""Models in the user's own folder are found by the names of their sub-folders."""

import pytest

from flam.core import ModelError
from flam.hub.card import ModelCard
from flam.hub.hub import list_models, models_folder, own_folder, resolve
from flam.model.checkpoint import save_checkpoint
from flam.model.convnet import ConvEncoderConfig
from flam.model.flam import FLAM, FLAMConfig
from flam.model.text import LightTextConfig


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FLAM_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_found_and_listed_by_name(folder):
    assert "seals" not in [info.name for info in list_models()]
    model = FLAM(FLAMConfig(audio=ConvEncoderConfig(), text=LightTextConfig(vocab_size=10)))
    save_checkpoint(model, own_folder("seals"), ModelCard("seals", "hears seals"))
    assert resolve("seals") == folder / "seals"
    [info] = [info for info in list_models() if info.name == "seals"]
    assert (info.where, info.card.summary) == ("own", "hears seals")


def test_damaged_model_leaves_the_others_listed(folder):
    (folder / "broken").mkdir(parents=True)
    (folder / "broken" / "config.json").write_text("{")
    listed = {info.name: info for info in list_models()}
    assert "flam-mini" in listed
    assert "can't be used" in listed["broken"].card.summary


def test_own_model_never_takes_the_place_of_another(folder):
    (folder / "flam-mini").mkdir(parents=True)
    (folder / "flam-mini" / "config.json").write_text("{}")
    assert resolve("flam-mini") != folder / "flam-mini"


@pytest.mark.parametrize("name", ["flam-mini", "openflam", "", " ", "..", "a/b", ".hidden"])
def test_names_that_are_refused(name):
    with pytest.raises(ModelError, match="name"):
        own_folder(name)


def test_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("FLAM_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert models_folder() == tmp_path / "flam" / "models"
