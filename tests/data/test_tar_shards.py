"""Shards: what is written is read back, of this package and of others, and damage is found."""

import io
import json
import tarfile

import numpy as np
import pytest

from flam.core import AudioError, ConfigError, OutputError, file_sha256
from flam.data.audio_bytes import decode_audio, encode_audio
from flam.data.tar_shards import (
    INDEX_NAME,
    Shard,
    ShardEntry,
    ShardSample,
    finished,
    parse_index,
    write_index,
    write_shard,
)


def tone(n=4800, seed=0):
    return np.random.default_rng(seed).uniform(-0.4, 0.4, n).astype(np.float32)


def samples(n, suffix=".flac"):
    return [
        ShardSample(f"{i:03d}", encode_audio(tone(seed=i), 48_000, suffix), suffix, {"captions": [f"ü {i}"], "n": i})
        for i in range(n)
    ]


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".opus", ".wav"])
def test_written_is_read(tmp_path, suffix):
    written = samples(5, suffix)
    entry = write_shard(tmp_path / "0.tar", written)
    shard = Shard(tmp_path / "0.tar")
    assert entry == ShardEntry("0.tar", 5, (tmp_path / "0.tar").stat().st_size, file_sha256(tmp_path / "0.tar"))
    assert [shard[row] for row in range(len(shard))] == written


@pytest.mark.parametrize(("suffix", "tolerance"), [(".wav", 0.0), (".flac", 2**-15), (".ogg", 0.03), (".opus", 0.06)])
def test_audio_survives(suffix, tolerance):
    rate = 48_000
    waveform = (0.4 * np.sin(np.arange(3 * rate) * 0.03)).astype(np.float32)
    decoded, decoded_rate = decode_audio(encode_audio(waveform, rate, suffix), "here")
    assert (decoded.shape, decoded_rate) == (waveform.shape, rate)
    assert np.abs(decoded - waveform).max() <= tolerance


def test_a_minute_of_vorbis_can_be_encoded():
    assert len(decode_audio(encode_audio(tone(60 * 16_000), 16_000, ".ogg"), "here")[0]) == 60 * 16_000


@pytest.mark.parametrize(
    ("waveform", "suffix"),
    [(tone(), ".mp4"), (tone() * 9, ".flac"), (tone() * np.nan, ".flac"), (np.zeros(0), ".flac"), (tone(), ".opus")],
)
def test_what_can_not_be_encoded_is_refused(waveform, suffix):
    with pytest.raises(OutputError):
        encode_audio(waveform, 44_100, suffix)


def test_equal_samples_give_equal_bytes(tmp_path):
    assert write_shard(tmp_path / "a.tar", samples(3)).sha256 == write_shard(tmp_path / "b.tar", samples(3)).sha256


def test_the_layout_is_that_of_webdataset(tmp_path):
    write_shard(tmp_path / "0.tar", samples(2))
    with tarfile.open(tmp_path / "0.tar") as tar:
        assert tar.getnames() == ["000.flac", "000.json", "001.flac", "001.json"]
        assert json.load(tar.extractfile("001.json")) == {"captions": ["ü 1"], "n": 1}


def test_an_interrupted_shard_leaves_nothing(tmp_path):
    def interrupted():
        yield from samples(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path / "0.tar", interrupted())
    assert list(tmp_path.iterdir()) == []
    assert not finished(tmp_path / "0.tar")
    write_shard(tmp_path / "0.tar", samples(2))
    assert finished(tmp_path / "0.tar")
    with open(tmp_path / "0.tar", "ab") as file:
        file.write(b"x")
    assert not finished(tmp_path / "0.tar")


@pytest.mark.parametrize("key", ["", "a.b", "a/b", "000"])
def test_keys_that_webdataset_would_take_apart_are_refused(tmp_path, key):
    with pytest.raises(OutputError, match="key"):
        write_shard(tmp_path / "0.tar", [*samples(1), ShardSample(key, b"", ".flac", {})])


def test_a_shard_without_samples_is_refused(tmp_path):
    with pytest.raises(OutputError, match="at least one"):
        write_shard(tmp_path / "0.tar", [])


