"""A model that hears little but says it fast, and folders of sounds that it has no word for."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tokenizers import Tokenizer

from flam.core import from_mapping
from flam.hub.card import ModelCard
from flam.hub.hub import resolve
from flam.model.checkpoint import save_checkpoint
from flam.model.flam import FLAM, FLAMConfig
from flam.training.finetune import run

RATE = 16_000


@pytest.fixture(scope="session")
def parent(tmp_path_factory, tiny_settings) -> Path:
    """A tiny model that was never trained, with flam-mini's tokenizer."""
    torch.manual_seed(0)
    sizes = {**tiny_settings["model"], "joint_dim": 32, "hidden_dim": 64}
    tokenizer = Tokenizer.from_file(str(resolve("flam-mini") / "tokenizer.json"))
    folder = tmp_path_factory.mktemp("models") / "tiny"
    model = FLAM(from_mapping(FLAMConfig, sizes), tokenizer)
    save_checkpoint(model, folder, ModelCard("tiny", licence="CC0-1.0"), {"threshold": 0.4})
    return folder


@pytest.fixture(autouse=True)
def few_other_sounds(monkeypatch):
    monkeypatch.setattr(run, "other_sounds", lambda labels: ("door slam", "rain", "telephone"))


def whistle(number: int) -> np.ndarray:
    """Half a second of a tone between two silences, another one for each number."""
    time_s = np.arange(RATE // 2) / RATE
    tone = 0.3 * np.sin(2 * np.pi * (2000 + 40 * number) * time_s)
    return np.concatenate([np.zeros(RATE // 4), tone, np.zeros(RATE // 4)]).astype(np.float32)


def hiss(number: int) -> np.ndarray:
    return 0.2 * np.random.default_rng(number).standard_normal(RATE).astype(np.float32)


@pytest.fixture
def by_class(tmp_path) -> Path:
    """Sub-folders named by class: whistles and hisses under names that no model knows."""
    for label, make in (("zorblat", whistle), ("grum_vik", hiss)):
        folder = tmp_path / "sounds" / label
        folder.mkdir(parents=True)
        for number in range(6):
            soundfile.write(folder / f"{'abcdef'[number]}.wav", make(number), RATE)
    return tmp_path / "sounds"
