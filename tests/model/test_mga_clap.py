"""The shared codebook against its definition, words without their padding, and the locality-aware block."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from flam.core import ModelError
from flam.detection import Detector
from flam.model.checkpoint import MODELS, load_checkpoint, save_checkpoint
from flam.model.convnet import ConvEncoderConfig
from flam.model.flam import score
from flam.model.htsat import HTSAT, HTSATConfig
from flam.model.mga_clap import MGACLAP, MGACLAPConfig, sparsemax
from flam.model.text import LightTextConfig, LightTextEncoder, RobertaTextConfig, TextTokens, tokenize

AUDIO = ConvEncoderConfig(
    stem_width=4, widths=(4, 4, 8, 8), strides=((2, 2), (2, 2), (1, 2), (1, 2)), embed_dim=16, window_s=1.28
)
CONFIG = MGACLAPConfig(
    audio=AUDIO,
    text=LightTextConfig(vocab_size=17, embed_dim=16, mlp_dim=32),
    joint_dim=24,
    hidden_dim=20,
    n_codewords=30,
    temperature=0.7,
)
LOCAL = HTSATConfig(embed_dim=8, depths=(1, 2), heads=(1, 2), layout="unfolded", locality_aware=True)
TEXTS = ["dog", "the siren on the roof", "rain", "a dog barks", "glass breaking on the roof of the dog"]


def stirred(module):
    """Random weights everywhere, so that no two texts and no two frames are nearly the same."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return module.eval()


@pytest.fixture
def model(word_tokenizer) -> MGACLAP:
    torch.manual_seed(0)
    return stirred(MGACLAP(CONFIG, word_tokenizer))


@pytest.fixture
def byte_model(byte_tokenizer) -> MGACLAP:
    torch.manual_seed(0)
    text = RobertaTextConfig(vocab_size=260, embed_dim=16, n_layers=1, n_heads=2, mlp_dim=16, n_positions=90)
    audio = replace(LOCAL, window_s=1.28)
    return stirred(MGACLAP(replace(CONFIG, audio=audio, text=text), byte_tokenizer))


def summed_codewords(parts: torch.Tensor, codewords: torch.Tensor, temperature: float) -> np.ndarray:
    """(D,) feature of (T, D) frames or words, codeword by codeword; the threshold of sparsemax by bisection."""
    parts, codewords = parts.detach().double().numpy(), codewords.detach().double().numpy()
    n_dims = codewords.shape[1]
    affinities = [max(float(part @ word) for part in parts) / (n_dims**0.5 * temperature) for word in codewords]
    low, high = min(affinities) - 1, max(affinities)
    for _ in range(100):
        middle = (low + high) / 2
        is_too_low = sum(max(affinity - middle, 0) for affinity in affinities) > 1
        low, high = (middle, high) if is_too_low else (low, middle)
    feature = sum(max(affinity - low, 0) * word for affinity, word in zip(affinities, codewords, strict=True))
    return feature / np.linalg.norm(feature)


def test_clips_are_sums_of_codewords_and_frames_are_themselves(model):
    embedding = torch.randn(3, 10, 16)
    frames, clips = model.project_audio(embedding)
    projected = model.audio_projection(embedding)
    torch.testing.assert_close(frames, projected / projected.norm(dim=-1, keepdim=True))
    for clip, parts in zip(clips, projected, strict=True):
        np.testing.assert_allclose(clip.detach(), summed_codewords(parts, model.codewords, 0.7), atol=1e-5)
    assert clips.std(dim=0).mean() > 1e-2, "clips must differ for the comparison to mean anything"


@pytest.mark.parametrize("fixture", ["model", "byte_model"])
def test_texts_are_sums_of_codewords_whatever_they_are_padded_with(fixture, request):
    each = request.getfixturevalue(fixture)
    with torch.inference_mode():
        together = each.embed_text(TEXTS).text_features
        for text, feature in zip(TEXTS, together, strict=True):
            tokens = tokenize(each.tokenizer, [text], 77, each.text_encoder.pad_id)
            words = each.text_projection(each.text_encoder(tokens))[0]
            np.testing.assert_allclose(feature, summed_codewords(words, each.codewords, 0.7), atol=1e-5)
    assert together.std(dim=0).mean() > 1e-2


def test_a_text_of_one_word_is_to_the_light_tower_what_it_always_was():
    torch.manual_seed(1)
    whole = stirred(LightTextEncoder(CONFIG.text))
    by_word = LightTextEncoder(CONFIG.text, per_word=True)
    by_word.load_state_dict(whole.state_dict())
    one_word = TextTokens(torch.tensor([[3, 0], [5, 0]]), torch.tensor([[True, False]] * 2))
    torch.testing.assert_close(by_word(one_word)[:, 0], whole(one_word))
    torch.testing.assert_close(by_word(one_word)[:, 1], whole(one_word))


def test_scale_and_bias_are_equal_for_all_texts(model):
    texts = model.embed_text(TEXTS)
    assert texts.logit_scale.unique().tolist() == [10]
    assert texts.logit_bias.unique().tolist() == [0]
    assert model.embed_text([]).text_features.shape == (0, 24)


@pytest.mark.parametrize("fixture", ["model", "byte_model"])
def test_gradients_reach_every_parameter(fixture, request):
    each = request.getfixturevalue(fixture).train()
    clips = each.embed_audio(0.1 * torch.randn(3, 16 * 3840)).audio_features
    texts = each.embed_text(TEXTS)
    likeness = clips @ texts.text_features.T
    (likeness.square().sum() * each.log_temperature_inverse.exp()).backward()
    silent = [name for name, value in each.named_parameters() if value.grad is None or not value.grad.any()]
    assert silent == []


