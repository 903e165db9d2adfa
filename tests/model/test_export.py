"""Graphs on ONNX Runtime say what torch says, for every architecture, and belong to one file of weights."""

import errno
import hashlib
import json
import pickle
import shutil

import numpy as np
import onnxruntime
import pytest
import torch

import flam
from flam.cli.main import main
from flam.core import ModelError
from flam.detection import Detector
from flam.detection.backends.onnx import OnnxBackend
from flam.hub.card import GRAPH_FILES, ModelCard
from flam.model.checkpoint import load_checkpoint, save_checkpoint
from flam.model.convnet import ConvEncoderConfig
from flam.model.export import export_onnx
from flam.model.flam import FLAM, FLAMConfig
from flam.model.htsat import HTSATConfig
from flam.model.mga_clap import MGACLAP, MGACLAPConfig
from flam.model.quantize import add_int8_graph
from flam.model.text import LightTextConfig, RobertaTextConfig

TEXTS = ["a dog barks", "rain on the roof", "the bell of a siren", "glass"]
METHODS = ("posterior", "unbiased", "approximate")
SMALL_CONV = ConvEncoderConfig(
    stem_width=4, widths=(4, 6, 8), strides=((2, 2), (2, 2), (1, 2)), embed_dim=24, n_context_blocks=1, window_s=2.0
)
SMALL_HTSAT = HTSATConfig(embed_dim=8, depths=(2, 2, 1, 1), heads=(1, 1, 2, 2))
SMALL_UNFOLDED = HTSATConfig(
    embed_dim=8, depths=(1, 1, 2, 1), heads=(1, 1, 1, 1), layout="unfolded", fine_frames=True, window_s=2.56
)
SMALL_ROBERTA = RobertaTextConfig(
    vocab_size=300, embed_dim=32, n_layers=2, n_heads=2, mlp_dim=48, n_positions=40, max_tokens=24
)


def small_flam(audio, text, tokenizer) -> FLAM:
    torch.manual_seed(0)
    model = FLAM(FLAMConfig(audio=audio, text=text, joint_dim=16, hidden_dim=32), tokenizer).eval()
    with torch.no_grad():
        model.logit_bias_head[2].bias.fill_(-1.0)
        model.audio_encoder.bn0.running_mean.fill_(-30.0)
        model.audio_encoder.bn0.running_var.fill_(100.0)
        for module in model.audio_encoder.modules():  # as trained: means and variances that are no identity
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2.0)
    return model


def assert_scores_agree(folder, waveform):
    expected = flam.load(folder, backend="torch", device="cpu", precision="fp32")
    found = flam.load(folder)
    assert isinstance(found.backend, OnnxBackend)
    assert found.grid == expected.grid
    for method in METHODS:
        scores = found.score(waveform, TEXTS, method=method).scores
        np.testing.assert_allclose(scores, expected.score(waveform, TEXTS, method=method).scores, atol=1e-4)
    np.testing.assert_allclose(found.embed_frames(waveform), expected.embed_frames(waveform), atol=1e-4)
    np.testing.assert_allclose(found.embed_audio(waveform), expected.embed_audio(waveform), atol=1e-4)
    for part, other in zip(found.embed_text(TEXTS), expected.embed_text(TEXTS), strict=True):
        np.testing.assert_allclose(part, other, atol=1e-4)


def small_conv(word_tokenizer, n_blocks=1) -> FLAM:
    text = LightTextConfig(vocab_size=word_tokenizer.get_vocab_size(), embed_dim=16, n_blocks=n_blocks, mlp_dim=16)
    return small_flam(SMALL_CONV, text, word_tokenizer)


@pytest.fixture(scope="module")
def exported_once(tmp_path_factory):
    return tmp_path_factory.mktemp("exported") / "a"


@pytest.fixture
def exported_folder(exported_once, tmp_path, word_tokenizer):
    """A folder of this test's own with a small model and its graphs."""
    if not exported_once.exists():
        save_checkpoint(small_conv(word_tokenizer), exported_once)
        export_onnx(exported_once)
    return shutil.copytree(exported_once, tmp_path / "a")


@pytest.fixture
def noise():
    return (0.1 * np.random.default_rng(0).standard_normal(7 * 48_000 + 11)).astype(np.float32)


@pytest.mark.parametrize("dtype", [None, torch.float16])
@pytest.mark.slow
def test_a_convolutional_model_agrees(tmp_path, word_tokenizer, noise, dtype):
    save_checkpoint(small_conv(word_tokenizer), tmp_path / "a", ModelCard("a"), dtype=dtype)
    export_onnx(tmp_path / "a")
    for n_samples in (1, 40_000, len(noise)):
        assert_scores_agree(tmp_path / "a", noise[:n_samples])


