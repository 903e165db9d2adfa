"""The ring equals one process: in the loss every process gets, and in every gradient."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from flam.core.errors import ModelError
from flam.losses import FrameLabels, TextShard, framewise_loss, ring_framewise_loss, ring_infonce_loss, ring_prior_loss
from flam.losses.exchange import Ring, ring_sum
from flam.losses.ring import ring_sigmoid_loss


@pytest.mark.slow
def test_rings_of_two_and_four_processes_equal_one():
    worker = Path(__file__).with_name("ring_worker.py")
    run = subprocess.run([sys.executable, worker, "2", "4"], capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr[-4000:]
    assert "2 ranks equal one process" in run.stdout
    assert "4 ranks equal one process" in run.stdout


@pytest.fixture
def one_process():
    random = torch.Generator().manual_seed(3)
    frames = functional.normalize(torch.randn(3, 4, 8, generator=random), dim=-1)
    texts = TextShard(
        functional.normalize(torch.randn(5, 8, generator=random), dim=-1),
        torch.rand(5, generator=random) * 10,
        torch.randn(5, generator=random),
        torch.tensor([7, 8, 9, 10, 11]),
        torch.tensor([True, True, True, True, False]),
    )
    labels = FrameLabels(
        torch.tensor([0, 0, 2]),
        torch.tensor([7, 7, 9]),
        torch.tensor([[True, False, False, False], [False, True, False, False], [True, True, True, True]]),
        torch.tensor([1]),
        torch.tensor([8]),
        torch.tensor([True, True, False]),
    )
    return frames, texts, labels


def test_entries_of_one_clip_and_text_are_united(one_process):
    frames, texts, labels = one_process
    dense = torch.zeros(3, 4, 5, dtype=torch.bool)
    dense[0, 0:2, 0] = True
    valid = torch.ones(3, 1, 5, dtype=torch.bool)
    valid[2], valid[:, :, 4], valid[1, 0, 1] = False, False, False
    assert torch.allclose(ring_framewise_loss(frames, labels, texts), framewise_loss(frames, *texts[:3], dense, valid))


def test_padding_may_hold_anything(one_process):
    frames, texts, labels = one_process
    theta, captions = torch.tensor(1.0), torch.tensor([7, 8, 9])

    def losses_and_gradients(frames, texts):
        frames, features = frames.clone().requires_grad_(), texts.text_features.clone().requires_grad_()
        texts = texts._replace(text_features=features)
        losses = [
            ring_framewise_loss(frames, labels, texts),
            ring_prior_loss(labels, texts, 4),
            ring_infonce_loss(frames[:, 0], captions, texts, theta, clip_valid=labels.clip_valid),
            ring_sigmoid_loss(frames[:, 0], captions, texts, theta, theta, clip_valid=labels.clip_valid),
        ]
        return [*losses, *torch.autograd.grad(sum(losses), [frames, features])]

    broken_frames, broken_texts = frames.clone(), TextShard(*(field.clone() for field in texts))
    broken_frames[2] = float("nan")
    for field in broken_texts[:3]:
        field[4] = float("nan")
    for clean, broken in zip(
        losses_and_gradients(frames, texts), losses_and_gradients(broken_frames, broken_texts), strict=True
    ):
        assert torch.equal(clean, broken)


def test_half_precision_and_autocast_don_t_reach_the_loss(one_process):
    frames, texts, labels = one_process
    theta, captions = torch.tensor(3.0), torch.tensor([7, 8, 9])
    frames, features = frames.bfloat16(), texts.text_features.bfloat16()
    half, single = (texts._replace(text_features=features), texts._replace(text_features=features.float()))
    with torch.autocast("cpu", torch.bfloat16):
        frame, clip = ring_framewise_loss(frames, labels, half), ring_infonce_loss(frames[:, 0], captions, half, theta)
    assert torch.equal(frame, ring_framewise_loss(frames.float(), labels, single))
    assert torch.equal(clip, ring_infonce_loss(frames[:, 0].float(), captions, single, theta))


def test_no_gradient_is_taken_where_none_is_asked_for(one_process):
    frames, texts, labels = one_process
    expected = ring_framewise_loss(frames.requires_grad_(), labels, texts)
    with torch.no_grad():
        assert torch.equal(ring_framewise_loss(frames, labels, texts), expected)

    def asks(features, ids, valid):
        assert not torch.is_grad_enabled()
        return features.sum(), valid.sum()

    with torch.inference_mode():
        shard = Ring().pad(torch.ones(2, 1), torch.arange(2), torch.tensor([True, False]))
        assert ring_sum(asks, Ring(), shard)[0] == 1


def test_labels_of_another_frame_grid_are_refused(one_process):
    frames, texts, labels = one_process
    with pytest.raises(ModelError, match="labels of 4 frames for clips of 3"):
        ring_framewise_loss(frames[:, :3], labels, texts)