def test_a_recording_in_pieces_is_the_recording(model):
    embedding = torch.randn(17, 16)
    pieces = [embedding[:5], embedding[5:5], embedding[5:16], embedding[16:]]
    torch.testing.assert_close(model.pool_audio(pieces), model.project_audio(embedding[None]).audio_features[0])


@pytest.mark.parametrize("fixture", ["model", "byte_model"])
def test_a_detector_takes_it_in_the_place_of_flam(fixture, request):
    each = request.getfixturevalue(fixture)
    detector = Detector(each)
    window_samples = each.audio_encoder.window_samples
    waveform = 0.1 * np.random.default_rng(0).standard_normal(window_samples).astype(np.float32)
    scores = detector.score(waveform, TEXTS, method="posterior").scores
    with torch.inference_mode():
        features = each.embed_audio(torch.from_numpy(waveform)[None])
        expected = score(features.frame_features, each.embed_text(TEXTS), "posterior")[0]
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    np.testing.assert_allclose(detector.embed_audio(waveform), features.audio_features[0], atol=1e-4)
    # the same ranking as by the cosine of a frame's own feature and the text's codewords
    cosines = detector.embed_frames(waveform) @ detector.embed_text(TEXTS).text_features.T
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-10 * cosines)), atol=1e-5)


def test_a_checkpoint_says_what_kind_it_is(model, tmp_path):
    save_checkpoint(model, tmp_path / "baseline")
    loaded = load_checkpoint(tmp_path / "baseline").model
    assert loaded.config == CONFIG
    assert MODELS[type(loaded.config)] is type(loaded) is MGACLAP
    for before, after in zip(model.embed_text(TEXTS), loaded.embed_text(TEXTS), strict=True):
        assert torch.equal(before, after)
    path = tmp_path / "baseline" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "model": {**config["model"], "kind": "clap"}}))
    with pytest.raises(ModelError, match=r"kind 'clap' is unknown.*known kinds: flam, mga_clap"):
        load_checkpoint(tmp_path / "baseline")


@pytest.mark.parametrize("wrong", [{"n_codewords": 0}, {"temperature": 0.0}])
def test_sizes_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="must be positive"):
        MGACLAPConfig(**wrong)


def test_only_the_last_block_is_locality_aware():
    plain, local = HTSAT(replace(LOCAL, locality_aware=False)), HTSAT(LOCAL)
    dropped = {name for name, _ in plain.named_parameters()} - {name for name, _ in local.named_parameters()}
    assert {name.rsplit(".", 2)[0] for name in dropped} == {"layers.1.blocks.1", "layers.1.blocks.1.mlp"}
    assert [[block.attn.by_value for block in stage.blocks] for stage in local.layers] == [[False], [False, True]]
    assert not any(block.attn.by_value for stage in plain.layers for block in stage.blocks)


def test_attention_by_value_is_attention_with_values_as_queries_and_keys():
    torch.manual_seed(2)
    local = stirred(HTSAT(LOCAL))
    plain = HTSAT(replace(LOCAL, locality_aware=False)).eval()
    plain.load_state_dict(local.state_dict(), strict=False)
    attention, mlp = plain.layers[1].blocks[1].attn, plain.layers[1].blocks[1].mlp
    waveform = 0.1 * torch.randn(2, 20 * plain.frame_hop_samples)
    with torch.no_grad():
        for name in ("weight", "bias"):
            whole = getattr(attention.qkv, name)
            whole.copy_(torch.cat([whole.chunk(3)[2]] * 3))
        mlp.fc2.weight.zero_()
        mlp.fc2.bias.zero_()
        expected = plain(waveform)
        torch.testing.assert_close(local(waveform), expected, atol=1e-5, rtol=1e-5)
        local.layers[1].blocks[1].attn.qkv.weight[:16].fill_(9.0)  # queries are not used
        torch.testing.assert_close(local(waveform), expected, atol=1e-5, rtol=1e-5)


def nearest_point_of_the_simplex(scores):
    """Try each set of entries as the support; the nearest point among those that lie on the simplex."""
    best, distance = None, float("inf")
    for size in range(1, len(scores) + 1):
        for support in itertools.combinations(range(len(scores)), size):
            chosen = torch.zeros(len(scores), dtype=torch.bool)
            chosen[list(support)] = True
            threshold = (scores[chosen].sum() - 1) / size
            point = (scores - threshold).where(chosen, 0.0)
            far = (point - scores).square().sum().item()
            if (point >= 0).all() and far < distance:
                best, distance = point, far
    return best


@pytest.mark.parametrize("spread", [0.01, 0.5, 20.0])
def test_equals_the_search(spread):
    scores = spread * torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scores.requires_grad_()
    slow = torch.stack([nearest_point_of_the_simplex(row) for row in scores])
    fast = sparsemax(scores)
    assert torch.allclose(fast, slow)
    upstream = torch.arange(24.0, dtype=torch.float64).view(4, 6).sin()
    (expected,) = torch.autograd.grad(slow, scores, upstream)
    assert torch.allclose(torch.autograd.grad(fast, scores, upstream)[0], expected)


def test_any_dimension_ties_and_large_scores():
    scores = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(sparsemax(scores, dim=1), sparsemax(scores.transpose(1, 2)).transpose(1, 2))
    assert torch.allclose(sparsemax(torch.zeros(4)), torch.full((4,), 0.25))
    assert torch.equal(sparsemax(torch.tensor([1e9, 0.0])), torch.tensor([1.0, 0.0]))
