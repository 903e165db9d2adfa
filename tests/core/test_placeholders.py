"""Pages of failed downloads and pointers of Git LFS are named as what they are, wherever a file is asked for."""

import shutil

import pytest

import flam
from flam.annotations import read_events
from flam.audio import open_recording
from flam.core import AnnotationError, AudioError, ConfigError, FlamError, FrameScores, ModelError, read_text
from flam.core.placeholders import placeholder
from flam.data.tar_shards import Shard
from flam.hub.hub import resolve
from flam.library.clip_table import read_library
from flam.library.source_library import read_manifest

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html>\n<html lang=en><title>404 Not Found</title></html>"
LFS, HTML = "is a Git LFS pointer", "is an HTML page"
PLACEHOLDERS = pytest.mark.parametrize(("content", "told"), [(POINTER, LFS), (PAGE, HTML)])


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (POINTER, LFS),
        (b"version https://hawser.github.com/spec/v1\n", LFS),
        (PAGE, HTML),
        (b"\xef\xbb\xbf<HTML>", HTML),
        (b"<!-- saved -->\n<html >", HTML),
        (b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>', "server's error message"),
        (b"/annex/objects/SHA256E-s31390--f50d7ac.wav\n", "git-annex pointer"),
        (b"../.git/annex/objects/Vz/8x/SHA256E-s31390", "git-annex pointer"),
    ],
)
def test_placeholders_are_known(head, told):
    assert told in placeholder(head)


@pytest.mark.parametrize("head", [b"", b"RIFF", b"onset,offset,label\n0,1,<html>", b"version: 1\n", b"<?xml?><rss>"])
def test_other_files_are_none(head):
    assert placeholder(head) is None


@PLACEHOLDERS
@pytest.mark.parametrize(
    ("name", "read", "error"),
    [
        *[(f"a.{suffix}", open_recording, AudioError) for suffix in ("wav", "mp3", "m4a")],
        *[(name, read_events, AnnotationError) for name in ("a.txt", "a.csv", "a.json", "a.selections.txt")],
        ("manifest.csv", read_manifest, ConfigError),
        ("library.csv", read_library, ConfigError),
        ("library.parquet", read_library, ConfigError),
        ("scores.npz", FrameScores.load, FlamError),
        ("shard.tar", Shard, AudioError),
        ("prompts.txt", lambda path: read_text(path, ConfigError), ConfigError),
    ],
)
def test_each_reader_says_what_the_file_is(tmp_path, content, told, name, read, error):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=f"{name}.*: {told}"):
        read(tmp_path / name)


@PLACEHOLDERS
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "audio.onnx"])
def test_a_file_of_a_model(tmp_path, content, told, name):
    shutil.copytree(resolve("flam-mini"), tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name}: {told}"):
        flam.load(tmp_path / "model")


@PLACEHOLDERS
def test_weights_to_convert(tmp_path, content, told):
    convert = pytest.importorskip("flam.model.convert")
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(ModelError, match=told):
        convert.read_weights(tmp_path / "weights.pth")


def test_one_in_a_folder_costs_itself_only(tmp_path, make_recording, run, stub):
    make_recording("in/good.wav", 3.0, ((1.0, 2.0),))
    (tmp_path / "in" / "bad.wav").write_bytes(POINTER)
    done = run("detect", tmp_path / "in", "-p", "loud", "-o", "all.csv", "-q")
    assert done.code == 1
    assert f"bad.wav: {LFS}, not the file itself; run git lfs pull" in done.err
