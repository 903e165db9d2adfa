"""Shards of other projects: names with dots, captions in txt, and what is no sample is counted."""

import io
import json
import tarfile

import pytest

from flam.data.tar_shards import Shard, ShardSample, write_shard


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
