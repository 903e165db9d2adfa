"""Batches depend on their step alone: not on earlier steps, the workers that made them or the number of processes."""

import csv
import json
import logging
import pickle
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from flam.annotations import write_events
from flam.audio import write_audio
from flam.core import ConfigError, Event, RecordingEvents, TimeGrid, from_mapping, load_yaml, save_yaml
from flam.data import CaptionBatch, DataConfig, FrameBatch, TrainingData
from flam.data.audio_bytes import encode_audio
from flam.data.clip import Sound
from flam.data.labels import text_id
from flam.data.shard_source import sample_facts
from flam.data.tar_shards import ShardSample, write_index, write_shard
from flam.losses import dense_labels

RATE = 8_000
GRID = TimeGrid(RATE, 800)
LABELS = ("bell", "dog", "rain", "siren")


def level(number):
    return np.full(RATE, (number + 1) / 100, np.float32)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """All sources that read files, with one damaged recording among them, and phrase sets."""
    home = tmp_path_factory.mktemp("data")
    rows, listed, samples = [], [], []
    for number in range(12):
        name, label = f"{number}.wav", LABELS[number % 4]
        write_audio(home / name, level(number), RATE)
        rows.append([str(number), name, label, f"{label} {number // 4}", "event", name, "here", "CC0"])
        listed.append(RecordingEvents(name, 1.0, (Event(0.1, 0.4, label), Event(0.2, 0.9, LABELS[(number + 1) % 4]))))
        facts = sample_facts((f"shard {number}",), (Sound(label, (f"shard {number}",), ((0.5, 1.0),)),))
        samples.append(ShardSample(str(number), encode_audio(level(number), RATE, ".flac"), ".flac", facts))
    (home / "3.wav").write_bytes(b"RIFF")
    with open(home / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([["id", "file", "label", "caption", "kind", "group", "source", "licence"], *rows])
    write_events(listed, home / "events.csv", "csv")
    (home / "shards").mkdir()
    write_shard(home / "shards" / "0.tar", samples[:5])
    write_shard(home / "shards" / "1.tar", samples[5:])
    write_index(home / "shards")
    (home / "phrases").mkdir()
    (home / "phrases" / "all.yaml").write_text(
        "dog: {phrases: [a dog barks], near: [bell], parents: [animal]}\nbell: {phrases: [ding], near: [], parents: []}"
    )
    shards = {"url": str(home / "shards"), "shards_at_once": 1}
    section = {
        "captions": [{"weight": 2.0, "manifest": {"path": str(home / "manifest.csv")}}, {"shards": shards}],
        "frames": [
            {"recordings": {"audio": str(home), "events": str(home / "events.csv")}},
            {"shards": shards},
        ],
        "caption_clips": 12,
        "frame_clips": 8,
        "clip_s": 0.8,
        "phrases": str(home / "phrases"),
        "seed": 5,
    }
    return from_mapping(DataConfig, section)


@pytest.fixture(scope="module")
def data(config):
    return TrainingData(config, GRID)


def flat(value):
    """Everything in a batch, as plain numbers and texts."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, (CaptionBatch, FrameBatch)):
        return {name: flat(part) for name, part in vars(value).items()}
    return [flat(part) for part in value] if isinstance(value, (list, tuple)) else value


def test_a_batch_is_a_function_of_its_step(data, config):
    later_first = [flat((data.captions(step), data.frames(step))) for step in (5, 3, 4)]
    again = TrainingData(config, GRID)
    in_order = [flat((again.captions(step), again.frames(step))) for step in (3, 4, 5)]
    assert later_first == [in_order[2], in_order[0], in_order[1]]
    assert in_order[0] != in_order[1]
    other_seed = TrainingData(replace(config, seed=6), GRID)
    assert flat(other_seed.captions(3)) != in_order[0][0]


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.slow
def test_the_loader_gives_these_batches_from_any_step_with_any_number_of_workers(data, workers):
    expected = [flat([data.captions(step), data.frames(step)]) for step in range(4)]
    for first_step in (0, 2):
        state = torch.get_rng_state()
        loaded = list(islice(data.loader(first_step, workers=workers), 4 - first_step))
        assert torch.equal(torch.get_rng_state(), state)  # a resumed model draws the numbers it would have drawn
        assert [flat(list(batches)) for batches in loaded] == expected[first_step:]


@pytest.mark.parametrize("world_size", [2, 4])
def test_processes_share_the_batch_of_one(data, world_size):
    for step in range(3):
        whole, parts = data.captions(step), [data.captions(step, rank, world_size) for rank in range(world_size)]
        assert torch.equal(torch.cat([part.waveform for part in parts]), whole.waveform)
        assert [caption for part in parts for caption in part.captions] == whole.captions
        assert torch.equal(torch.cat([part.text_ids for part in parts]), whole.text_ids)

        whole, parts = data.frames(step), [data.frames(step, rank, world_size) for rank in range(world_size)]
        assert torch.equal(torch.cat([part.waveform for part in parts]), whole.waveform)
        assert all(len(part.texts) == 5 * 8 // world_size for part in parts)
        assert {text_id(text) for part in parts for text in part.texts} == {text_id(text) for text in whole.texts}
        # each process knows its clips against the texts of all
        dense = [dense_labels(part.labels, whole.text_ids, 8) for part in parts]
        expected = dense_labels(whole.labels, whole.text_ids, 8)
        assert torch.equal(torch.cat([active for active, _ in dense]), expected[0])
        assert torch.equal(torch.cat([unsure for _, unsure in dense]), expected[1])


@pytest.mark.slow
def test_sources_are_mixed_in_their_shares_and_every_clip_comes(data):
    captions = [caption for step in range(125) for caption in data.captions(step).captions]
    from_shards = sum(caption.startswith("shard") for caption in captions)
    assert from_shards == pytest.approx(500, abs=20)  # of 1,500; exact in each thousand
    damaged = "siren 0"
    assert set(captions) == {f"{label} {n}" for label in LABELS for n in range(3)} - {damaged} | {
        f"shard {number}" for number in range(12)
    } | {""}


def test_captions_belong_to_their_clips(data):
    for step in range(5):
        batch = data.captions(step)
        for waveform, caption, number, is_valid in zip(
            batch.waveform, batch.captions, batch.text_ids, batch.clip_valid, strict=True
        ):
            kind, _, last = caption.partition(" ")
            source = int(last) if kind == "shard" else (4 * int(last) + LABELS.index(kind) if caption else -1)
            assert waveform.numpy() == pytest.approx((source + 1) / 100, abs=1e-3)
            assert int(number) == (text_id(caption) if caption else -1)
            assert bool(is_valid) == bool(caption)


def test_labels_are_true_of_their_clips(data):
    """In shards all sounds begin at 0.5 s; the crop begins at most 0.2 s into the clip."""
    n_checked = 0
    for step in range(5):
        batch = data.frames(step)
        active, unsure = dense_labels(batch.labels, torch.tensor([text_id("a dog barks"), text_id("animal")]), 8)
        for row, waveform in enumerate(batch.waveform):
            said = set(batch.labels.text_id[batch.labels.clip == row].tolist())
            shard = [n for n in range(12) if text_id(f"shard {n}") in said]
            if shard:
                assert waveform.numpy() == pytest.approx((shard[0] + 1) / 100, abs=1e-3)
                is_dog = LABELS[shard[0] % 4] == "dog"
                assert active[row, 6:, 0].all() == is_dog == bool(unsure[row, 1])
                assert not active[row, :2].any()
                n_checked += 1
    assert n_checked > 10


def test_a_damaged_file_is_left_out_told_once_and_counted(data, config, caplog):
    data = TrainingData(config, GRID)
    with caplog.at_level(logging.WARNING):
        loaded = list(islice(data.loader(0, workers=1), 10))
    n_lost = sum(int((~batch.clip_valid).sum()) for batch, _ in loaded)
    n_lost += sum(int((~batch.labels.clip_valid).sum()) for _, batch in loaded)
    assert n_lost > 2
    assert sum(data.problems.values()) == n_lost
    assert [("3.wav" in problem) for problem in data.problems] == [True]
    assert caplog.text.count("left out of training") == 1
    for captions, frames in loaded:
        assert not captions.waveform[~captions.clip_valid].any()
        assert not frames.waveform[~frames.labels.clip_valid].any()


def test_it_travels_to_processes_that_are_not_forked(data):
    assert flat(pickle.loads(pickle.dumps(data)).frames(1)) == flat(data.frames(1))


def test_one_half_may_be_missing(config):
    data = TrainingData(replace(config, captions=()), GRID)
    captions, frames = next(data.loader(0))
    assert captions is None
    assert isinstance(frames, FrameBatch)
    with pytest.raises(ConfigError, match="no sources"):
        data.captions(0)


def test_processes_that_can_not_share_a_batch_are_told(data):
    with pytest.raises(ConfigError, match="rank 0 of 5"):
        data.frames(0, 0, 5)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, "both empty"),
        ({"captions": [{}]}, "exactly one of manifest, shards, procedural; given: none"),
        ({"frames": [{"scenes": {"procedural": {}}, "shards": {"url": "x"}}]}, "given: scenes, shards"),
        ({"frames": [{"scene": {}}]}, "unknown key 'scene'"),
        ({"frames": [{"shards": {"url": "x"}}], "clip_s": 0}, "must be positive"),
        ({"frames": [{"shards": {"url": "x"}}], "name_share": 1.5}, "name_share 1.5"),
    ],
)
def test_mistakes_in_the_section_are_told(section, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(DataConfig, section)


def documented(language):
    text = Path(__file__).parents[2].joinpath("docs", "data.md").read_text(encoding="utf-8")
    return text.split(f"```{language}\n")[1].split("```")[0]


def test_the_shards_of_the_documentation_are_written_and_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(documented("python"), {})
    section = {"captions": [{"shards": {"url": "rendered"}}], "frames": [{"shards": {"url": "rendered"}}]}
    data = TrainingData(from_mapping(DataConfig, {**section, "caption_clips": 1, "frame_clips": 1}), GRID)
    sound = json.loads(documented("json"))["sounds"][0]
    labels = data.frames(0).labels
    assert data.captions(0).captions == json.loads(documented("json"))["captions"]
    assert labels.text_id.tolist() == [text_id(sound["label"]), text_id(sound["texts"][0])]
    assert torch.equal(labels.active[0], torch.from_numpy(GRID.frame_labels(sound["spans_s"], 100)))


def test_the_section_of_the_documentation_is_read(tmp_path):
    example = documented("yaml")
    (tmp_path / "data.yaml").write_text(example)
    config = load_yaml(DataConfig, tmp_path / "data.yaml")
    assert len(config.captions) == 3
    assert len(config.frames) == 4
    save_yaml(config, tmp_path / "again.yaml")
    assert load_yaml(DataConfig, tmp_path / "again.yaml") == config
