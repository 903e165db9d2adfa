"""Models of others: released names give the same tensors, and a converted CLAP the features of the original."""

import json
import math
import pickle
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import processors
from torch import Tensor

from flam.core import ModelError, OutputError
from flam.model.checkpoint import load_checkpoint
from flam.model.convert import convert
from flam.model.convert_flam import flam_from_clap
from flam.model.flam import FLAM, FLAMConfig
from flam.model.htsat import HTSAT_CONFIGS, HTSATConfig
from flam.model.text import RobertaTextConfig, tokenize

pytestmark = pytest.mark.usefixtures("exported")

CONFIG = FLAMConfig(
    audio=HTSATConfig(embed_dim=8, depths=(2, 1, 3), heads=(1, 2, 4), patch=8, mlp_ratio=3, window=4),
    text=RobertaTextConfig(
        vocab_size=260, embed_dim=64, n_layers=2, n_heads=1, mlp_dim=24, n_positions=90, max_tokens=77
    ),
    joint_dim=24,
    hidden_dim=20,
)
PROMPTS = ["dog", "rain on the roof", "the siren of an ambulance, far away"]


def released_names(model: FLAM) -> dict[str, Tensor]:
    """A state dict under the names of the OpenFLAM release, with the tensors that it holds beside the learned ones."""
    names = {
        "audio_encoder.": "audio_branch.",
        "text_encoder.roberta.": "text_branch.",
        "logit_scale_head.": "fc_per_text_logit_scale.",
        "logit_bias_head.": "fc_per_text_logit_bias.",
        "log_temperature_inverse": "logit_scale_a",
    }
    state = {}
    for name, value in model.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        state[name] = value
    return state | {
        "aed_logit_scale": torch.tensor(1.0),
        "audio_branch.spectrogram_extractor.stft.conv_real.weight": torch.zeros(513, 1, 1024),
        "audio_branch.spectrogram_extractor.stft.conv_imag.weight": torch.zeros(513, 1, 1024),
        "audio_branch.logmel_extractor.melW": torch.zeros(513, 64),
        "audio_branch.layers.0.blocks.1.attn_mask": torch.zeros(64, 64, 64),
        "audio_branch.layers.0.blocks.0.attn.relative_position_index": torch.zeros(64, 64, dtype=torch.int64),
    }


