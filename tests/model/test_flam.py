"""The score against its definition, the two towers' common space, and prompts in any number."""

import pytest
import torch
from torch import Tensor

from flam.core import ModelError
from flam.hub.tokens import TEXTS_AT_ONCE
from flam.model.convnet import ConvEncoderConfig
from flam.model.flam import FLAM, FLAMConfig, TextFeatures, score
from flam.model.text import LightTextConfig, RobertaTextConfig

CONFIG = FLAMConfig(
    audio=ConvEncoderConfig(stem_width=4, widths=(4, 4, 8, 8), strides=((2, 2), (2, 2), (1, 2), (1, 2)), embed_dim=16),
    text=LightTextConfig(vocab_size=17, embed_dim=16, mlp_dim=32),
    joint_dim=24,
    hidden_dim=20,
)
HARD_BETAS = (-60.0, -8.0, -2.0, 0.0, 3.0)


@pytest.fixture
def model(word_tokenizer) -> FLAM:
    torch.manual_seed(0)
    return FLAM(CONFIG, word_tokenizer).eval()


@pytest.fixture
def byte_model(byte_tokenizer) -> FLAM:
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    text = RobertaTextConfig(vocab_size=260, embed_dim=16, n_layers=1, n_heads=2, mlp_dim=16, n_positions=90)
    model = FLAM(FLAMConfig(CONFIG.audio, text, joint_dim=24, hidden_dim=20), byte_tokenizer).eval()
    with torch.no_grad():  # from its own start, RoBERTa gives nearly the same for all texts
        for parameter in model.text_encoder.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model


def features(cosines: list[float], alpha: float, betas: tuple[float, ...]) -> tuple[Tensor, TextFeatures]:
    """Frames whose cosine with every text is the given one."""
    c = torch.tensor(cosines, dtype=torch.float32)
    frames = torch.stack([c, (1 - c * c).clamp(min=0).sqrt()], dim=-1)[None]
    texts = torch.tensor([[1.0, 0.0]]).expand(len(betas), 2)
    return frames, TextFeatures(texts, torch.full((len(betas),), alpha), torch.tensor(betas))


def test_unbiased_score_is_equation_7():
    frames, texts = features([-1.0, -0.3, 0.0, 0.2, 0.9, 1.0], 10.0, HARD_BETAS)
    h = texts.logit_scale.double() * (frames @ texts.text_features.T).double() + texts.logit_bias.double()
    expected = h.sigmoid() / (h.sigmoid() + texts.logit_bias.double().sigmoid())
    torch.testing.assert_close(score(frames, texts, "unbiased").double(), expected, rtol=1e-5, atol=1e-6)


def test_approximate_score_is_equation_8_and_posterior_the_sigmoid_of_equation_2():
    frames, texts = features([-0.5, 0.1, 0.8], 7.0, (-8.0, -2.0))
    c = frames @ texts.text_features.T
    torch.testing.assert_close(score(frames, texts, "approximate"), torch.sigmoid(7.0 * c))
    torch.testing.assert_close(score(frames, texts, "posterior"), torch.sigmoid(7.0 * c + texts.logit_bias))


def test_approximation_is_as_close_as_published():
    frames, texts = features(torch.linspace(-1, 1, 401).tolist(), 10.0, (-8.0, -2.0))
    error = (score(frames, texts, "unbiased") - score(frames, texts, "approximate")).abs().amax(dim=(0, 1))
    assert error.tolist() == pytest.approx([3.4e-4, 0.11], rel=0.05)


@pytest.mark.parametrize("method", ["unbiased", "approximate", "posterior"])
def test_score_stays_a_probability_where_a_quotient_would_not(method):
    frames, texts = features([-1.0, 0.0, 1.0], 500.0, (-300.0, -120.0, 0.0, 120.0, 300.0))
    result = score(frames, texts, method)
    assert bool(result.isfinite().all())
    assert result.min() >= 0
    assert result.max() <= 1


def test_unbiased_score_is_half_where_the_cosine_is_0_and_rises_with_it():
    frames, texts = features([-0.01, 0.0, 0.01], 10.0, HARD_BETAS)
    below, at, above = score(frames, texts, "unbiased")[0]
    assert bool((below < 0.5).all())
    torch.testing.assert_close(at, torch.full_like(at, 0.5))
    assert bool((above > 0.5).all())


