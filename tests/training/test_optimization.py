"""Learning rate, groups of weights, freezing, clipping, averaging and masking."""

import math

import pytest
import torch
from torch import nn

from flam.core import ConfigError
from flam.training.augment import SpecAugmentConfig, augment_in_training, spec_augment
from flam.training.checkpoints import WeightAverage
from flam.training.distribution import clip_gradients
from flam.training.optimization import (
    SCHEDULES,
    OptimConfig,
    Stage,
    freeze,
    make_optimizer,
    set_learning_rate,
    warmup_cosine,
)


def towers():
    torch.manual_seed(0)
    return nn.ModuleDict({"audio_encoder": nn.Linear(3, 2), "text_encoder": nn.Linear(3, 2)})


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine():
    rates = [2.0 * warmup_cosine(step, steps=100, warmup_steps=10, final_share=0.1).share for step in range(101)]
    assert rates[:10] == pytest.approx([0.2 * n for n in range(1, 11)])
    assert rates[55] == pytest.approx(2.0 * (0.1 + 0.9 * 0.5))
    assert rates[100] == pytest.approx(0.2)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_text_has_its_own_rate_and_vectors_no_decay():
    config = OptimConfig(kind="adamw", lr=1.0, steps=10, warmup_steps=0, weight_decay=0.1)
    stages = (Stage("whole", 10, 1.0, text_lr_share=0.25),)
    model = towers()
    optimizer = make_optimizer(model, config)
    assert set_learning_rate(optimizer, stages, 0, config) == 1.0
    found = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert {name: found[id(parameter)] for name, parameter in model.named_parameters()} == {
        "audio_encoder.weight": (1.0, 0.1),
        "audio_encoder.bias": (1.0, 0.0),
        "text_encoder.weight": (0.25, 0.1),
        "text_encoder.bias": (0.25, 0.0),
    }


def test_vectors_decay_where_asked_and_some_weights_never():
    model = towers()
    config = OptimConfig(kind="adamw", weight_decay=0.1, decay_vectors=True, no_decay=("text_encoder",))
    decays = {
        id(parameter): group["weight_decay"]
        for group in make_optimizer(model, config).param_groups
        for parameter in group["params"]
    }
    assert {name: decays[id(parameter)] for name, parameter in model.named_parameters()} == {
        "audio_encoder.weight": 0.1,
        "audio_encoder.bias": 0.1,
        "text_encoder.weight": 0.0,
        "text_encoder.bias": 0.0,
    }


def test_one_cycle_is_that_of_torch():
    theirs = torch.optim.AdamW(towers().parameters(), lr=0.3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(theirs, 0.3, total_steps=50)
    config = OptimConfig(kind="adamw", lr=0.3, steps=50, schedule="one_cycle")
    ours = make_optimizer(towers(), config)
    for step in range(50):
        set_learning_rate(ours, (Stage("whole", 50, 0.3),), step, config)
        for group in ours.param_groups:
            assert group["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-9)
            assert group["betas"] == pytest.approx(theirs.param_groups[0]["betas"], rel=1e-9)
        theirs.step()
        if step < 49:
            schedule.step()


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_ends_low(name):
    shares = [SCHEDULES[name](step, 200, 10, 0.02).share for step in range(200)]
    assert max(shares) == pytest.approx(1.0, abs=0.02)
    assert 0 <= shares[-1] <= 0.025


def test_each_stage_starts_its_schedule_anew():
    config = OptimConfig(warmup_steps=2)
    stages = (Stage("first", 4, 1.0, text_lr_share=0.0), Stage("second", 6, 0.1, text_lr_share=0.5))
    optimizer = make_optimizer(towers(), config)
    rates = [set_learning_rate(optimizer, stages, step, config) for step in range(10)]
    assert rates[0] == 0.5
    assert rates[4:6] == pytest.approx([0.05, 0.1])
    assert {group["is_text"]: group["lr"] for group in optimizer.param_groups}[True] == pytest.approx(0.5 * rates[-1])
    with pytest.raises(ConfigError, match="after the last stage"):
        set_learning_rate(optimizer, stages, 10, config)


def test_frozen_weights_are_not_trained():
    model = towers()
    freeze(model, ["text_encoder"])
    assert sum(len(group["params"]) for group in make_optimizer(model, OptimConfig()).param_groups) == 2
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


def test_without_warmup_the_average_starts_at_the_weights_of_the_first_step():
    model = nn.Linear(1, 1, bias=False)
    average, expected = WeightAverage(model, decay=0.9, warmup=False), None
    for step in range(5):
        with torch.no_grad():
            model.weight.add_(1.0)
        average.update(step)
        live = model.weight.detach().clone()
        expected = live if expected is None else 0.9 * expected + 0.1 * live
    with average.applied():
        torch.testing.assert_close(model.weight.detach(), expected)


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
