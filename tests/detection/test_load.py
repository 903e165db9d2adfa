"""From a folder to a detector, and the interface of the OpenFLAM release on top of it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import flam
from flam.compat import OpenFLAM
from flam.core import AudioError, ConfigError, ModelError
from flam.detection import Detector
from flam.detection.config import PromptSettings
from flam.hub.card import ModelCard
from flam.model.checkpoint import save_checkpoint
from flam.model.flam import score

TEXTS = ["a dog barking", "siren", "rain"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, folded_model):
    path = tmp_path_factory.mktemp("models") / "tiny"
    save_checkpoint(folded_model, path, ModelCard(name="tiny"), {"threshold": 0.3, "score": "unbiased"})
    return path


def test_a_checkpoint_becomes_a_detector(folder, folded_model, make_noise):
    detector = flam.load(folder, device="cpu")
    assert (detector.card.name, detector.config.threshold, detector.config.score) == ("tiny", 0.3, "unbiased")
    waveform = make_noise(500_000)
    expected = Detector(folded_model).score(waveform, TEXTS, method="unbiased")
    np.testing.assert_allclose(detector.score(waveform, TEXTS).scores, expected.scores, atol=1e-6)


def test_overrides_go_over_the_operating_point(folder):
    detector = flam.load(folder, device="cpu", threshold=0.7, prompts={"rain": {"threshold": 0.2}})
    assert (detector.config.threshold, detector.config.rule("rain").threshold) == (0.7, 0.2)
    assert detector.config.score == "unbiased"
    with pytest.raises(ConfigError, match="unknown key 'treshold'"):
        flam.load(folder, device="cpu", treshold=0.7)


def test_unknown_models_and_operating_points_are_refused(folder, tmp_path):
    with pytest.raises(ModelError, match="no model 'flam-maxi'"):
        flam.load("flam-maxi")
    config = json.loads((folder / "config.json").read_text())
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        (broken / name).write_bytes((folder / name).read_bytes())
    (broken / "config.json").write_text(json.dumps({**config, "detection": {"threshold": 7}}))
    with pytest.raises(ConfigError, match=r"threshold 7\.0 must be within"):
        flam.load(broken, device="cpu")


@pytest.mark.slow
def test_onnx_runtime_keeps_no_identifier_and_reports_nothing(tmp_path):
    code = "import flam, numpy; flam.load('flam-mini').detect(numpy.zeros(48_000, numpy.float32), ['rain'])"
    home = {name: str(tmp_path) for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", code], env=environment | home, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_names_of_the_package_are_there():
    assert flam.Event(0.0, 1.0, "rain").duration_s == 1.0
    assert flam.FrameScores.__name__ == "FrameScores"
    with pytest.raises(AttributeError, match="'detectors'"):
        _ = flam.detectors


@pytest.fixture(scope="module")
def release(folder) -> OpenFLAM:
    return OpenFLAM(model_name="v1-base", default_ckpt_path=folder)


def clips(make_noise, n_samples: int) -> torch.Tensor:
    return torch.from_numpy(np.stack([make_noise(n_samples, seed) for seed in range(2)]))


def test_ten_seconds_through_the_old_interface_are_what_the_model_says(release, folded_model, make_noise):
    audio = clips(make_noise, 480_000)
    with torch.inference_mode():
        frames, whole = folded_model.embed_audio(audio)
        texts = folded_model.embed_text(TEXTS)
    release = release.to("cpu")
    release.sanity_check()
    torch.testing.assert_close(release.get_local_audio_features(audio), frames, rtol=0, atol=1e-4)
    torch.testing.assert_close(release.get_global_audio_features(audio), whole, rtol=0, atol=1e-4)
    torch.testing.assert_close(release.get_text_features(TEXTS), texts.text_features, rtol=0, atol=1e-6)
    for method in ("unbiased", "approximate"):
        expected = score(frames, texts, method).transpose(1, 2)
        found = release.get_local_similarity(audio, TEXTS, method=method, cross_product=True)
        assert found.shape == (2, 3, 32)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
        paired = release.get_local_similarity(audio, TEXTS[:2], method=method, cross_product=False)
        torch.testing.assert_close(paired, torch.stack([expected[0, 0], expected[1, 1]]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("n_samples", [1, 100_000, 700_000])
def test_any_length_through_the_old_interface(release, make_noise, n_samples):
    n_frames = -(-n_samples // 15_000)
    audio = clips(make_noise, n_samples).numpy()
    assert release.get_local_similarity(audio, ["rain"]).shape == (2, 1, n_frames)
    assert release.get_local_audio_features(audio).shape == (2, n_frames, 16)
    assert release.get_global_audio_features(audio).shape == (2, 16)


def test_the_old_interface_refuses_what_does_not_fit(release):
    for audio in (torch.zeros(480_000), np.zeros((1, 0)), np.zeros((0, 5)), [0.0]):
        with pytest.raises(AudioError, match=r"\(B, N\) clips"):
            release.get_global_audio_features(audio)
    with pytest.raises(ModelError, match="3 texts for 2 clips"):
        release.get_local_similarity(torch.zeros(2, 15_000), TEXTS, cross_product=False)


def test_a_sanity_check_finds_broken_weights(folded_model, tmp_path):
    weights = {name: value.clone() for name, value in folded_model.state_dict().items()}
    try:
        with torch.no_grad():
            folded_model.logit_scale_head[2].bias.fill_(float("nan"))
        save_checkpoint(folded_model, tmp_path / "broken")
    finally:
        folded_model.load_state_dict(weights)
    with pytest.raises(ModelError, match="get_local_similarity gave shape"):
        OpenFLAM(default_ckpt_path=tmp_path / "broken").sanity_check()


def test_a_threshold_that_the_user_gives_is_for_every_prompt():
    detector = flam.load("flam-mini", device="cpu", threshold=0.3)
    assert flam.load("flam-mini", device="cpu").config.rule("siren").threshold > 0.99
    assert {detector.config.rule(prompt).threshold for prompt in ("siren", "rain")} == {0.3}
    own = {"siren": PromptSettings(threshold=0.6)}
    assert flam.load("flam-mini", device="cpu", threshold=0.3, prompts=own).config.rule("siren").threshold == 0.6
