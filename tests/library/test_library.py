"""A library is scanned into one table: measures are the audio's, whoever measures, however often it stops."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from flam.audio import a_weighted_levels_db, a_weighted_rms_db, active_spans_s, read_audio, write_audio
from flam.core import ConfigError, OutputError, from_mapping
from flam.core.processes import each_file
from flam.library.clip_table import COLUMNS, SourceLibrary, read_library, write_library
from flam.library.gather import LibraryConfig, gather_clips
from flam.library.measure import HOP_SAMPLES, PIECE_FRAMES, measure_file, stream_levels_db
from flam.library.scan import scan_library
from flam.library.source_library import held_out
from flam.library.stores import DiskStore
from flam.scenes.captions.endpoint import EndpointConfig
from flam.scenes.plan import SceneConfig, SceneDrawer
from flam.scenes.render import render

RATE = 48_000


def noise(duration_s, seed=0, level=0.1, rate=RATE):
    return np.random.default_rng(seed).normal(0, level, round(duration_s * rate)).astype(np.float32)


def put(path, waveform, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, rate, subtype="PCM_16")
    return path


@pytest.fixture
def folder(tmp_path):
    """A library with every kind of trouble: 6 clips that can be used, 1 of no role, 4 that can't be used."""
    root = tmp_path / "sounds"
    for number in range(3):
        put(root / "dogs" / f"dog_bark_0{number}.wav", noise(0.4 + 0.1 * number, number))
    put(root / "Forest-Ambience 2.flac", noise(11, 10))
    put(root / "interview.wav", noise(10.5, 11))
    shutil.copy(root / "dogs" / "dog_bark_01.wav", root / "woof.wav")
    put(root / "silent.wav", np.zeros(RATE))
    put(root / "header only.wav", np.zeros(0))
    (root / "empty.wav").write_bytes(b"")
    (root / "broken.ogg").write_bytes(b"OggS" + bytes(500))
    whole = (root / "dogs" / "dog_bark_02.wav").read_bytes()
    (root / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (root / "notes.txt").write_text("not audio")
    return root


def test_measures_are_those_of_the_waveform(tmp_path):
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    waveform = np.concatenate([np.zeros(RATE // 2), 0.5 * tone, np.zeros(RATE // 4)])
    path = put(tmp_path / "tone.wav", np.stack([waveform, waveform], axis=1))
    outcome = measure_file(path)
    measures = outcome.measures
    assert (outcome.status, measures.sample_rate, measures.n_channels, measures.n_samples) == ("ok", RATE, 2, 84_000)
    assert measures.peak_db == pytest.approx(20 * np.log10(0.5), abs=0.001)
    assert measures.rms_db == pytest.approx(10 * np.log10(np.mean(waveform**2)), abs=0.001)
    assert measures.level_db == pytest.approx(a_weighted_rms_db(0.5 * tone, RATE), abs=0.3)  # two frames are half full
    assert measures.leading_silence_s == pytest.approx(0.5, abs=0.03)
    assert measures.trailing_silence_s == pytest.approx(0.25, abs=0.03)
    assert measures.rolloff_hz == pytest.approx(1000, abs=30)


def test_a_long_clip_is_measured_in_pieces_as_if_it_were_whole(tmp_path):
    pieces_s = PIECE_FRAMES * HOP_SAMPLES / RATE
    bursts = [(0.3, 2.0), (pieces_s - 0.2, 0.7), (2 * pieces_s + 0.1, 3.0)]
    waveform = np.zeros(round((2 * pieces_s + 5.01) * RATE), np.float32)
    for number, (onset_s, duration_s) in enumerate(bursts):
        burst = noise(duration_s, number, level=0.01 * 4**number)
        waveform[round(onset_s * RATE) :][: len(burst)] += burst
    path = put(tmp_path / "long.flac", waveform)
    measures = measure_file(path).measures
    stored = read_audio(path)
    levels_db = a_weighted_levels_db(stored, RATE)
    spans_s = active_spans_s(stored, RATE, threshold_db=levels_db.max() - 35)
    assert [s for span in measures.spans_s for s in span] == pytest.approx([s for span in spans_s for s in span])
    active = levels_db[levels_db >= levels_db.max() - 35]
    assert measures.level_db == pytest.approx(10 * np.log10(np.mean(10 ** (active / 10))), abs=0.001)


@pytest.mark.parametrize("n_more", [0, 1, HOP_SAMPLES, 3 * RATE])
def test_levels_of_a_stream_are_those_of_the_whole(n_more):
    waveform = noise(2 * PIECE_FRAMES * HOP_SAMPLES / RATE)
    waveform = np.concatenate([waveform, noise(n_more / RATE, 1)])
    waveform *= np.cumsum(np.random.default_rng(2).normal(0, 0.01, len(waveform))).astype(np.float32)  # rises and falls
    blocks = [waveform[start : start + 65_536] for start in range(0, len(waveform), 65_536)]
    assert stream_levels_db(blocks) == pytest.approx(a_weighted_levels_db(waveform, RATE), abs=0.001)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050])
def test_bandwidth_tells_a_low_sample_rate_whatever_the_file_says(tmp_path, rate):
    write_audio(tmp_path / "low.wav", noise(2, rate=rate), rate)
    write_audio(tmp_path / "upsampled.wav", read_audio(tmp_path / "low.wav", RATE), RATE)
    for name in ("low", "upsampled"):
        assert measure_file(tmp_path / f"{name}.wav").measures.bandwidth_hz == pytest.approx(rate / 2, rel=0.05)


def test_every_file_is_in_the_table_and_only_good_ones_are_drawn(folder, tmp_path):
    library = scan_library([folder], tmp_path / "library.csv", LibraryConfig(label_from="folder"))
    assert {row.clip.path.name: row.status for row in library.rows if row.status != "ok"} == {
        "silent.wav": "silent",
        "empty.wav": "empty",
        "header only.wav": "empty",
        "broken.ogg": "damaged",
        "cut.wav": "partial",
    }
    assert all(row.remark for row in library.rows if row.status != "ok")
    kinds = {row.clip.path.name: row.clip.kind for row in library.rows}
    assert (kinds["Forest-Ambience 2.flac"], kinds["interview.wav"]) == ("background", "other")
    assert [c.clip_id for c in library.clips] == [
        "sounds/Forest-Ambience 2",
        "sounds/cut",
        "sounds/dogs/dog_bark_00",
        "sounds/dogs/dog_bark_01",
        "sounds/dogs/dog_bark_02",
        "sounds/woof",
    ]
    assert {c.label for c in library.clips} == {"dogs", "sounds"}
    assert len({c.group for c in library.clips if "dog_bark" in c.clip_id or "woof" in c.clip_id}) == 1


@pytest.mark.slow
def test_the_table_does_not_depend_on_workers_or_form(folder, tmp_path):
    alone = scan_library([folder], tmp_path / "alone.csv")
    scan_library([folder], tmp_path / "three.csv", workers=3)
    scan_library([folder], tmp_path / "library.parquet")
    assert (tmp_path / "alone.csv").read_bytes() == (tmp_path / "three.csv").read_bytes()
    assert read_library(tmp_path / "library.parquet").rows == read_library(tmp_path / "alone.csv").rows == alone.rows


@pytest.mark.slow
def test_a_scan_that_was_killed_goes_on_where_it_was(folder, tmp_path):
    whole = tmp_path / "whole.csv"
    scan_library([folder], whole)
    code = (
        "import sys, time; from flam.library import scan\n"
        "measure = scan.measure_file\n"
        "scan.measure_file = lambda *a, **k: (time.sleep(0.2), measure(*a, **k))[1]\n"
        f"scan.scan_library([{str(folder)!r}], {str(tmp_path / 'library.csv')!r})"
    )
    partial = tmp_path / "library.csv.partial"
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.read_bytes().count(b"\n") > 3) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "library.csv").exists()
    with open(partial, "ab") as file:
        file.write(b'{"file": {"path": "cut o')  # as if it had been stopped within a line
    told = []
    scan_library([folder], tmp_path / "library.csv", progress=lambda done, total: told.append((done, total)))
    assert 3 <= told[0][0] < told[0][1] == 11
    assert (tmp_path / "library.csv").read_bytes() == whole.read_bytes()
    assert not partial.exists()