def test_unknown_score_is_refused():
    frames, texts = features([0.0], 1.0, (0.0,))
    with pytest.raises(ModelError, match="unbiased, approximate, posterior"):
        score(frames, texts, "softmax")


def test_audio_features_are_unit_vectors_and_the_global_one_is_of_the_mean_frame(model):
    waveform = 0.1 * torch.randn(2, 10 * 3840)
    with torch.inference_mode():
        frames, clips = model.embed_audio(waveform)
        embedding = model.audio_encoder(waveform)
        expected = torch.nn.functional.normalize(model.audio_projection(embedding.mean(dim=1)), dim=-1)
    assert frames.shape == (2, 10, 24)
    torch.testing.assert_close(frames.norm(dim=-1), torch.ones(2, 10))
    torch.testing.assert_close(clips, expected)


def test_grid_is_that_of_the_audio_tower(model):
    assert (model.grid.sample_rate, model.grid.hop_samples) == (48_000, 3_840)


def test_heads_start_at_the_published_scale_and_bias(model):
    with torch.inference_mode():
        texts = model.embed_text(["a dog", "siren"])
    assert texts.logit_scale.tolist() == pytest.approx([10, 10], rel=0.5)
    assert texts.logit_bias.tolist() == pytest.approx([-8, -8], abs=0.5)


def test_no_prompts(model, byte_model):
    for each in (model, byte_model):
        text_features, logit_scale, logit_bias = each.embed_text([])
        assert text_features.shape == (0, 24)
        assert logit_scale.shape == logit_bias.shape == (0,)
        assert score(torch.zeros(1, 5, 24), each.embed_text([]), "unbiased").shape == (1, 5, 0)


def prompts_of_many_lengths(n: int) -> list[str]:
    words = ("a", "dog", "barks", "siren", "rain on the roof", "bell", "breaking glass")
    return [" ".join(words[(i * 7 + j) % len(words)] for j in range(1 + i * 5 % 11)) for i in range(n)]


@pytest.mark.parametrize("fixture", ["model", "byte_model"])
def test_batches_of_prompts_keep_order_and_values(fixture, request, monkeypatch):
    each = request.getfixturevalue(fixture)
    prompts = [*prompts_of_many_lengths(40), "dog", "dog", "犬 🐕", "dog " * 500]
    with torch.inference_mode():
        one_by_one = [each.embed_text([prompt]) for prompt in prompts]
        monkeypatch.setattr("flam.hub.tokens.TEXTS_AT_ONCE", 7)
        together = each.embed_text(prompts)
    for column, value in zip(zip(*one_by_one, strict=True), together, strict=True):
        torch.testing.assert_close(value, torch.cat(column), rtol=1e-6, atol=1e-6)
    assert together.text_features.std(dim=0).mean() > 1e-3, "prompts must differ for the comparison to mean anything"


def test_ten_thousand_prompts_pass_in_bounded_batches(model):
    batch_sizes = []
    model.text_encoder.register_forward_pre_hook(lambda _, arguments: batch_sizes.append(len(arguments[0].ids)))
    with torch.inference_mode():
        texts = model.embed_text(prompts_of_many_lengths(10_000))
    assert texts.text_features.shape == (10_000, 24)
    assert max(batch_sizes) <= TEXTS_AT_ONCE < 1_000


def test_prompts_that_are_no_list_or_empty_are_refused(model):
    with pytest.raises(ModelError, match="list of strings"):
        model.embed_text("dog")
    with pytest.raises(ModelError, match="empty"):
        model.embed_text(["dog", "  "])


def test_model_without_tokenizer_says_so():
    with pytest.raises(ModelError, match="no tokenizer"):
        FLAM(CONFIG).embed_text(["dog"])


def test_gradients_reach_every_parameter_through_texts_and_frames(model):
    model.train()
    frames, clips = model.embed_audio(0.1 * torch.randn(3, 10 * 3840))
    texts = model.embed_text(["a dog barks", "rain on the roof", "siren"])
    loss = score(frames, texts, "posterior").sum() + (clips @ texts.text_features.T).sum()
    (loss * model.log_temperature_inverse.exp()).backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


@pytest.mark.parametrize("n_samples", [0, 1, 3_839, 3_841])
def test_length_that_is_no_whole_number_of_frames_is_refused(model, n_samples):
    with pytest.raises(ModelError, match=f"clip of {n_samples} samples.*multiples of 3840"):
        model.embed_audio(torch.zeros(1, n_samples))
