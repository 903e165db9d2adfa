"""``flam synth``: from a recipe to plans, shards, statistics and pictures."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

RECIPE = "duration_s: 1.0\nn_events: {integers: [1, 4]}\n"


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def rendered(run, recipe, scene_table):
    """Render into a folder of this name, in this process."""

    def call(folder, *options, source=recipe, shard_scenes=2):
        given = ("--library", scene_table, "--workers", 0, "--shard-scenes", shard_scenes, "-q", "-o", folder)
        return run("synth", "render", source, *given, *options)

    return call


def shards(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.tar"))}


def test_plans_are_the_same_on_stdout_in_a_file_and_in_shards(run, rendered, recipe, scene_table, tmp_path):
    draw = ("synth", "plan", recipe, "--library", scene_table, "-n", 5, "--seed", 2)
    printed = run(*draw)
    assert (printed.code, len(printed.out.splitlines())) == (0, 5)
    assert "5 plans: plans.jsonl" in run(*draw, "-o", "plans.jsonl").err
    assert (tmp_path / "plans.jsonl").read_text() == printed.out
    settings = yaml.safe_load((tmp_path / "plans.jsonl.settings.yaml").read_text())
    assert (settings["n_scenes"], settings["seed"], settings["scene"]["duration_s"]) == (5, 2, 1.0)
    assert run("synth", "plan", "plans.jsonl.settings.yaml", *draw[3:]).out == printed.out
    assert rendered("drawn", "-n", 5, "--seed", 2).code == 0
    assert rendered("listed", source="plans.jsonl").code == 0
    assert shards("drawn") == shards("listed")
    assert len(shards("drawn")) == 3


@pytest.mark.slow
def test_killed_and_resumed_with_other_processes_the_shards_are_the_same(run, rendered, recipe, scene_table, tmp_path):
    n_scenes = 40
    assert rendered("whole", "-n", n_scenes).code == 0
    command = [sys.executable, "-m", "flam", "synth", "render", recipe, "--library", scene_table, "-n", n_scenes]
    command += ["--shard-scenes", 2, "--workers", 2, "-q", "-o", "cut"]
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 200
    while not list((tmp_path / "cut").glob("*.scenes.json")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    n_finished = len(list((tmp_path / "cut").glob("*.scenes.json")))
    assert n_finished > 0
    assert not (tmp_path / "cut" / "shards.json").exists()
    (tmp_path / "cut" / ".0123456789abcdef.part").touch()
    resumed = rendered("cut", "-n", n_scenes)
    assert not list((tmp_path / "cut").glob("*.part"))
    assert resumed.code == 0
    assert "of 20 shards are finished already" in resumed.err
    assert shards("cut") == shards("whole")
    assert (tmp_path / "cut" / "shards.json").read_bytes() == (tmp_path / "whole" / "shards.json").read_bytes()


@pytest.mark.slow
def test_inspect_tells_of_the_set_and_draws_a_scene(run, rendered, scene_table, tmp_path):
    rendered("set", "-n", 6)
    told = run("synth", "inspect", "set")
    assert told.code == 0
    for line in ("6 scenes, 0.00 hours", "0 scenes could not be rendered", "SNR measured", "3 labels", "CC0"):
        assert line in told.out
    asked = next(line for line in told.out.splitlines() if line.startswith("events a scene, asked")).split()
    assert (asked[4], asked[8]) == ("1.00", "4.00")
    assert run("synth", "inspect", "set", "--scene", 4, "-o", "scene.png").code == 0
    assert (tmp_path / "scene.png").read_bytes().startswith(b"\x89PNG")
    rendered("plain", "-n", 6, "--files", "jams")
    assert run("synth", "inspect", "plain").out == told.out
    missing = run("synth", "inspect", "set", "--scene", 99, "-o", "scene.png")
    assert (missing.code, "holds no scene 99" in missing.err) == (2, True)


@pytest.mark.slow
def test_inspect_plans_before_they_are_rendered(run, recipe, scene_table, tmp_path):
    run("synth", "plan", recipe, "--library", scene_table, "-n", 3, "-o", "plans.jsonl")
    told = run("synth", "inspect", "plans.jsonl").out
    assert "SNR planned" in told
    assert "SNR measured" not in told
    drawn = run("synth", "inspect", "plans.jsonl", "--scene", 1, "-o", "plan.svg", "--library", scene_table)
    assert drawn.code == 0
    assert (tmp_path / "plan.svg").exists()


def test_mistakes_are_named_before_anything_is_written(run, rendered, recipe, scene_table, tmp_path):
    rendered("set", "-n", 2)
    (tmp_path / "events_only.yaml").write_text("background_share: 0.0\noverlay: {share: 0.5}\n")
    (tmp_path / "empty.jsonl").write_text("")
    draw = ("synth", "plan", "--library", scene_table)
    for arguments, told in (
        (("synth", "render", recipe, "--library", "nowhere.csv", "-o", "x"), "nowhere.csv: no such table"),
        (("synth", "render", "empty.jsonl", "--library", scene_table, "-o", "x"), "holds no plan"),
        (("synth", "render", recipe, "--library", scene_table, "-o", "x", "-n", 0), "-n 0 must be at least 1"),
        (("synth", "render", recipe, "--library", scene_table, "-o", "x", "--workers", -1), "--workers -1"),
        (("synth", "render", recipe, "--library", scene_table, "-o", "set", "--seed", 1), "seed 0, not 1"),
        (("synth", "plan", "events_only.yaml", *draw[2:]), "has no speech or music"),
        ((*draw, "--part", "held_out"), "holds no clip"),
        (("synth", "plan", "--bank", "b"), "takes neither --bank"),
        (("synth", "inspect", "nowhere"), "can't be read"),
        (("synth", "inspect", "set", "--scene", 0), "belong together"),
    ):
        answer = run(*arguments)
        assert (answer.code, answer.out) == (2, ""), arguments
        assert told in answer.err
    assert not (tmp_path / "x").exists()


def test_a_damaged_clip_costs_its_scenes_and_no_more(run, rendered, scene_table):
    path = scene_table.parent / "beep.wav"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    try:
        answer = rendered("set", "-n", 8)
    finally:
        path.write_bytes(whole)
    assert answer.code == 1
    assert "is left out" in answer.err
    assert "beep.wav" in answer.err
    assert " of 8 scenes: set" in answer.err
    assert "beep.wav" in Path("set/shards.json").read_text()
    assert rendered("set", "-n", 8).code == 1


@pytest.mark.slow
def test_ctrl_c_leaves_the_finished_shards(recipe, scene_table, tmp_path):
    command = [sys.executable, "-m", "flam", "synth", "render", recipe, "--library", scene_table, "-n", 4000]
    command += ["--shard-scenes", 2, "--workers", 0, "-q", "-o", tmp_path / "set"]
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, env={**os.environ})
    deadline = time.monotonic() + 200
    while not list((tmp_path / "set").glob("*.scenes.json")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=200)[1].decode()
    assert (process.returncode, told) == (130, "interrupted\n")
    assert not list((tmp_path / "set").glob(".*.part"))