def randomized(model: torch.nn.Module) -> None:
    """Weights under which every part matters, in the ranges that a trained model has."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=random)
            if parameter.ndim < 2:
                parameter.add_(0.1 * noise)
            else:
                parameter.copy_(noise / math.sqrt(parameter[0].numel()))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(-25 + 5 * torch.randn(buffer.shape, generator=random))
            if name.endswith("running_var"):
                buffer.copy_(200 + 50 * torch.rand(buffer.shape, generator=random))


@pytest.fixture(scope="module")
def original() -> FLAM:
    torch.manual_seed(0)
    model = FLAM(CONFIG)
    randomized(model)
    return model.eval()


@pytest.fixture
def tokenizer_file(byte_tokenizer, tmp_path):
    path = tmp_path / "bytes.json"
    byte_tokenizer.save(str(path))
    return path


def assert_equal_models(model: FLAM, expected: FLAM) -> None:
    state = model.state_dict()
    assert state.keys() == expected.state_dict().keys()
    for name, value in expected.state_dict().items():
        assert torch.equal(state[name], value), name


@pytest.mark.parametrize("wrapping", ["flat", "state_dict", "model", "module", "both", "safetensors"])
def test_released_state_dict_gives_the_same_model(original, tokenizer_file, tmp_path, wrapping, exported):
    state = released_names(original)
    wrapped = {f"module.{name}": value for name, value in state.items()}
    path = tmp_path / ("released.safetensors" if wrapping == "safetensors" else "released.pth")
    if wrapping == "safetensors":
        save_file(state, path)
    else:
        content = {
            "flat": state,
            "state_dict": {"epoch": 7, "state_dict": state},
            "model": {"model": state, "note": "text"},
            "module": wrapped,
            "both": {"state_dict": wrapped},
        }
        torch.save(content[wrapping], path)
    convert(path, tmp_path / "ours", tokenizer=tokenizer_file)
    assert exported == [tmp_path / "ours"]
    checkpoint = load_checkpoint(tmp_path / "ours")
    assert checkpoint.model.config == CONFIG
    assert "non-commercial" in checkpoint.card.licence
    assert_equal_models(checkpoint.model, original)
    assert checkpoint.model.embed_text(PROMPTS).text_features.shape == (3, 24)


def test_tokenizer_beside_the_weights_is_taken(original, byte_tokenizer, tmp_path):
    torch.save(released_names(original), tmp_path / "released.pth")
    byte_tokenizer.save(str(tmp_path / "tokenizer.json"))
    convert(tmp_path / "released.pth", tmp_path / "ours")
    assert load_checkpoint(tmp_path / "ours").model.embed_text(["dog"]).logit_scale.shape == (1,)


def test_missing_and_unknown_tensors_are_named(original, tokenizer_file, tmp_path):
    state = released_names(original)
    state["audio_branch.tscam_conv.weight"] = torch.zeros(2, 2)
    del state["text_projection.2.bias"]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"missing: text_projection.2.bias.*unknown: audio_encoder.tscam_conv.weight"):
        convert(tmp_path / "other.pth", tmp_path / "ours", tokenizer=tokenizer_file)
    assert not (tmp_path / "ours").exists()


def test_tensor_of_another_shape_is_named(original, tokenizer_file, tmp_path):
    state = released_names(original)
    state["fc_per_text_logit_bias.2.bias"] = torch.zeros(2)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"of another shape: logit_bias_head.2.bias"):
        convert(tmp_path / "other.pth", tmp_path / "ours", tokenizer=tokenizer_file)


@pytest.mark.parametrize("content", [{"a": torch.zeros(1)}, {"epoch": 3}, [torch.zeros(1)]])
def test_weights_of_something_else(content, tokenizer_file, tmp_path):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="state dict"):
        convert(tmp_path / "other.pth", tmp_path / "ours", tokenizer=tokenizer_file)


class Malicious:
    def __reduce__(self):
        return (exec, ("raise AssertionError('the file ran code')",))


def test_pickled_code_is_never_run(tokenizer_file, tmp_path):
    torch.save({"state_dict": Malicious()}, tmp_path / "bad.pth")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Malicious(), protocol=2))
    (tmp_path / "newer.pkl").write_bytes(pickle.dumps(Malicious(), protocol=4))
    for name in ("bad.pth", "plain.pkl", "newer.pkl"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(ModelError, match=r"can't be read .*which could be harmful code") as caught:
                convert(tmp_path / name, tmp_path / "ours", tokenizer=tokenizer_file)
        assert "weights_only" not in str(caught.value)  # PyTorch advises to switch the protection off


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0, 100, 5_000])
def test_file_cut_off(original, tokenizer_file, tmp_path, suffix, kept):
    path = tmp_path / f"released{suffix}"
    torch.save(released_names(original), path) if suffix == ".pth" else save_file(released_names(original), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match="can't be read"):
        convert(path, tmp_path / "ours", tokenizer=tokenizer_file)


def test_tokenizer_that_is_missing_damaged_or_too_large(original, byte_tokenizer, tmp_path):
    torch.save(released_names(original), tmp_path / "released.pth")
    with pytest.raises(ModelError, match=r"RoBERTa's tokenizer.json"):
        convert(tmp_path / "released.pth", tmp_path / "ours")
    (tmp_path / "damaged.json").write_text("{")
    with pytest.raises(ModelError, match=r"RoBERTa's tokenizer.json"):
        convert(tmp_path / "released.pth", tmp_path / "ours", tokenizer=tmp_path / "damaged.json")
    byte_tokenizer.add_tokens(["woof"])
    byte_tokenizer.save(str(tmp_path / "large.json"))
    with pytest.raises(ModelError, match="261 pieces, the model knows 260"):
        convert(tmp_path / "released.pth", tmp_path / "ours", tokenizer=tmp_path / "large.json")


def test_tokenizer_without_marks_is_refused(original, byte_tokenizer, tmp_path):
    torch.save(released_names(original), tmp_path / "released.pth")
    byte_tokenizer.post_processor = processors.ByteLevel()
    byte_tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelError, match="start 0 and end 2"):
        convert(tmp_path / "released.pth", tmp_path / "ours")


@pytest.fixture(scope="module")
def clap():
    """A small CLAP whose every setting that no shape shows differs from RoBERTa-base's."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.ClapConfig(
        text_config={
            "vocab_size": 260,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 24,
            "max_position_embeddings": 90,
            "layer_norm_eps": 1e-2,
        },
        audio_config={
            "patch_embeds_hidden_size": 16,
            "hidden_size": 128,
            "depths": [2, 2, 2, 2],
            "num_attention_heads": [1, 2, 4, 4],
        },
        projection_dim=24,
        logit_scale_init_value=20.0,
    )
    model = transformers.ClapModel(config).eval()
    randomized(model)
    with torch.no_grad():
        model.logit_scale_t.fill_(99.0)
    return model


