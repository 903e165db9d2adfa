"""A model folder that is damaged or hostile is refused in one line, and no library prints to the terminal."""

import json
import shutil
import struct

import pytest

import flam
from flam.core import FlamError
from flam.hub.hub import resolve


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(resolve("flam-mini"), tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("key", ["model", "card", "detection"])
@pytest.mark.parametrize("value", [None, [], 5, "x"])
def test_a_part_of_the_config_that_is_no_mapping(folder, key, value):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(FlamError, match=rf"config.json: {key} is no mapping"):
        flam.load(folder)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda content: b"", "can't be read|ends inside"),
        (lambda content: content[:100_000], "holds .* of .* bytes of weights"),
        (lambda content: struct.pack("<Q", 2**62) + b"{}", "ends inside its header"),
        (lambda content: struct.pack("<Q", 2) + b"[]", "names no tensors"),
        (lambda content: struct.pack("<Q", 10) + b'{"a": [] }', "names no tensors"),
        (lambda content: struct.pack("<Q", 2) + b"{]", "JSON|nested|can't be read"),
    ],
    ids=["empty", "cut", "claim", "list", "no places", "no JSON"],
)
def test_damaged_weights(folder, capfd, damage, told):
    path = folder / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FlamError, match=told) as refused:
        flam.load(folder)
    assert "onnxruntime" not in str(refused.value)
    assert capfd.readouterr() == ("", "")
