"""``flam data``: what it prints, and what its exit code says."""

import numpy as np
import pytest
import soundfile

from flam.library.source_library import read_manifest


@pytest.fixture
def esc50(tmp_path):
    root = tmp_path / "ESC-50-master"
    (root / "meta").mkdir(parents=True)
    (root / "audio").mkdir()
    (root / "meta/esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-100032-A-0.wav,1,0,dog,True,100032,A\n1-17124-A-43.wav,1,43,car_horn,False,17124,A\n"
    )
    for name in ("1-100032-A-0", "1-17124-A-43"):
        soundfile.write(root / f"audio/{name}.wav", np.zeros(400), 8000)
    return root


@pytest.fixture
def desed(tmp_path):
    root = tmp_path / "dataset"
    (root / "metadata/eval").mkdir(parents=True)
    (root / "audio/eval/public").mkdir(parents=True)
    (root / "metadata/eval/public.tsv").write_text(
        "filename\tonset\toffset\tevent_label\nYabcdefghijk_0_10.wav\t1.5\t2.0\tAlarm_bell_ringing\n"
    )
    soundfile.write(root / "audio/eval/public/Yabcdefghijk_0_10.wav", np.zeros(400), 8000)
    return root


def test_list(run):
    outcome = run("data", "list")
    assert outcome.code == 0
    for text in ("ESC-50", "MAESTRO Real", "CC BY-NC 3.0", "https://github.com/karolpiczak/ESC-50", "108.3"):
        assert text in outcome.out


def test_check_of_a_whole_corpus(run, esc50):
    outcome = run("data", "check", "esc50", "--root", esc50.parent, "--decode")
    assert (outcome.code, outcome.err) == (0, "")
    heading, columns, row = outcome.out.splitlines()
    assert heading == f"ESC-50 in {esc50}"
    assert columns.split() == ["split", "listed", "present", "missing", "damaged", "bad", "rows"]
    assert row.split() == ["all", "2", "2", "0", "0", "0"]


def test_check_names_what_is_wrong(run, esc50):
    (esc50 / "audio/1-100032-A-0.wav").unlink()
    (esc50 / "audio/1-17124-A-43.wav").write_bytes(b"")
    (esc50 / "audio/stray.wav").write_bytes(b"")
    with open(esc50 / "meta/esc50.csv", "a") as file:
        file.write("half a row\n")
    outcome = run("data", "check", "ESC-50", "--root", esc50)
    assert outcome.code == 1
    for text in (
        "all, missing:\n  1-100032-A-0.wav",
        "all, damaged:\n  1-17124-A-43.wav: is empty",
        "all, bad rows:\n",
        "esc50.csv, line 4: 1 cells where 7",
        "recordings that no table names:\n  audio/stray.wav",
    ):
        assert text in outcome.out


def test_dead_links_are_counted_and_no_fault(run, tmp_path):
    (tmp_path / "vggsound.csv").write_text("--0PQM4-hqg,30,waterfall burbling,train\n")
    outcome = run("data", "check", "VGGSound", "--root", tmp_path, "--split", "train")
    assert outcome.code == 0
    assert "train, dead links:\n  --0PQM4-hqg_000030\n" in outcome.out


def test_absent_splits_are_told(run, desed):
    outcome = run("data", "check", "DESED", "--root", desed)
    assert outcome.code == 0
    assert "not here: validation, synthetic21_validation, synthetic21_train, strong, weak" in outcome.out
    asked = run("data", "check", "DESED", "--root", desed, "--split", "validation")
    assert asked.code == 2
    assert "split 'validation' of DESED is not there" in asked.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "ESC-51", "--root", "."), "corpus 'ESC-51' is not known; choose one of DESED"),
        (("check", "ESC-50", "--root", "."), "holds none of the tables of ESC-50 (meta/esc50.csv)"),
        (("check", "ESC-50"), "--root"),
        (("manifest", "ESC-50", "--root", ".", "-o", "m.csv"), "holds none of the tables"),
    ],
)
def test_wrong_commands(run, arguments, message):
    outcome = run("data", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.out == ""


def test_manifest(run, esc50, tmp_path):
    (esc50 / "audio/1-17124-A-43.wav").unlink()
    outcome = run("data", "manifest", "ESC-50", "--root", esc50, "-o", "manifest.csv")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "1 of 2 recordings of ESC-50 (all) are here and in manifest.csv\n"
    [clip] = read_manifest(tmp_path / "manifest.csv")
    assert (clip.label, clip.fold) == ("dog", "1")


def test_manifest_of_nothing_is_a_failure(run, esc50):
    for path in (esc50 / "audio").iterdir():
        path.unlink()
    assert run("data", "manifest", "ESC-50", "--root", esc50, "-o", "manifest.csv").code == 1


def test_manifest_with_strong_labels(run, desed, tmp_path):
    outcome = run("data", "manifest", "DESED", "--root", desed, "-o", "m.csv", "--events", "events.tsv")
    assert outcome.code == 0
    assert (tmp_path / "events.tsv").read_text() == (
        "filename\tonset\toffset\tevent_label\n"
        "audio/eval/public/Yabcdefghijk_0_10.wav\t1.500000\t2.000000\talarm bell ringing\n"
    )


def test_strong_labels_of_a_corpus_without(run, esc50, tmp_path):
    outcome = run("data", "manifest", "ESC-50", "--root", esc50, "-o", "m.csv", "--events", "events.tsv")
    assert outcome.code == 2
    assert "ESC-50 has no strong labels" in outcome.err
    assert not (tmp_path / "m.csv").exists()


def test_manifest_that_cannot_be_written(run, esc50):
    outcome = run("data", "manifest", "ESC-50", "--root", esc50, "-o", "nowhere/m.csv")
    assert outcome.code == 1
    assert "can't be written" in outcome.err
