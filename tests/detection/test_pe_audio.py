"""PE-A-Frame in this package equals transformers' own output, on a replica of the published files."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import flam
from flam.cli.main import main
from flam.core import ModelError
from flam.hub.card import ModelCard

torch = pytest.importorskip("torch")

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "dog", "barking", "a", "siren", "rain"]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A small random model in the layout of the published one, and the model itself."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("published")
    torch.manual_seed(0)
    text = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    special = {"pad_token_id": 0, "cls_token_id": 1, "bos_token_id": 1, "sep_token_id": 2, "eos_token_id": 2}
    codec = {"model_type": "dac", "encoder_hidden_size": 4, "hidden_size": 64, "codebook_dim": 8}
    codec |= {"downsampling_ratios": [2, 8, 10, 12], "sampling_rate": 48_000, "hop_length": 1920}
    config = transformers.PeAudioConfig(
        text_config={"model_type": "modernbert", "vocab_size": len(WORDS), **text, **special},
        audio_config={**text, "head_dim": 16, "dac_config": codec},
    )
    model = transformers.PeAudioFrameLevelModel(config).eval()
    with torch.no_grad():
        model.text_audio_logit_scale.fill_(0.7)
        model.text_audio_logit_bias.fill_(-0.4)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 1), ("[SEP]", 2)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder, model


@pytest.fixture(scope="module")
def adopted(published, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "pe"
    assert main(["models", "convert", str(published[0]), str(folder)]) == 0
    return folder


def clip(duration_s):
    return np.random.default_rng(1).normal(0, 0.1, round(duration_s * 48_000)).astype(np.float32)


def own_output(model, waveform, prompts):
    ids = [[1, *(WORDS.index(word) for word in prompt.split()), 2] for prompt in prompts]
    longest = max(map(len, ids))
    with torch.no_grad():
        output = model(
            input_ids=torch.tensor([row + [0] * (longest - len(row)) for row in ids]),
            attention_mask=torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids]),
            input_values=torch.from_numpy(waveform)[None, None],
        )
    return torch.sigmoid(output.logits_audio_text[0]).T.numpy()


@pytest.mark.parametrize("duration_s", [10.0, 2.0])
def test_scores_of_one_window_are_those_of_transformers(published, adopted, duration_s):
    prompts, waveform = ["a dog barking", "siren"], clip(duration_s)
    scores = flam.load(adopted).score(waveform, prompts)
    assert scores.grid.rate_hz == 25
    np.testing.assert_allclose(scores.scores, own_output(published[1], waveform, prompts), atol=1e-5)


def test_frame_features_keep_their_lengths(published, adopted):
    features = flam.load(adopted).embed_frames(clip(2.0))
    with torch.no_grad():
        expected = published[1].get_audio_embeds(torch.from_numpy(clip(2.0))[None, None])[0].numpy()
    np.testing.assert_allclose(features, expected, atol=1e-5)


@pytest.mark.slow
def test_a_long_recording_is_stitched_of_windows_and_streams_equal(adopted):
    detector, waveform = flam.load(adopted), clip(23.0)
    whole = detector.score(waveform, ["siren"]).scores
    blocks = iter(np.split(waveform, [7, 48_001, 500_000]))
    streamed = detector.score(blocks, ["siren"]).scores
    assert whole.shape == (575, 1)
    np.testing.assert_allclose(streamed, whole, atol=1e-5)
    assert detector.detect(iter([waveform]), ["siren"], threshold=0.4) == detector.detect(
        waveform, ["siren"], threshold=0.4
    )


def test_silence_is_no_event_and_pooled_vectors_have_length_one(adopted):
    detector = flam.load(adopted)
    assert detector.detect(np.zeros(3 * 48_000, np.float32), ["rain"], threshold=0.01) == []
    assert np.linalg.norm(detector.embed_audio(clip(1.0))) == pytest.approx(1, abs=1e-5)


def test_the_command_line_finds_events_with_it(adopted, tmp_path, capsys):
    import soundfile

    soundfile.write(tmp_path / "noise.wav", clip(3.0), 48_000)
    arguments = ["-p", "rain", "--model", str(adopted), "--threshold", "0.01", "--format", "json"]
    assert main(["detect", str(tmp_path / "noise.wav"), *arguments]) == 0
    assert json.loads(capsys.readouterr().out)


def test_a_missing_weight_is_refused(published, adopted, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = load_file(adopted / "model.safetensors")
    del weights["audio_head.proj.weight"]
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((adopted / name).read_bytes())
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"1 weights are missing.*audio_head\.proj\.weight"):
        flam.load(tmp_path)


def test_another_kind_of_folder_is_refused(published, tmp_path):
    from flam.model.convert import adopt_pe_a_frame

    folder, _ = published
    config = json.loads((folder / "config.json").read_text())
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": ["PeAudioModel"]}))
    with pytest.raises(ModelError, match="has no frames"):
        adopt_pe_a_frame(tmp_path, tmp_path / "new", ModelCard())


def test_the_registered_models_name_licence_and_commit():
    from flam.hub.registry import REGISTRY

    for size in ("small", "base", "large"):
        model = REGISTRY[f"pe-a-frame-{size}"]
        assert model.card.licence == "Apache-2.0"
        assert all(len(file.revision) == 40 for file in model.files)
