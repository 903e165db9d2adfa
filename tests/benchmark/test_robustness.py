"""One set of scenes through several recorders: a benchmark for each, and a mean and a worst in the end."""

from types import SimpleNamespace

import numpy as np
import pytest

from flam.audio import read_audio
from flam.benchmark.metrics import Figure
from flam.benchmark.recipes import RecipeFile
from flam.benchmark.registry import Places, open_benchmarks
from flam.benchmark.robustness import mean_and_worst
from flam.core import ConfigError, from_mapping, load_yaml

SCENES = "{n_scenes: 2, events: all, backgrounds: all, procedural: {n_takes: 1, seed: 3}, scene: {duration_s: 2.0}}"


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("robustness")
    (folder / "mine.yaml").write_text(
        f"scenes: {SCENES}\nrecorders:\n  as it is: {{}}\n  8 kHz: {{sample_rate_hz: 8000}}\n"
    )
    return open_benchmarks(str(folder / "mine.yaml"), Places(folder / "cache"))


def test_each_recorder_is_a_benchmark_of_the_same_events(benchmarks):
    plain, narrow = benchmarks
    assert [each.name for each in benchmarks] == ["mine: as it is", "mine: 8 kHz"]
    assert [item.events for item in plain.items] == [item.events for item in narrow.items]
    assert plain.prompts == narrow.prompts


def test_a_recorder_changes_what_is_heard(benchmarks):
    whole, cut = (np.abs(np.fft.rfft(read_audio(each.items[0].path, 48_000))) ** 2 for each in benchmarks)
    above = 2 * 4_500
    assert cut[above:].sum() < 1e-3 * max(whole[above:].sum(), 1e-9)


def test_recorders_need_scenes():
    with pytest.raises(ConfigError, match="recorders need scenes"):
        from_mapping(RecipeFile, {"classify": {}, "recorders": {"quiet": {"peak_db": -30.0}}})


def test_mean_and_worst_are_of_one_set():
    def evaluated(name, value):
        result = SimpleNamespace(figures={"frame_auroc": Figure(value)})
        return SimpleNamespace(benchmark=SimpleNamespace(name=name, task="frames"), results={"mini": result})

    lines = mean_and_worst([evaluated("a: plain", 0.9), evaluated("a: quiet", 0.7), evaluated("builtin", 0.1)])
    assert lines == ["a: mini: frame auroc mean 80.0, worst 70.0 (quiet)"]


def test_the_shipped_file_holds_every_condition():
    recipe = load_yaml(RecipeFile, "configs/benchmarks/robustness.yaml")
    assert len(recipe.recorders) == 9
    assert recipe.scenes is not None
