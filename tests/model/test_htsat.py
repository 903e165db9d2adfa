"""HTS-AT against the encoder of transformers' CLAP on equal weights, and its unfolded layout."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from flam.core import ModelError
from flam.model.htsat import HTSAT, HTSAT_CONFIGS, HTSATConfig
from flam.model.swin import DropPath, WindowGrid

SMALL = HTSATConfig(embed_dim=16, depths=(2, 2, 2, 2), heads=(1, 2, 4, 4))
SMALL_UNFOLDED = dataclasses.replace(SMALL, layout="unfolded")
SMALL_FINE = dataclasses.replace(SMALL, layout="unfolded", fine_frames=True)


def with_random_weights(encoder: HTSAT) -> HTSAT:
    """Weights under which every part matters and outputs are of the order of 1."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            noise = torch.randn(parameter.shape, generator=random)
            if name.endswith("relative_position_bias_table"):
                parameter.copy_(noise)
            elif parameter.ndim == 1:
                parameter.copy_(
                    0.1 * noise + name.endswith(("norm.weight", "norm1.weight", "norm2.weight", "bn0.weight"))
                )
            else:
                parameter.copy_(noise / math.sqrt(parameter[0].numel()))
        encoder.bn0.running_mean.copy_(-25 + 5 * torch.randn(64, generator=random))
        encoder.bn0.running_var.copy_(200 + 50 * torch.rand(64, generator=random))
    return encoder.eval()


def sound(n_clips: int, n_samples: int, seed: int = 0) -> torch.Tensor:
    """Noise with a slowly changing level, so that no two frames are alike."""
    random = torch.Generator().manual_seed(seed)
    level_db = 20 * torch.sin(torch.arange(n_samples) / 9_000.0)
    return 0.01 * 10 ** (level_db / 20) * torch.randn(n_clips, n_samples, generator=random)


@pytest.fixture(scope="module")
def small() -> HTSAT:
    return with_random_weights(HTSAT(SMALL))


@pytest.fixture(scope="module")
def small_fine() -> HTSAT:
    return with_random_weights(HTSAT(SMALL_FINE))