def test_only_changed_files_are_measured_again(folder, tmp_path):
    table = tmp_path / "library.parquet"
    scan_library([folder], table)
    put(folder / "woof.wav", noise(1.0, 99))
    (folder / "interview.wav").unlink()
    told = []
    again = scan_library([folder], table, progress=lambda done, total: told.append((done, total)))
    assert told == [(9, 10), (10, 10)]
    assert again.n_samples("sounds/woof") == RATE
    assert "sounds/interview" not in {row.clip.clip_id for row in again.rows}
    told.clear()
    scan_library(
        [folder], table, LibraryConfig(relative_threshold_db=20), progress=lambda *numbers: told.append(numbers)
    )
    assert told[0] == (0, 10)


@pytest.mark.slow
def test_a_file_that_kills_its_process_is_told_and_the_others_are_done(tmp_path, monkeypatch):
    (tmp_path / "fatal_work.py").write_text(
        "import os\n\ndef work(path):\n    return os._exit(3) if 'fatal' in path.name else path.name\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import fatal_work

    paths = [Path(f"{number}.wav") for number in range(8)] + [Path("fatal.wav"), Path("last.wav")]
    found = dict(each_file(paths, fatal_work.work, lambda path: "crashed", workers=2))
    assert found == {path: "crashed" if path.name == "fatal.wav" else path.name for path in paths}


def test_a_folder_can_be_moved_with_its_table(folder, tmp_path):
    scan_library([folder], folder / "library.csv")
    moved = folder.rename(tmp_path / "moved")
    library = read_library(moved / "library.csv")
    assert all(clip.path.is_relative_to(moved) for clip in library.clips)
    source = DiskStore(library)
    assert all(len(source.waveform(c.clip_id)) == library.n_samples(c.clip_id) for c in library.clips)


def test_scenes_are_drawn_and_rendered_from_the_table(folder, tmp_path):
    library = scan_library([folder], tmp_path / "library.csv", LibraryConfig(label_from="name"))
    labels = {clip.clip_id: clip.label for clip in library.clips}
    config = SceneConfig()
    drawer = SceneDrawer(library.clips, library, config)
    again = SceneDrawer(read_library(tmp_path / "library.csv").clips, read_library(tmp_path / "library.csv"), config)
    source = DiskStore(library)
    n_events = 0
    for index in range(5):
        plan = drawer.draw(0, index)
        assert plan == again.draw(0, index)
        n_events += len(render(plan, source, labels).events)
    assert n_events > 0


def test_the_disk_source_holds_what_was_used_last(folder, tmp_path):
    library = scan_library([folder / "dogs"], tmp_path / "library.csv")
    sizes = [4 * library.n_samples(clip.clip_id) for clip in library.clips]
    source = DiskStore(library, cache_bytes=sizes[0] + sizes[1])
    first, second, third = (clip.clip_id for clip in library.clips)
    held = source.waveform(first)
    source.waveform(second)
    assert source.waveform(first) is held
    source.waveform(third)  # too large for all three
    assert source.waveform(first) is not held
    assert (source.waveform(first) == held).all()


def test_sidecars_tell_and_bad_ones_are_told_of(tmp_path):
    put(tmp_path / "a" / "one.wav", noise(0.2, 1))
    (tmp_path / "a" / "one.json").write_text(
        json.dumps({"label": "dog bark", "license": "CC0", "tags": ["yard", "dog"], "group": "g", "id": 7})
    )
    (tmp_path / "a" / "one.txt").write_text("A dog,\nbehind a fence")
    put(tmp_path / "a" / "two.wav", noise(0.2, 2))
    (tmp_path / "a" / "two.json").write_text("{not json")
    put(tmp_path / "a" / "three.wav", noise(0.2, 3))
    (tmp_path / "a" / "three.txt").write_text("0.5\t1.0\tdog bark\n")
    put(tmp_path / "a" / "four.wav", noise(0.2, 4))
    (tmp_path / "a" / "four.json").write_text('{"kind": "sfx"}')
    told = []
    found = {f.clip.clip_id: f for f in gather_clips([tmp_path / "a"], LibraryConfig(), told.append)}
    one = found["a/one"]
    assert (one.clip.label, one.clip.licence, one.clip.group, one.clip.source) == ("dog bark", "CC0", "g", "a")
    assert one.about == "A dog, behind a fence; yard; dog"
    assert len(found) == 4
    assert sorted(line.split(": ")[0].rpartition("/")[2] for line in told) == [
        "four.json",
        "three.txt",
        "two.json, line 1",
    ]
    write_library(scan_library([tmp_path / "a"], tmp_path / "t.csv", on_problem=told.append), tmp_path / "t.csv")
    row = next(row for row in read_library(tmp_path / "t.csv").rows if row.clip.clip_id == "a/one")
    assert (row.clip.licence, row.about) == ("CC0", "A dog, behind a fence; yard; dog")


def test_a_manifest_keeps_what_it_says(tmp_path):
    put(tmp_path / "x" / "rain.wav", noise(3, 1))
    put(tmp_path / "x" / "long.wav", noise(12, 2))
    header = "id,file,label,caption,kind,group,source,licence,esc50_fold\n"
    rows = "r,x/rain.wav,rain,rain falling,background,g1,web,CC BY 4.0,3\nl,x/long.wav,unlabelled,,event,g2,web,CC0,\n"
    (tmp_path / "manifest.csv").write_text(header + rows)
    library = scan_library([tmp_path / "manifest.csv"], tmp_path / "out.csv")
    by_id = {clip.clip_id: clip for clip in library.clips}
    assert (by_id["r"].kind, by_id["r"].fold, by_id["r"].licence) == ("background", "3", "CC BY 4.0")
    assert (by_id["l"].kind, by_id["l"].label) == ("event", "")
    assert {row.clip.clip_id: row.caption_from for row in library.rows} == {"r": "given", "l": ""}


def test_ids_are_unique_and_files_are_taken_once(tmp_path):
    for place in ("a/s", "b/s"):
        put(tmp_path / place / "x.wav", noise(0.1, len(place)))
        put(tmp_path / place / "x.flac", noise(0.1, 5))
    found = gather_clips([tmp_path / "a" / "s", tmp_path / "b" / "s", tmp_path / "a"], LibraryConfig())
    assert sorted(f.clip.clip_id for f in found) == ["s/x.flac", "s/x.flac-2", "s/x.wav", "s/x.wav-2"]


def test_copies_never_fall_on_both_sides_of_a_split(tmp_path):
    for number in range(30):
        path = put(tmp_path / "a" / f"{chr(97 + number % 26)}{number}x.wav", noise(0.05, number))
        copy = tmp_path / "b" / f"other name {chr(122 - number % 26)}{number}y.flac"
        put(copy, soundfile.read(path)[0])  # the same samples in another format
    library = scan_library([tmp_path / "a", tmp_path / "b"], tmp_path / "t.csv")
    content = {row.clip.clip_id: row.measures.content for row in library.rows}
    out = {clip.clip_id: held_out(clip, 0.5, [], []) for clip in library.clips}
    sides = {}
    for clip_id, side in out.items():
        sides.setdefault(content[clip_id], set()).add(side)
    assert len(sides) == 30
    assert all(len(side) == 1 for side in sides.values())
    assert 5 < sum(out.values()) / 2 < 25


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_a_name_that_is_not_utf8_is_told_and_left_out(tmp_path):
    put(tmp_path / "a" / "ok.wav", noise(0.1))
    shutil.copy(tmp_path / "a" / "ok.wav", os.fsencode(tmp_path / "a") + b"/\xff.wav")
    told = []
    library = scan_library([tmp_path / "a"], tmp_path / "t.csv", on_problem=told.append)
    assert [row.clip.clip_id for row in library.rows] == ["a/ok"]
    assert "not UTF-8" in told[0]


def test_texts_with_commas_quotes_and_lines_come_back(tmp_path):
    put(tmp_path / "a" / 'od"d, näme\n.wav', noise(0.1))
    rows = scan_library([tmp_path / "a"], tmp_path / "t.csv").rows
    odd = replace(rows[0], about='"quoted", with\nlines; ünï')
    for name in ("t.csv", "t.parquet"):
        write_library(SourceLibrary([odd]), tmp_path / name)
        assert read_library(tmp_path / name).rows == (odd,)


def test_tables_that_do_not_fit_are_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"ends in \.csv or \.parquet"):
        scan_library([folder], tmp_path / "library.xlsx")
    with pytest.raises(ConfigError, match="no such file or folder"):
        scan_library([tmp_path / "nowhere"], tmp_path / "t.csv")
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="no audio files"):
        scan_library([tmp_path / "none"], tmp_path / "t.csv")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("id,file\n1,a.wav\n")
    with pytest.raises(OutputError, match="name another table"):
        scan_library([folder], manifest)
    assert manifest.read_text().startswith("id,file")
    (tmp_path / "not.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ConfigError, match="can't be read as Parquet"):
        read_library(tmp_path / "not.parquet")
    table = tmp_path / "t.csv"
    scan_library([folder / "dogs"], table)
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(ConfigError, match="an id twice"):
        read_library(table)
    cells = lines[1].split(",")
    cells[COLUMNS.index("n_samples")] = "many"
    table.write_text("\n".join([lines[0], ",".join(cells)]))
    with pytest.raises(ConfigError, match=r"clip 1: .*many"):
        read_library(table)


def test_the_examples_of_the_documentation_are_right():
    text = (Path(__file__).parents[2] / "docs" / "library.md").read_text(encoding="utf-8")
    [settings] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert from_mapping(EndpointConfig, yaml.safe_load(settings)).concurrency == 16
    scene = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[1]
    code, _, told = scene.strip().rpartition("  # ")
    imports, _, call = code.partition("\n\n")
    names = {}
    exec(imports, names)
    assert repr(eval(call, names)) == told
    columns = {
        name for line in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)
    }
    assert columns == set(COLUMNS)