def test_index_lists_own_and_foreign_shards(tmp_path):
    own = write_shard(tmp_path / "1.tar", samples(3))
    with tarfile.open(tmp_path / "0.tar", "w") as tar:  # in folders, with another order and files besides
        for name in ("x/a.json", "x/a.wav", "x/notes", "x/b.wav", "y/a.json", "y/a.mp3", "y/a.txt"):
            member = tarfile.TarInfo(name)
            member.size = 2
            tar.addfile(member, io.BytesIO(b"{}"))
    entries = write_index(tmp_path)
    assert [entry.nsamples for entry in entries] == [2, 3]
    assert entries[1] == own
    assert parse_index((tmp_path / INDEX_NAME).read_text(), "here") == entries
    assert [sample.suffix for sample in map(Shard(tmp_path / "0.tar").__getitem__, range(2))] == [".wav", ".mp3"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"shardlist": [{"url": "a"}]}', '{"shardlist": []}'])
def test_what_is_no_index_is_refused(text):
    with pytest.raises(ConfigError, match="here"):
        parse_index(text, "here")


def test_a_folder_without_shards_has_no_index(tmp_path):
    with pytest.raises(ConfigError, match=r"no \*\.tar"):
        write_index(tmp_path)


def test_damage_is_told(tmp_path):
    write_shard(tmp_path / "0.tar", [ShardSample("a", b"no audio", ".flac", {})])
    with pytest.raises(AudioError, match="here"):
        decode_audio(Shard(tmp_path / "0.tar")[0].audio, "here")
    with pytest.raises(AudioError, match="no sample 1"):
        Shard(tmp_path / "0.tar")[1]
    for data in (b"", b"x" * 5000):
        (tmp_path / "1.tar").write_bytes(data)
        with pytest.raises(AudioError, match=r"1\.tar"):
            Shard(tmp_path / "1.tar")
    with pytest.raises(AudioError, match=r"2\.tar"):
        Shard(tmp_path / "2.tar")


def shard(path, **members):
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return Shard(path)


def test_names_with_dots_are_samples_of_their_own(tmp_path):
    members = {}
    for number in ("01", "02"):
        members[f"set/song.{number}.flac"] = number.encode()
        members[f"set/song.{number}.json"] = json.dumps({"captions": [f"take {number}"]}).encode()
    found = shard(tmp_path / "a.tar", **members)
    assert [(found[row].key, found[row].audio, found[row].facts) for row in range(len(found))] == [
        ("song.01", b"01", {"captions": ["take 01"]}),
        ("song.02", b"02", {"captions": ["take 02"]}),
    ]
    assert found.n_dropped == 0


def test_captions_lie_in_txt(tmp_path):
    found = shard(tmp_path / "a.tar", **{"a.wav": b"", "a.txt": b"Regen auf\nein Dach", "b.MP3": b"", "b.TXT": b"x"})
    assert [found.facts(row) for row in range(2)] == [{"captions": ["Regen auf ein Dach"]}, {"captions": ["x"]}]


def test_captions_of_the_json_count_before_the_txt(tmp_path):
    found = shard(tmp_path / "a.tar", **{"a.wav": b"", "a.txt": b"two", "a.json": b'{"captions": ["one"]}'})
    assert found.facts(0) == {"captions": ["one"]}
    found = shard(tmp_path / "b.tar", **{"a.wav": b"", "a.txt": b"two", "a.json": b'{"licence": "CC0"}'})
    assert found.facts(0) == {"captions": ["two"], "licence": "CC0"}


def test_audio_without_a_text_is_counted(tmp_path, caplog):
    found = shard(tmp_path / "a.tar", **{"a.wav": b"", "a.json": b"{}", "b.wav": b"", "c.1.ogg": b"", "notes.md": b""})
    assert (len(found), found.n_dropped) == (1, 2)
    assert "2 audio files have no json or txt beside them and are left out" in caplog.text


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_stems_of_our_own_shards_are_no_samples(tmp_path, suffix):
    write_shard(tmp_path / "a.tar", [ShardSample("a", b"1", suffix, {}, {f".stem0{suffix}": b"2"})])
    found = Shard(tmp_path / "a.tar")
    assert (len(found), found.n_dropped, found[0].audio) == (1, 0, b"1")