@pytest.mark.slow
def test_htsat_and_roberta_agree(tmp_path, byte_tokenizer, noise):
    model = small_flam(SMALL_HTSAT, SMALL_ROBERTA, byte_tokenizer)
    save_checkpoint(model, tmp_path / "a", ModelCard("a"), {"threshold": 0.3})
    folder = export_onnx(tmp_path / "a", tmp_path / "b")
    assert not any((tmp_path / "a" / name).exists() for name in GRAPH_FILES)
    assert flam.load(folder).config.threshold == 0.3
    assert_scores_agree(folder, np.concatenate([noise, noise]))


@pytest.mark.slow
def test_unfolded_htsat_agrees_in_whole_windows(tmp_path, byte_tokenizer, noise):
    model = small_flam(SMALL_UNFOLDED, SMALL_ROBERTA, byte_tokenizer)
    save_checkpoint(model, tmp_path / "a", ModelCard("a"))
    backend = OnnxBackend(export_onnx(tmp_path / "a"))
    waveforms = np.stack([noise[: backend.window_samples], noise[-backend.window_samples :]])
    with torch.inference_mode():
        expected = model.audio_encoder(torch.from_numpy(waveforms)).numpy()
    np.testing.assert_allclose(backend.encode(waveforms), expected, atol=1e-4 * np.abs(expected).max())


def test_graphs_hold_no_weights(tmp_path, word_tokenizer):
    text = LightTextConfig(vocab_size=5_000, embed_dim=64)
    model = small_flam(SMALL_CONV, text, word_tokenizer)
    save_checkpoint(model, tmp_path / "a")
    export_onnx(tmp_path / "a")
    sizes = {name: (tmp_path / "a" / name).stat().st_size for name in GRAPH_FILES}
    assert max(sizes.values()) < 60_000 < (tmp_path / "a" / "model.safetensors").stat().st_size


def test_graphs_of_other_weights_are_refused(exported_folder, tmp_path, word_tokenizer):
    save_checkpoint(small_conv(word_tokenizer, n_blocks=2), tmp_path / "b")
    export_onnx(tmp_path / "b")
    shutil.copyfile(tmp_path / "b" / "audio.onnx", tmp_path / "a" / "audio.onnx")
    with pytest.raises(ModelError, match=r"the graphs were made for another model\.safetensors|can't be loaded"):
        OnnxBackend(tmp_path / "a")
    (tmp_path / "b" / "audio.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelError, match=r"audio\.onnx: can't be loaded"):
        OnnxBackend(tmp_path / "b")


def test_a_graph_names_its_weights_and_a_cut_file_is_refused(exported_folder, tmp_path):
    weights = exported_folder / "model.safetensors"
    for name in GRAPH_FILES:
        session = onnxruntime.InferenceSession(str(tmp_path / "a" / name), providers=["CPUExecutionProvider"])
        metadata = json.loads(session.get_modelmeta().custom_metadata_map["flam"])
        assert metadata["weights"]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"the graphs were made for another model\.safetensors"):
        OnnxBackend(tmp_path / "a")
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"holds \d+ of \d+ bytes of weights"):
        OnnxBackend(tmp_path / "a")


def test_graphs_compute_with_the_weights_that_lie_beside_them(exported_folder, tmp_path, word_tokenizer, noise):
    """Trained further, a model of the same tensors needs no new graphs."""
    model = small_conv(word_tokenizer)
    before = flam.load(tmp_path / "a").embed_frames(noise)
    with torch.no_grad():
        model.audio_encoder.norm.bias.add_(torch.linspace(-2, 2, 24))
    save_checkpoint(model, tmp_path / "b")
    shutil.copyfile(tmp_path / "b" / "model.safetensors", tmp_path / "a" / "model.safetensors")
    assert np.abs(flam.load(tmp_path / "a").embed_frames(noise) - before).max() > 0.01
    assert_scores_agree(tmp_path / "a", noise)