def clap_audio_model(encoder: HTSAT) -> nn.Module:
    """transformers' encoder with the weights of ours."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ClapAudioConfig(
        depths=list(encoder.config.depths),
        num_attention_heads=list(encoder.config.heads),
        patch_embeds_hidden_size=encoder.config.embed_dim,
        hidden_size=encoder.embed_dim,
    )
    names = {
        "bn0.": "batch_norm.",
        "norm1.": "layernorm_before.",
        "norm2.": "layernorm_after.",
        "attn.relative": "attention.self.relative",
        "attn.proj.": "attention.output.dense.",
        "mlp.fc1.": "intermediate.dense.",
        "mlp.fc2.": "output.dense.",
    }
    state = {}
    for name, value in encoder.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        if "attn.qkv." in name:
            for part, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                state[f"audio_encoder.{name.replace('attn.qkv', f'attention.self.{part}')}"] = third
        else:
            state[f"audio_encoder.{name}"] = value
    model = transformers.ClapAudioModel(config).eval()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("relative_position_index") for name in missing)
    return model


@pytest.mark.parametrize("size", ["tiny", "base"])
@pytest.mark.slow
def test_equals_transformers_clap_on_equal_weights(size):
    encoder = with_random_weights(HTSAT(HTSAT_CONFIGS[size]))
    waveform = sound(1, 480_000)
    with torch.inference_mode():
        logmel_db = encoder.logmel(waveform)
        expected = clap_audio_model(encoder)(input_features=logmel_db[:, None])
        frames = encoder(waveform)
    expected_frames = expected.last_hidden_state.mean(dim=2).transpose(1, 2)
    assert frames.abs().max() > 1.0
    torch.testing.assert_close(frames, expected_frames, rtol=0, atol=1e-4)
    torch.testing.assert_close(frames.mean(dim=1), expected.pooler_output, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "embed_dim", "hop_samples", "million_parameters"),
    [("tiny", 768, 15_000, 27.5), ("base", 1024, 15_000, 67.8), ("base-12hz", 768, 3_750, 37.9)],
)
def test_published_sizes(name, embed_dim, hop_samples, million_parameters):
    encoder = HTSAT(HTSAT_CONFIGS[name])
    assert (encoder.embed_dim, encoder.frame_hop_samples) == (embed_dim, hop_samples)
    assert (encoder.window_samples, encoder.variable_length) == (480_000, False)
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(million_parameters, abs=0.05)


def test_three_stages_give_128_frames():
    config = HTSATConfig(patch=2, embed_dim=8, depths=(2, 2, 2), heads=(1, 1, 1))
    encoder = with_random_weights(HTSAT(config))
    with torch.inference_mode():
        frames = encoder(sound(1, 480_000))
    assert frames.shape == (1, 128, 32)


def test_frames_stand_in_order_of_time(small):
    quiet = 1e-3 * sound(1, 480_000)
    loud = quiet.clone()
    loud[:, 100_000:101_000] = 0.5
    with torch.inference_mode():
        change = (small(loud) - small(quiet))[0].norm(dim=1)
    assert int(change.argmax()) in (6, 7)  # 100,000 / 15,000 = 6.7


@pytest.mark.parametrize("config", [SMALL, SMALL_UNFOLDED, SMALL_FINE], ids=["folded", "unfolded", "fine"])
def test_every_parameter_learns(config):
    encoder = with_random_weights(HTSAT(dataclasses.replace(config, drop_path=0.0))).train()
    encoder(sound(2, encoder.window_samples)).square().mean().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_gradients_in_bfloat16_point_the_same_way(small):
    waveform = sound(2, 480_000)
    gradients = []
    for precision in ("fp32", "bf16"):
        small.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            frames = small(waveform)
        (frames.float() * sound(2, frames[0].numel()).view_as(frames)).sum().backward()
        gradients.append({name: parameter.grad.flatten() for name, parameter in small.named_parameters()})
    small.zero_grad(set_to_none=True)
    for name, exact in gradients[0].items():
        assert torch.cosine_similarity(gradients[1][name], exact, dim=0) > 0.85, name
        if name.endswith("relative_position_bias_table"):
            assert torch.cosine_similarity(gradients[1][name], exact, dim=0) > 0.97, name


@pytest.mark.parametrize("n_samples", [0, 479_999, 480_001, 960_000])
def test_folded_takes_only_ten_seconds(small, n_samples):
    with pytest.raises(ModelError, match="takes exactly 480000"):
        small(torch.zeros(1, n_samples))


@pytest.mark.parametrize("n_samples", [0, 1, 3_839, 3_841])
def test_unfolded_takes_only_whole_frames(small_fine, n_samples):
    with pytest.raises(ModelError, match="multiples of 3840"):
        small_fine(torch.zeros(1, n_samples))


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 5, 31, 33, 70, 128])
def test_unfolded_takes_any_number_of_frames(small_fine, n_frames):
    waveform = sound(2, n_frames * 3_840)
    with torch.inference_mode():
        frames = small_fine(waveform)
    assert frames.shape == (2, n_frames, 128)
    assert torch.isfinite(frames).all()


def test_unfolded_forgets_what_lies_far_away(small_fine):
    """A piece cut out of a long input, in step with the windows of the last stage, has the same frames inside."""
    period = 8 * 15_360
    waveform = sound(1, 13 * period)
    with torch.inference_mode():
        whole = small_fine(waveform)
        piece = small_fine(waveform[:, 3 * period : 11 * period])
    inside = slice(3 * 32, 5 * 32)
    torch.testing.assert_close(piece[:, inside], whole[:, 3 * 32 :][:, inside], rtol=0, atol=1e-4)
    assert (piece[:, 0] - whole[:, 3 * 32]).abs().max() > 1e-2


def test_fine_frames_keep_the_mean_of_the_coarse_ones(small_fine):
    coarse = HTSAT(SMALL_UNFOLDED).eval()
    coarse.load_state_dict({k: v for k, v in small_fine.state_dict().items() if not k.startswith("details.")})
    waveform = sound(1, 12 * 15_360)
    with torch.inference_mode():
        fine_frames, coarse_frames = small_fine(waveform), coarse(waveform)
    torch.testing.assert_close(fine_frames.unflatten(1, (-1, 4)).mean(dim=2), coarse_frames, rtol=0, atol=1e-5)
    assert (fine_frames[:, 0] - fine_frames[:, 1]).abs().max() > 0.1


@pytest.mark.parametrize("size", [(16, 24), (4, 19), (3, 5), (8, 8), (2, 1)])
@pytest.mark.parametrize("shifted", [False, True])
def test_windows_join_to_the_map_they_were_split_from(size, shifted):
    tokens = torch.randn(2, *size, 3, generator=torch.Generator().manual_seed(0))
    grid = WindowGrid.fit(*size, window=8, shifted=shifted)
    assert torch.equal(grid.join(grid.split(tokens)), tokens)


def test_mask_separates_what_rolling_brought_together():
    grid = WindowGrid.fit(height=1, width=19, window=8, shifted=True)
    columns = grid.split(torch.arange(1, 20).view(1, 1, 19, 1))[0, :, :, 0]  # 0 is padding
    allowed = grid.mask(torch.device("cpu")) == 0
    for window, allowed_here in zip(columns, allowed, strict=True):
        for i, row in zip(window, allowed_here, strict=True):
            for j, is_allowed in zip(window, row, strict=True):
                assert bool(is_allowed) == bool((abs(i - j) < 8) and (i > 0) == (j > 0))


def test_drop_path_keeps_the_mean_and_drops_whole_clips():
    torch.manual_seed(0)
    drop_path = DropPath(0.25)
    dropped = drop_path(torch.ones(4_000, 2, 3))
    assert set(dropped.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert (dropped.flatten(1).std(dim=1) == 0).all()
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.03)
    assert torch.equal(drop_path.eval()(torch.ones(3, 2)), torch.ones(3, 2))


@pytest.mark.parametrize(
    "change",
    [{"heads": (4, 8)}, {"embed_dim": 30}, {"patch": 16}, {"fine_frames": True}, {"depths": (), "heads": ()}],
)
def test_impossible_configuration_is_refused(change):
    with pytest.raises(ValueError, match="must"):
        dataclasses.replace(HTSATConfig(), **change)