@pytest.fixture
def clap_folder(clap, byte_tokenizer, tmp_path):
    folder = tmp_path / "clap"
    clap.save_pretrained(folder)
    byte_tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.parametrize("weights_file", ["model.safetensors", "pytorch_model.bin"])
def test_converted_clap_gives_the_features_of_clap(clap, clap_folder, tmp_path, weights_file):
    if weights_file == "pytorch_model.bin":
        torch.save(load_file(clap_folder / "model.safetensors"), clap_folder / weights_file)
        (clap_folder / "model.safetensors").unlink()
    convert(clap_folder, tmp_path / "ours")
    checkpoint = load_checkpoint(tmp_path / "ours")
    model = checkpoint.model
    assert checkpoint.card.licence == "Apache-2.0"
    second = torch.arange(480_000) / 48_000
    noise = torch.randn(480_000, generator=torch.Generator().manual_seed(1)) * torch.linspace(1e-4, 0.3, 480_000)
    beeps = 0.3 * torch.sin(440 * 2 * math.pi * second) * (second % 1 < 0.5)
    waveform = torch.stack([noise, beeps])
    tokens = tokenize(model.tokenizer, PROMPTS, 77, 1)
    with torch.inference_mode():
        audio_features = model.embed_audio(waveform).audio_features
        texts = model.embed_text(PROMPTS)
        expected_audio = clap.get_audio_features(input_features=model.audio_encoder.logmel(waveform)[:, None])
        expected_text = clap.get_text_features(input_ids=tokens.ids, attention_mask=tokens.mask.long())
    torch.testing.assert_close(audio_features, expected_audio.pooler_output, rtol=0, atol=1e-4)
    torch.testing.assert_close(texts.text_features, expected_text.pooler_output, rtol=0, atol=1e-4)
    for features in (audio_features, texts.text_features):
        assert features.std(dim=0).mean() > 1e-2, "features must differ for the comparison to mean anything"
    torch.testing.assert_close(texts.logit_scale, torch.full((3,), 10.0))
    torch.testing.assert_close(texts.logit_bias, torch.full((3,), -8.0))
    torch.testing.assert_close(model.log_temperature_inverse, clap.logit_scale_a)


