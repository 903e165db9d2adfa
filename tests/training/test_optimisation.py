"""Learning rate, groups of weights, freezing, clipping, averaging and masking."""

import math

import pytest
import torch
from torch import nn

from flam.core import ConfigError
from flam.training.average import WeightAverage
from flam.training.distribution import clip_gradients
from flam.training.optimiser import OptimConfig, freeze, make_optimiser, set_learning_rate
from flam.training.schedule import learning_rate
from flam.training.specaugment import SpecAugmentConfig, augment_in_training, spec_augment


def towers():
    torch.manual_seed(0)
    return nn.ModuleDict({"audio_encoder": nn.Linear(3, 2), "text_encoder": nn.Linear(3, 2)})


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine():
    rates = [learning_rate(step, 2.0, steps=100, warmup_steps=10, final_share=0.1) for step in range(101)]
    assert rates[:10] == pytest.approx([0.2 * n for n in range(1, 11)])
    assert rates[55] == pytest.approx(2.0 * (0.1 + 0.9 * 0.5))
    assert rates[100] == pytest.approx(0.2)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_text_has_its_own_rate_and_vectors_no_decay():
    config = OptimConfig(kind="adamw", lr=1.0, steps=10, warmup_steps=0, weight_decay=0.1, text_lr_share=0.25)
    model = towers()
    optimiser = make_optimiser(model, config)
    assert set_learning_rate(optimiser, 0, config) == 1.0
    found = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    assert {name: found[id(parameter)] for name, parameter in model.named_parameters()} == {
        "audio_encoder.weight": (1.0, 0.1),
        "audio_encoder.bias": (1.0, 0.0),
        "text_encoder.weight": (0.25, 0.1),
        "text_encoder.bias": (0.25, 0.0),
    }


def test_frozen_weights_are_not_trained():
    model = towers()
    freeze(model, ["text_encoder"])
    assert sum(len(group["params"]) for group in make_optimiser(model, OptimConfig()).param_groups) == 2
    with pytest.raises(ConfigError, match=r"'txt'; parts are audio_encoder, text_encoder"):
        freeze(model, ["txt"])


def test_weight_decay_of_adam_is_refused():
    with pytest.raises(ValueError, match="adamw"):
        OptimConfig(weight_decay=0.1)


def test_clipping_is_that_of_torch():
    ours, theirs = towers(), towers()
    for model in (ours, theirs):
        (100 * model["audio_encoder"](torch.ones(4, 3))).sum().backward()
    expected = nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
    assert clip_gradients(ours, 0.5) == pytest.approx(expected.item())
    torch.testing.assert_close(ours["audio_encoder"].weight.grad, theirs["audio_encoder"].weight.grad)


def test_the_average_is_the_weighted_sum_of_all_steps():
    model = nn.BatchNorm1d(1)
    expected = {name: value.clone().float() for name, value in model.state_dict().items()}
    average = WeightAverage(model, decay=0.9)
    for step in range(20):
        with torch.no_grad():
            model.weight.add_(0.5)
            model.running_mean.add_(1.0)
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        for name in ("weight", "running_mean"):
            expected[name] = decay * expected[name] + (1 - decay) * model.state_dict()[name]
    weight = model.weight.item()
    with average.applied():
        for name in ("weight", "running_mean"):
            torch.testing.assert_close(model.state_dict()[name], expected[name])
    assert model.weight.item() == weight


def test_masks_are_as_wide_as_said_and_lie_everywhere():
    torch.manual_seed(0)
    logmel_db = torch.arange(4000 * 40 * 16.0).view(4000, 40, 16) % 7
    means = logmel_db.mean(dim=(1, 2), keepdim=True)
    masked = spec_augment(logmel_db, SpecAugmentConfig(time_masks=1, time_frames=6, band_masks=0))
    changed = (masked != logmel_db).any(dim=2)
    assert torch.equal(masked, torch.where(changed[:, :, None], means, logmel_db))
    widths = changed.sum(dim=1)
    assert widths.bincount().tolist() == pytest.approx([4000 / 7] * 7, abs=5 * math.sqrt(4000 / 7))
    assert changed.any(dim=0).all()
    bands = spec_augment(logmel_db, SpecAugmentConfig(time_masks=0, band_masks=2, bands=3)) != logmel_db
    assert (bands.any(dim=1).sum(dim=1) <= 6).all()
    assert bands.any(dim=1).sum(dim=1).max() == 6


def test_masking_happens_in_training_alone():
    front_end = nn.Identity()
    augment_in_training(front_end, SpecAugmentConfig())
    logmel_db = torch.rand(8, 20, 64)
    assert not torch.equal(front_end.train()(logmel_db), logmel_db)
    assert torch.equal(front_end.eval()(logmel_db), logmel_db)
