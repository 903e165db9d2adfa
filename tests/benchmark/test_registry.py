"""Where benchmarks come from: corpora on the disk, scenes from a library, files; and the verb that asks them."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import yaml

from flam.audio import read_audio
from flam.benchmark.benchmark import OperatingPoints
from flam.benchmark.metrics import Figure
from flam.benchmark.recipes import RecipeFile, ScenesRecipe
from flam.benchmark.registry import Paths, open_benchmark, open_benchmarks
from flam.benchmark.report.conditions import mean_and_worst
from flam.core import ConfigError, from_mapping, load_yaml
from flam.data.corpora import CorpusError

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / "configs" / "benchmarks"
RATE = 48_000
ESC50 = "filename,fold,target,category,esc10,src_file,take\n"
SCENES = "{n_scenes: 2, events: all, backgrounds: all, procedural: {n_takes: 1, seed: 3}, scene: {duration_s: 2.0}}"


@pytest.fixture
def esc50(tmp_path):
    """Six clips of three classes, as ESC-50 is laid out."""
    root = tmp_path / "corpora" / "ESC-50-master"
    (root / "meta").mkdir(parents=True)
    (root / "audio").mkdir()
    rows = []
    for number in range(6):
        name = f"1-{number}-A-{number % 3}.wav"
        rows.append(f"{name},1,{number % 3},{('dog', 'rain', 'can_opening')[number % 3]},False,{number},A\n")
        soundfile.write(root / "audio" / name, np.random.default_rng(number).normal(0, 0.1, RATE // 2), RATE)
    (root / "meta" / "esc50.csv").write_text(ESC50 + "".join(rows))
    return root


@pytest.fixture
def library(tmp_path):
    """Two clips of each of three sounds and two backgrounds, each in a group of its own."""
    rows = ["id,file,label,caption,kind,group,source,licence,esc50_fold"]
    for label in ("beep", "buzz", "hiss", "wind"):
        for number in range(2):
            noise = np.random.default_rng([len(rows)]).normal(0, 0.1, RATE)
            soundfile.write(tmp_path / f"{label}{number}.wav", noise, RATE)
            kind = "background" if label == "wind" else "event"
            rows.append(
                f"{label}{number},{label}{number}.wav,{label},a {label},{kind},{label}{number},mine,CC0,{number}"
            )
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def recipe(tmp_path):
    def write(**changes):
        path = tmp_path / "recipe.yaml"
        scenes = {
            "n_scenes": 4,
            "split": {"share": 0.0, "folds": ["1"], "merged_sources": []},
            "scene": {"duration_s": 3.0, "n_events": {"integers": [1, 2]}},
        }
        path.write_text(yaml.safe_dump({"scenes": scenes | changes}))
        return str(path)

    return write


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_can_be_read_and_says_how_it_is_run(path):
    load_yaml(RecipeFile, path)
    assert f"--benchmark configs/benchmarks/{path.name}" in path.read_text().splitlines()[0]


def test_the_held_out_recipe_writes_the_defaults_out():
    assert load_yaml(RecipeFile, CONFIGS / "heldout.yaml").scenes == ScenesRecipe()


def test_a_corpus_below_the_data_root(esc50, tmp_path):
    for root in (esc50, esc50.parent):
        if root == esc50.parent:
            shutil.move(esc50, esc50.parent / "esc-50")
        benchmark = open_benchmark("esc50", Paths(tmp_path, root))
        assert benchmark.prompts == ("dog", "rain", "opening a can")
        assert [item.prompt for item in benchmark.items[:3]] == ["dog", "rain", "opening a can"]
        assert not benchmark.problems


def test_recordings_that_are_not_there_are_counted(esc50, tmp_path):
    (esc50 / "audio" / "1-2-A-2.wav").unlink()
    benchmark = open_benchmark("esc50", Paths(tmp_path, esc50))
    assert (len(benchmark.items), benchmark.n_listed) == (5, 6)
    assert "1 of 6 recordings are not there" in benchmark.problems[0]
    shutil.rmtree(esc50 / "audio")
    with pytest.raises(CorpusError, match="none of the 6 recordings of ESC-50, split all, is there"):
        open_benchmark("esc50", Paths(tmp_path, esc50))


def test_a_wrong_data_root(tmp_path):
    with pytest.raises(CorpusError, match=r"holds no folder ESC-50 with its tables \(meta/esc50.csv\)"):
        open_benchmark("esc50", Paths(tmp_path, tmp_path))
    with pytest.raises(ConfigError, match="no such folder"):
        open_benchmark("esc50", Paths(tmp_path, tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="say with --data-root where it is"):
        open_benchmark("esc50", Paths(tmp_path))
    with pytest.raises(ConfigError, match="no benchmark 'esc51'; choose one of builtin, heldout, desed"):
        open_benchmark("esc51", Paths(tmp_path))


def test_only_what_most_annotators_heard_and_the_challenge_asks_counts_in_maestro(tmp_path):
    labels = tmp_path / "development_annotation" / "soft_labels_cafe_restaurant"
    audio = tmp_path / "development_audio" / "cafe_restaurant"
    labels.mkdir(parents=True)
    audio.mkdir(parents=True)
    soundfile.write(audio / "c.wav", np.zeros(RATE), RATE)
    (labels / "c.txt").write_text("0\t1\tcar\t0.6\n1\t2\tcar\t0.5\n1\t2\tannouncement\t0.9\n")
    benchmark = open_benchmark("maestro", Paths(tmp_path, tmp_path))
    assert len(benchmark.prompts) == 11
    assert [(event.onset_s, event.offset_s, event.prompt) for event in benchmark.items[0].events] == [
        (0.0, 1.0, "car passing by")
    ]


def test_scenes_come_from_held_out_groups_alone_and_are_rendered_once(library, recipe, tmp_path):
    paths = Paths(tmp_path / "cache", manifest=library)
    first = open_benchmark(recipe(), paths, 2)
    rendered = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.flac")}
    assert len(first.items) == len(rendered) == 2
    assert first.prompts == ("beep", "buzz", "hiss")
    assert "mixed from 3 clips (part held_out) over 1 backgrounds (part held_out)" in first.remarks[0]
    assert "the first 2 of 4 scenes" in first.remarks
    again = open_benchmark(recipe(), paths)
    assert again.items[:2] == first.items
    assert len(again.items) == 4
    assert all(path.stat().st_mtime_ns == mtime_ns for path, mtime_ns in rendered.items())
    elsewhere = open_benchmark(recipe(), Paths(tmp_path / "other", manifest=library), 2)
    assert [item.events for item in elsewhere.items] == [item.events for item in first.items]
    for one, other in zip(first.items, elsewhere.items, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()


def test_events_and_backgrounds_of_different_parts_and_captions_as_prompts(library, recipe, tmp_path):
    mixed = open_benchmark(recipe(backgrounds="training", prompts="captions"), Paths(tmp_path / "c", manifest=library))
    assert mixed.prompts == ("a beep", "a buzz", "a hiss")
    assert "(part training)" in mixed.remarks[0]
    with pytest.raises(ConfigError, match="name one with --library"):
        open_benchmark(recipe(), Paths(tmp_path))


def test_clips_of_a_fold_to_be_named(library, tmp_path):
    path = tmp_path / "fold.yaml"
    path.write_text('classify: {part: all, folds: ["0"]}\n')
    benchmark = open_benchmark(str(path), Paths(tmp_path, manifest=library))
    assert [(item.name, item.prompt) for item in benchmark.items[:2]] == [("beep0", "beep"), ("buzz0", "buzz")]
    path.write_text('classify: {part: all, folds: ["7"]}\n')
    with pytest.raises(ConfigError, match=r"no clip of .* is of its part, folds and sources"):
        open_benchmark(str(path), Paths(tmp_path, manifest=library))


def test_the_bundled_model_from_the_command_line(run, esc50, library, recipe, tmp_path):
    (esc50 / "audio" / "1-4-A-1.wav").write_bytes(b"no sound")
    command = ("evaluate", "--benchmark", f"{recipe()},esc50", "--data-root", esc50, "--library", library)
    command += ("--limit", 6, "--cache", tmp_path / "cache", "-o", tmp_path / "report", "--device", "cpu")
    outcome = run(*command)
    assert outcome.code == 1  # one recording failed, and is named
    assert "error: flam-mini: 1-4-A-1.wav: " in outcome.err
    assert "recipe: flam-mini: frame auroc" in outcome.err
    assert "esc50: flam-mini: accuracy" in outcome.err
    files = {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()}
    assert set(files) == {"report.json", "table.csv", "table.md", "index.html"}
    assert run(*command).code == 1
    assert (tmp_path / "report" / "table.csv").read_bytes() == files["table.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--limit", 0), "--limit 0 must be at least 1"),
        (("--benchmark", "heldout"), "name one with --library"),
        (("--model", "no-such-model"), "no model 'no-such-model'"),
    ],
)
def test_commands_that_can_not_be_run(run, tmp_path, arguments, message):
    outcome = run("evaluate", "-o", tmp_path / "report", "--cache", tmp_path / "cache", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "report").exists()


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("robustness")
    (folder / "mine.yaml").write_text(
        f"scenes: {SCENES}\nrecorders:\n  as it is: {{}}\n  8 kHz: {{sample_rate_hz: 8000}}\n"
    )
    return open_benchmarks(str(folder / "mine.yaml"), Paths(folder / "cache"))


def test_each_recorder_is_a_benchmark_of_the_same_events(benchmarks):
    plain, narrow = benchmarks
    assert [each.name for each in benchmarks] == ["mine: as it is", "mine: 8 kHz"]
    assert [item.events for item in plain.items] == [item.events for item in narrow.items]
    assert plain.prompts == narrow.prompts


def test_a_recorder_changes_what_is_heard(benchmarks):
    whole, cut = (np.abs(np.fft.rfft(read_audio(each.items[0].path, 48_000))) ** 2 for each in benchmarks)
    above = 2 * 4_500
    assert cut[above:].sum() < 1e-3 * max(whole[above:].sum(), 1e-9)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"scenes": {"recorder": {}}, "recorders": {"quiet": {"peak_db": -30.0}}}, "recorders need scenes without"),
        ({"scenes": {}, "classify": {}}, "either the key scenes or the key classify"),
        ({"classify": {}, "ambience": True}, "ambience and words need scenes of a library"),
        ({"scenes": {"procedural": {}}, "ambience": True}, "ambience and words need scenes of a library"),
        ({"scenes": {}, "words": ["more.yaml"]}, "words need scenes.phrases"),
        ({"scenes": {"n_prompts": 0}}, "n_prompts is 0; it must be at least 1"),
        ({"scenes": {"points": {"prompts_at_once": [0]}}}, "each number must be at least 1"),
        ({"scenes": {"points": {"false_alarms_per_minute": 0.0}}}, "it must be above 0"),
    ],
)
def test_recipes_that_make_no_sense(recipe, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(RecipeFile, recipe)


def test_mean_and_worst_are_of_one_set():
    def evaluated(name, area, found):
        point = SimpleNamespace(recall=SimpleNamespace(value=found))
        points = {} if found is None else {"at 2.5 false alarms a minute": point}
        result = SimpleNamespace(figures={"frame_auroc": Figure(area)}, points=points)
        benchmark = SimpleNamespace(name=name, task="frames", points=OperatingPoints())
        return SimpleNamespace(benchmark=benchmark, results={"mini": result})

    conditions = [evaluated("a: plain", 0.9, 0.2), evaluated("a: quiet", 0.7, 0.3), evaluated("builtin", 0.1, 0.1)]
    assert mean_and_worst(conditions) == [
        "a: mini: frame AUROC: mean 80.0, worst 70.0 (quiet)",
        "a: mini: found at 2.5 false alarms a minute: mean 25.0, worst 20.0 (plain)",
    ]
    without = [evaluated("a: plain", 0.9, None), evaluated("a: quiet", 0.7, None)]
    assert mean_and_worst(without) == ["a: mini: frame AUROC: mean 80.0, worst 70.0 (quiet)"]


def test_the_shipped_file_holds_every_condition():
    recipe = load_yaml(RecipeFile, "configs/benchmarks/robustness.yaml")
    assert len(recipe.recorders) == 9
    assert recipe.scenes is not None