@pytest.mark.parametrize("size", ["tiny", "base"])
@pytest.mark.slow
def test_full_size_audio_features_equal_clap_before_and_after_the_projection(size, tmp_path):
    transformers = pytest.importorskip("transformers")
    audio = HTSAT_CONFIGS[size]
    config = transformers.ClapConfig(
        text_config={"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
        audio_config={
            "patch_embeds_hidden_size": audio.embed_dim,
            "hidden_size": audio.stage_dims[-1],
            "depths": list(audio.depths),
            "num_attention_heads": list(audio.heads),
        },
    )
    clap = transformers.ClapModel(config).eval()
    randomized(clap)
    config.save_pretrained(tmp_path)
    model = flam_from_clap(clap.state_dict(), tmp_path).eval()
    waveform = 0.1 * torch.randn(2, 480_000, generator=torch.Generator().manual_seed(2))
    waveform[1] *= torch.linspace(0, 1, 480_000)
    with torch.inference_mode():
        frames = model.audio_encoder(waveform)
        logmel_db = model.audio_encoder.logmel(waveform)[:, None]
        expected = clap.audio_model(input_features=logmel_db)
        projected = clap.audio_projection(expected.pooler_output)
        ours = model.audio_projection(frames.mean(dim=1))
    torch.testing.assert_close(frames.mean(dim=1), expected.pooler_output, rtol=0, atol=1e-4)
    torch.testing.assert_close(ours, projected, rtol=0, atol=1e-4)
    assert projected.std(dim=0).mean() > 1e-2, "features must differ for the comparison to mean anything"


def test_constant_heads_can_still_learn(clap_folder, tmp_path):
    convert(clap_folder, tmp_path / "ours")
    model = load_checkpoint(tmp_path / "ours").model
    texts = model.embed_text(PROMPTS)
    (texts.logit_scale.sum() + texts.logit_bias.sum()).backward()
    for head in (model.logit_scale_head, model.logit_bias_head):
        assert head[2].weight.grad.abs().max() > 0


def test_converting_twice_writes_the_same_and_draws_no_random_numbers(clap_folder, tmp_path):
    before = torch.get_rng_state()
    for name in ("one", "two"):
        convert(clap_folder, tmp_path / name)
    assert torch.equal(torch.get_rng_state(), before)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("audio_config", "enable_fusion", True, "unfused"),
        ("audio_config", "num_mel_bins", 128, "num_mel_bins is 128"),
        ("audio_config", "hidden_act", "relu", "hidden_act"),
        ("text_config", "pad_token_id", 0, "pad_token_id"),
        (None, "projection_hidden_act", "gelu", "projection_hidden_act"),
    ],
)
def test_clap_of_another_kind_is_refused(clap_folder, tmp_path, part, key, value, message):
    config = json.loads((clap_folder / "config.json").read_text())
    (config if part is None else config[part])[key] = value
    (clap_folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message):
        convert(clap_folder, tmp_path / "ours")


def test_clap_weights_that_do_not_fit_are_named(clap_folder, tmp_path):
    weights = load_file(clap_folder / "model.safetensors")
    del weights["audio_model.audio_encoder.layers.0.blocks.0.attention.self.key.bias"]
    save_file(weights, clap_folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"layers.0.blocks.0.attn.qkv.bias"):
        convert(clap_folder, tmp_path / "ours")


def test_source_that_is_no_model(tmp_path, clap_folder):
    with pytest.raises(ModelError, match="neither"):
        convert(tmp_path / "nothing", tmp_path / "ours")
    (clap_folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no weights"):
        convert(clap_folder, tmp_path / "ours")
    (clap_folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="'bert'"):
        convert(clap_folder, tmp_path / "ours")
    with pytest.raises(ModelError, match="openflam, clap"):
        convert(clap_folder, tmp_path / "ours", kind="onnx")


def test_own_checkpoint_and_own_source_are_safe(clap_folder, tmp_path):
    convert(clap_folder, tmp_path / "ours")
    with pytest.raises(ModelError, match="already a checkpoint"):
        convert(tmp_path / "ours", tmp_path / "again")
    with pytest.raises(OutputError, match="no checkpoint"):
        convert(clap_folder, clap_folder)
    assert (clap_folder / "model.safetensors").exists()
