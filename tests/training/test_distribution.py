"""Two processes train what one process trains on both their batches, with DDP and with FSDP."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from flam.data.training_data import CaptionBatch, FrameBatch, TrainingData
from flam.losses import FrameLabels
from flam.model.checkpoint import load_checkpoint
from flam.training import trainer
from flam.training.log import read_log
from flam.training.tasks import flam as flam_task

pytestmark = pytest.mark.slow

CHANGES = (
    "augment.band_masks=0",
    "compute.frozen_norms=true",
    "compute.micro_batch_size=3",
    "optim.steps=4",
    "record.save_every=2",
)
WORLD_SIZE = 2


def joined_captions(parts):
    return CaptionBatch(
        torch.cat([part.waveform for part in parts]),
        [caption for part in parts for caption in part.captions],
        torch.cat([part.text_ids for part in parts]),
        torch.cat([part.clip_valid for part in parts]),
    )


def joined_frames(parts):
    first_clip, labels = 0, []
    for part in parts:
        moved = {name: getattr(part.labels, name) + first_clip for name in ("clip", "unsure_clip")}
        labels.append(part.labels._replace(**moved))
        first_clip += len(part.waveform)
    return FrameBatch(
        torch.cat([part.waveform for part in parts]),
        [text for part in parts for text in part.texts],
        torch.cat([part.text_ids for part in parts]),
        torch.cat([part.text_valid for part in parts]),
        FrameLabels(*(torch.cat(values) for values in zip(*labels, strict=True))),
    )


class JoinedData(TrainingData):
    """To one process, the batches of two, one after the other."""

    def loader(self, first_step, rank=0, world_size=1, workers=0):
        step = first_step
        while True:
            ranks = range(WORLD_SIZE)
            yield (
                joined_captions([self.captions(step, rank, WORLD_SIZE) for rank in ranks]),
                joined_frames([self.frames(step, rank, WORLD_SIZE) for rank in ranks]),
            )
            step += 1


def train_rank(rank, folder, *ports):
    """What each of two processes does: a run with DDP, one with FSDP, one that goes on."""
    for run, port in zip(("ddp", "fsdp", "resumed"), ports, strict=True):
        os.environ["MASTER_PORT"] = port
        strategy = "ddp" if run == "ddp" else "fsdp"
        if run == "resumed" and rank == "0":
            shutil.copytree(folder / "fsdp", folder / "resumed.part")
            (folder / "resumed.part" / "checkpoints" / "step_00000004.pt").unlink()
            (folder / "resumed.part").rename(folder / "resumed")
        while run == "resumed" and not (folder / "resumed").exists():
            time.sleep(0.01)
        trainer.train(folder / "tiny.yaml", folder / run, (*CHANGES, f"compute.strategy={strategy}"))


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def runs(tiny_settings, tmp_path_factory):
    """Folder of the runs of two processes, and of one process that holds the batches of both."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny_settings), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flam_task, "TrainingData", JoinedData)
        trainer.train(folder / "tiny.yaml", folder / "one", CHANGES)
    # as torchrun would have it
    place = {"MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": str(WORLD_SIZE), "OMP_NUM_THREADS": "1"}
    ports = free_ports(3)
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(folder), *ports],
            env={**os.environ, **place, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(WORLD_SIZE)
    ]
    try:
        for process in processes:
            _, error = process.communicate(timeout=240)
            assert process.returncode == 0, error
    finally:
        for process in processes:
            process.kill()
    return folder


@pytest.mark.parametrize("run", ["ddp", "fsdp", "resumed"])
def test_two_processes_train_the_model_of_one(runs, run):
    entries, expected = read_log(runs / run), read_log(runs / "one")
    assert [entry["step"] for entry in entries] == [2, 4]
    for entry, of_one in zip(entries, expected, strict=True):
        for name in ("clip_loss", "frame_loss", "prior_loss", "gradient_norm", "validation_frame_auroc"):
            if name in of_one:
                assert entry[name] == pytest.approx(of_one[name], rel=1e-4), name
    weights = load_checkpoint(runs / run / "final").model.state_dict()
    for name, value in load_checkpoint(runs / "one" / "final").model.state_dict().items():
        torch.testing.assert_close(weights[name], value, atol=2e-5, rtol=1e-4, msg=name)


def test_what_went_on_is_what_never_stopped(runs):
    whole, resumed = (load_checkpoint(runs / run / "final").model.state_dict() for run in ("fsdp", "resumed"))
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


if __name__ == "__main__":
    train_rank(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
