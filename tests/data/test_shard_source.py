"""Shards give the same clips wherever they lie, and damage in one does not touch the others."""

import itertools
import shutil

import fsspec
import numpy as np
import pytest

from flam.core import AudioError, ConfigError, from_mapping
from flam.data import shard_source
from flam.data.audio_bytes import encode_audio
from flam.data.clip import Sound
from flam.data.shard_source import ShardsConfig, ShardSource, sample_facts
from flam.data.tar_shards import ShardSample, write_index, write_shard

RATE, N_SAMPLES = 8_000, 4_000
SIZES = (3, 2, 4)
NAMES = itertools.count()


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    number = 0
    for shard, size in enumerate(SIZES):
        samples = []
        for _ in range(size):
            facts = sample_facts((f"clip {number}",), (Sound("tone", (f"tone {number}",), ((0.1, 0.2),)),))
            waveform = np.full(N_SAMPLES, (number + 1) / 100, np.float32)
            samples.append(ShardSample(str(number), encode_audio(waveform, RATE, ".flac"), ".flac", facts))
            number += 1
        write_shard(folder / f"{shard}.tar", samples)
    write_index(folder)
    return folder


@pytest.fixture
def in_memory(shards):
    url = f"memory://shards-{next(NAMES)}"
    for path in shards.iterdir():
        with fsspec.open(f"{url}/{path.name}", "wb") as file:
            file.write(path.read_bytes())
    return url


def source(url, cache=None, needed="captions", **options):
    return ShardSource(ShardsConfig(str(url), cache, **options), needed, N_SAMPLES, RATE, (0,))


def clips(of, first, last):
    return [of.clip(ordinal, np.random.default_rng(ordinal)) for ordinal in range(first, last)]


def same(a, b):
    return np.array_equal(a.waveform, b.waveform) and (a.captions, a.sounds) == (b.captions, b.sounds)


def test_every_sample_comes_back_once_an_epoch_as_it_was_written(shards):
    for epoch in range(2):
        read = clips(source(shards, shards_at_once=2), epoch * 9, epoch * 9 + 9)
        assert sorted(clip.captions for clip in read) == [(f"clip {number}",) for number in range(9)]
        for clip in read:
            number = int(clip.captions[0].split()[1])
            assert clip.sounds == (Sound("tone", (f"tone {number}",), ((0.1, 0.2),)),)
            assert np.abs(clip.waveform - (number + 1) / 100).max() < 2**-15


def test_remote_shards_equal_local_ones_and_are_copied_once(shards, in_memory, tmp_path):
    local = clips(source(shards), 0, 9)
    for url, cache in ((in_memory, tmp_path / "a"), (f"file://{shards}", tmp_path / "b")):
        assert all(map(same, local, clips(source(url, cache), 0, 9)))
        assert len(list(cache.glob("*.tar"))) == len(SIZES)
    fsspec.filesystem("memory").rm(f"{in_memory}/1.tar")
    assert all(map(same, local, clips(source(in_memory, tmp_path / "a"), 0, 9)))


def test_a_copy_that_is_not_what_the_index_says_is_refused(shards, in_memory, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_source.time, "sleep", lambda seconds: None)
    data = bytearray((shards / "1.tar").read_bytes())
    data[700] ^= 1
    with fsspec.open(f"{in_memory}/1.tar", "wb") as file:
        file.write(data)
    remote, local = source(in_memory, tmp_path / "cache"), source(shards)
    outcomes = []
    for ordinal in range(9):
        expected = local.clip(ordinal, np.random.default_rng(ordinal))
        is_damaged = int(expected.captions[0].split()[1]) in (3, 4)
        outcomes.append(is_damaged)
        if is_damaged:
            with pytest.raises(AudioError, match="checksum"):
                remote.clip(ordinal, np.random.default_rng(ordinal))
        else:
            assert same(expected, remote.clip(ordinal, np.random.default_rng(ordinal)))
    assert sum(outcomes) == 2
    assert len(list((tmp_path / "cache").glob("*.tar"))) == 2


def test_a_place_that_fails_once_is_asked_again(shards, in_memory, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_source.time, "sleep", lambda seconds: None)
    remote = source(in_memory, tmp_path / "cache")
    reopen, failures = fsspec.open, iter([True, True])

    def unsteady(*arguments):
        if next(failures, False):
            raise ConnectionResetError("connection reset")
        return reopen(*arguments)

    monkeypatch.setattr(fsspec, "open", unsteady)
    assert len(clips(remote, 0, 9)) == 9


def test_a_missing_or_changed_local_shard_is_told(shards):
    (shards / "0.tar").write_bytes(b"short")
    shutil.move(shards / "2.tar", shards / "elsewhere")
    opened = source(shards)
    problems = set()
    n_read = 0
    for ordinal in range(9):
        try:
            opened.clip(ordinal, np.random.default_rng(0))
            n_read += 1
        except AudioError as error:
            problems.add(str(error))
    assert n_read == 2
    assert len(problems) == 2


def test_captions_as_other_projects_write_them_are_read(tmp_path):
    audio = encode_audio(np.full(8_000, 0.1), 16_000, ".flac")
    facts = [{"text": "one"}, {"text": ["two", "three", ""]}, {"captions": 5}, {}, {"sounds": [{"label": 1}]}]
    write_shard(tmp_path / "0.tar", [ShardSample(str(i), audio, ".flac", fact) for i, fact in enumerate(facts)])
    write_index(tmp_path)
    opened = source(tmp_path)
    captions, problems = [], []
    for ordinal in range(5):
        try:
            captions.append(opened.clip(ordinal, np.random.default_rng(0)).captions)
        except AudioError as error:
            problems.append(str(error))
    assert sorted(captions) == [("one",), ("two", "three")]
    assert len(problems) == 3


def test_shards_without_sounds_are_refused_where_sounds_are_asked_for(tmp_path):
    audio = encode_audio(np.full(8_000, 0.1), 16_000, ".flac")
    write_shard(tmp_path / "0.tar", [ShardSample("a", audio, ".flac", sample_facts(("rain",)))])
    write_index(tmp_path)
    assert source(tmp_path).clip(0, np.random.default_rng(0)).captions == ("rain",)
    with pytest.raises(AudioError, match="says no sounds"):
        source(tmp_path, needed="sounds").clip(0, np.random.default_rng(0))


def test_a_place_without_index_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"shards\.json"):
        source(tmp_path)
    with pytest.raises(ConfigError, match="need a cache"):
        from_mapping(ShardsConfig, {"url": "s3://bucket/scenes"})