def test_int8_is_close_and_belongs_to_its_weights(
    exported_folder, tmp_path, word_tokenizer, noise, monkeypatch, capsys
):
    model = small_conv(word_tokenizer)
    folder = tmp_path / "b"
    with pytest.raises(ModelError, match=r"has no graph in int8; .* --int8"):
        flam.load(exported_folder, precision="int8")
    assert main(["models", "export", str(tmp_path / "a"), "--int8", "-o", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}\n"
    monkeypatch.setattr("flam.detection.backends.onnx.has_fast_int8", lambda: False)
    with pytest.raises(ModelError, match="use precision fp32"):
        flam.load(folder, precision="int8")
    monkeypatch.setattr("flam.detection.backends.onnx.has_fast_int8", lambda: True)
    detector = flam.load(folder, precision="int8")
    exact, rounded = flam.load(folder).embed_frames(noise), detector.embed_frames(noise)
    assert np.abs(exact - rounded).max() > 0
    assert (exact * rounded).sum(axis=1).min() > 0.9
    assert pickle.loads(pickle.dumps(detector)).backend.precision == "int8"
    with torch.no_grad():
        model.audio_encoder.norm.bias.add_(1)
    save_checkpoint(model, tmp_path / "c")
    shutil.copyfile(tmp_path / "c" / "model.safetensors", folder / "model.safetensors")
    flam.load(folder)
    with pytest.raises(ModelError, match=r"audio_int8\.onnx: was made from another model\.safetensors"):
        flam.load(folder, precision="int8")


@pytest.mark.slow
def test_int8_is_for_convolutional_models_on_onnx_runtime(tmp_path, byte_tokenizer):
    save_checkpoint(small_flam(SMALL_HTSAT, SMALL_ROBERTA, byte_tokenizer), tmp_path / "a")
    with pytest.raises(ModelError, match="int8 is for convolutional encoders"):
        add_int8_graph(export_onnx(tmp_path / "a"))
    with pytest.raises(ModelError, match="int8 is for models with graphs"):
        flam.load(tmp_path / "a", backend="torch", precision="int8")


def test_a_context_is_what_a_frame_depends_on(exported_folder, noise):
    """A part of a window with its context gives the numbers of the whole; one frame less does not."""
    backend = OnnxBackend(exported_folder)
    context, hop = backend.context_frames, backend.grid.hop_samples
    whole = backend.encode(noise[None, : 25 * hop])[0]
    for n_context, agrees in ((context, True), (context - 2, False)):
        start, end = 12 - n_context, 13 + n_context
        part = backend.encode(noise[None, start * hop : end * hop])[0, n_context]
        assert bool(np.abs(part - whole[12]).max() < 1e-5) == agrees


def test_models_without_an_export_say_so(tmp_path, word_tokenizer, capsys):
    text = LightTextConfig(vocab_size=word_tokenizer.get_vocab_size(), embed_dim=16)
    model = MGACLAP(MGACLAPConfig(audio=SMALL_CONV, text=text, joint_dim=8, n_codewords=8), word_tokenizer)
    save_checkpoint(model, tmp_path / "a")
    assert main(["models", "export", str(tmp_path / "a")]) == 2
    assert "of kind 'mga_clap' can't be exported" in capsys.readouterr().err
    assert Detector(load_checkpoint(tmp_path / "a")).score(np.zeros(9_000), ["rain"]).scores.shape == (3, 1)


def test_the_command_writes_a_folder_like_any_other(tmp_path, word_tokenizer, capsys):
    save_checkpoint(small_conv(word_tokenizer), tmp_path / "a", ModelCard("tiny"))
    assert main(["models", "export", str(tmp_path / "a"), "--to", "onnx", "-o", str(tmp_path / "b")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'b'}\n"
    assert json.loads((tmp_path / "b" / "config.json").read_text())["card"]["name"] == "tiny"
    assert load_checkpoint(tmp_path / "b").card.name == "tiny"


@pytest.mark.parametrize("full_at", ["model.safetensors", "config.json", "graph"])
def test_a_full_disk_leaves_no_model_and_the_next_run_makes_one(tmp_path, word_tokenizer, capsys, monkeypatch, full_at):
    text = LightTextConfig(vocab_size=word_tokenizer.get_vocab_size(), embed_dim=16, n_blocks=1, mlp_dim=16)
    save_checkpoint(small_flam(SMALL_CONV, text, word_tokenizer), tmp_path / "a")
    copyfile = shutil.copyfile

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    def copied(source, target):
        return full() if source.name == full_at else copyfile(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", copied)
        if full_at == "graph":
            patch.setattr("flam.model.export._point_into_weights", full)
        assert main(["models", "export", str(tmp_path / "a"), "-o", str(tmp_path / "b")]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "can't be written (No space left on device)" in told
    assert not [path.name for path in (tmp_path / "b").iterdir() if path.name.endswith((".part", ".onnx"))]
    assert (tmp_path / "b" / "config.json").exists() == (full_at == "graph")
    assert main(["models", "export", str(tmp_path / "a"), "-o", str(tmp_path / "b")]) == 0
