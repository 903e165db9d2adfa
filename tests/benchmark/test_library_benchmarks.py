"""Scenes, ambiences, words and recorded clips of a library: a system that hears everything, and one that is deaf."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from flam.audio import read_audio
from flam.benchmark import evaluate
from flam.benchmark.benchmark import OperatingPoints
from flam.benchmark.recipes import RecipeFile
from flam.benchmark.registry import Paths, open_benchmarks
from flam.benchmark.report import write_report
from flam.core import FrameScores, TimeGrid, load_yaml
from flam.data.phrases import PhraseSet, heard_in
from flam.detection import DetectionConfig
from flam.library.source_library import SourceClip

CONFIGS = Path(__file__).parents[2] / "configs" / "benchmarks"
RATE = 48_000
GRID = TimeGrid(RATE, 3_840)
TONES_HZ = {"low": 1000.0, "middle": 2000.0, "high": 6000.0}
PHRASES = """
low: {phrases: [deep tone], near: [high], parents: []}
middle: {phrases: [medium tone], near: [], parents: []}
high: {phrases: [squeak], near: [low], parents: []}
"""


class Tones:
    """Hears a tone by its share of a frame's power; knows the deep tone by another name, and takes squeaks for it."""

    texts_hz = TONES_HZ | {"deep tone": 1000.0, "squeak": 1000.0}

    def __init__(self, name, is_deaf=False):
        self.name = self.fingerprint = name
        self.is_deaf = is_deaf

    def _shares(self, audio, texts):
        waveform = read_audio(audio, RATE)
        n_frames = GRID.n_frames(len(waveform))
        frames = np.pad(waveform, (0, n_frames * 3840 - len(waveform))).reshape(n_frames, 3840)
        power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
        bins = [round(self.texts_hz[text] * 3840 / RATE) for text in texts]
        share = np.stack([power[:, b - 1 : b + 2].sum(axis=1) / (power.sum(axis=1) + 1e-9) for b in bins], axis=1)
        return share * (not self.is_deaf), len(waveform)

    def frame_scores(self, audio, prompts):
        share, n_samples = self._shares(audio, prompts)
        return FrameScores((0.98 * (share > 0.02)).astype(np.float32), tuple(prompts), GRID, 0, n_samples)

    def operating_point(self, prompts):
        return DetectionConfig(median_s=0.0)

    def audio_features(self, audio):
        return self._shares(audio, list(TONES_HZ))[0].mean(axis=0)

    def text_features(self, texts):
        return np.array(
            [[self.texts_hz.get(text.split(" of ")[-1]) == hz for hz in TONES_HZ.values()] for text in texts], float
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three tones, and three ambiences: noise, noise that is called a high wind, and noise that is told to hold one."""
    folder = tmp_path_factory.mktemp("tones")
    rows = ["id,file,label,caption,kind,group,source,licence"]
    time_s = np.arange(2 * RATE) / RATE
    for label, hz in TONES_HZ.items():
        soundfile.write(folder / f"{label}.wav", 0.14 * np.sin(2 * np.pi * hz * time_s), RATE)
        rows.append(f"{label},{label}.wav,{label},,event,{label},mine,CC0")
    for number, (label, caption) in enumerate((("air", ""), ("high wind", ""), ("air", "a fan with a squeak in it"))):
        noise = np.random.default_rng(number).normal(0, 0.1, 8 * RATE)
        soundfile.write(folder / f"air{number}.wav", noise, RATE)
        rows.append(f"air{number},air{number}.wav,{label},{caption},background,air{number},mine,CC0")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    (folder / "phrases").mkdir()
    (folder / "phrases" / "tones.yaml").write_text(PHRASES)
    (folder / "other.yaml").write_text("low: [deep tone]\nhigh: [squeak]\nunknown: [nothing]\n")
    return folder


@pytest.fixture(scope="module")
def evaluations(folder):
    recipe = {
        "scenes": {
            "n_scenes": 12,
            "events": "all",
            "backgrounds": "all",
            "phrases": str(folder / "phrases"),
            "points": {"prompts_at_once": [1]},
            "scene": {"duration_s": 6.0, "n_events": {"integers": [2, 3]}, "snr_db": {"uniform": [12.0, 24.0]}},
        },
        "ambience": True,
        "words": [str(folder / "other.yaml")],
    }
    (folder / "tones_set.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    benchmarks = open_benchmarks(
        str(folder / "tones_set.yaml"), Paths(folder / "cache", manifest=folder / "manifest.csv")
    )
    systems = [Tones("hears"), Tones("deaf", is_deaf=True)]
    return {each.benchmark.name: each for each in evaluate(systems, benchmarks, folder / "cache")}


def test_a_file_with_ambience_and_words_is_several_benchmarks(evaluations):
    tasks = {name: evaluation.benchmark.task for name, evaluation in evaluations.items()}
    assert tasks == {
        "tones_set": "frames",
        "tones_set: ambience": "ambience",
        "tones_set: other": "paraphrases",
        "tones_set: near misses": "near misses",
    }


def test_a_system_that_hears_everything(evaluations):
    result = evaluations["tones_set"].results["hears"]
    assert result.figures["frame_auroc"].value > 0.97
    assert result.figures["calibration_error"].value < 0.03
    assert list(result.points) == ["", "at 2.5 false alarms a minute", "1 prompt at once"]
    for point in result.points.values():
        assert point.recall.value > 0.95
        assert point.false_alarms_per_minute.value < 1
        assert point.onset_error_s.value <= 0.08
        assert not point.never_found


def test_a_deaf_system(evaluations):
    result = evaluations["tones_set"].results["deaf"]
    assert result.figures["frame_auroc"].value == 0.5
    assert {point.recall.value for point in result.points.values()} == {0.0}
    assert result.figures["prompts_never_found"].value == 3


def test_in_scenes_over_a_squeak_nobody_judges_squeaks(evaluations):
    items = evaluations["tones_set"].benchmark.items
    assert {item.not_judged for item in items} == {frozenset(), frozenset({"high"})}
    for item in items:
        assert not {event.prompt for event in item.events} & item.not_judged


def test_ambience_asks_for_the_same_prompts_where_none_of_them_sounds(evaluations):
    evaluation = evaluations["tones_set: ambience"]
    assert evaluation.benchmark.prompts == ("high", "low", "middle")
    assert [item.not_judged for item in evaluation.benchmark.items] == [set(), {"high"}, {"high"}]
    assert evaluation.results["hears"].figures["false_alarms"].value == 0.0
    assert list(evaluation.results["hears"].points) == ["", "1 prompt at once"]


def test_words_of_labels_that_are_asked_for(evaluations):
    other = evaluations["tones_set: other"]
    assert set(other.benchmark.prompts) == {"low", "deep tone", "high", "squeak"}
    result = other.results["hears"]
    assert result.per_prompt["low"].value > 0.97  # the same tone by another name
    assert result.per_prompt["high"].value < 0.7
    near = evaluations["tones_set: near misses"].results["hears"]
    assert near.figures["near_miss_right"].value == 1.0
    assert near.notes == ("2 pairs of 2 labels; by number of training clips: 0, 2, 0, 0",)


@pytest.mark.slow
def test_the_report_holds_a_row_for_each_point_and_what_was_found_of_each_prompt(evaluations, folder):
    write_report(list(evaluations.values()), folder / "report")
    markdown = (folder / "report" / "table.md").read_text()
    page = (folder / "report" / "index.html").read_text()
    table = (folder / "report" / "table.csv").read_text()
    assert "| **hears**, at 2.5 false alarms a minute |" in markdown
    counts = evaluations["tones_set"].results["hears"].points[""].found_by_prompt["low"]
    assert f"| low | {counts[0]}/{counts[1]} |" in markdown
    assert f"<td>low</td><td>{counts[0]} / {counts[1]}</td>" in page
    assert "tones_set: ambience,hears,false_alarms,0.0,0.0,0.0,measured here,1 prompt at once" in table
    assert "## tones_set: near misses" in markdown


def test_clips_through_recorders_are_named_in_each(folder):
    recipe = {"classify": {"part": "all"}, "recorders": {"as it is": {}, "8 kHz": {"sample_rate_hz": 8000}}}
    (folder / "named.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    paths = Paths(folder / "cache", manifest=folder / "manifest.csv")
    plain, narrow = open_benchmarks(str(folder / "named.yaml"), paths)
    assert [each.name for each in (plain, narrow)] == ["named: as it is", "named: 8 kHz"]
    assert plain.items[0].path == folder / "low.wav"
    assert [item.prompt for item in narrow.items] == [item.prompt for item in plain.items]
    power = {each.name: np.abs(np.fft.rfft(read_audio(each.items[2].path, RATE))) ** 2 for each in (plain, narrow)}
    above = slice(2 * 4_500, None)  # two seconds of a tone of 6 kHz
    assert power["named: 8 kHz"][above].sum() < 1e-3 * power["named: as it is"][above].sum()
    made = {item.path: item.path.stat().st_mtime_ns for item in narrow.items}
    again = open_benchmarks(str(folder / "named.yaml"), paths)[1]
    assert {item.path: item.path.stat().st_mtime_ns for item in again.items} == made
    assert [len(each.limited(2).items) for each in (plain, narrow)] == [2, 2]


def test_only_the_prompts_with_most_clips_are_asked_for(folder):
    scenes = {"n_scenes": 3, "n_prompts": 2, "events": "all", "backgrounds": "all", "scene": {"duration_s": 3.0}}
    (folder / "two.yaml").write_text(yaml.safe_dump({"scenes": scenes}))
    [two] = open_benchmarks(str(folder / "two.yaml"), Paths(folder / "cache", manifest=folder / "manifest.csv"))
    assert two.prompts == ("low", "middle")
    assert {event.prompt for item in two.items for event in item.events} <= {"low", "middle"}
    assert two.points == OperatingPoints()
    assert not any(item.not_judged for item in two.items)


def test_what_a_background_may_hold_is_not_judged_in_it():
    storm = SourceClip("s", Path("s"), "thunder", "a thunderstorm with rain", "background", "s", "", "made", "CC0")
    cafe = SourceClip("c", Path("c"), "cafe", "a cafe with people talking", "background", "c", "", "made", "CC0")
    phrases = {
        "speech": PhraseSet("speech", ("people talking",), (), ()),
        "storm": PhraseSet("storm", (), (), ("thunder",)),
    }
    prompts = ["rain", "thunder", "storm", "speech", "train"]
    assert heard_in(storm, prompts, phrases) == {"rain", "thunder", "storm"}
    assert heard_in(cafe, prompts, phrases) == {"speech"}
    assert heard_in(None, prompts, phrases) == frozenset()


def test_the_benchmarks_of_the_model_card_mix_scenes_alike():
    card, robustness, new = (
        load_yaml(RecipeFile, CONFIGS / f"{name}.yaml") for name in ("flam_mini", "robustness", "new_sources")
    )
    assert card.scenes.scene == robustness.scenes.scene == new.scenes.scene
    assert (card.scenes.seed, card.scenes.n_prompts) == (robustness.scenes.seed, robustness.scenes.n_prompts)
    assert set(new.scenes.sources) == set(new.scenes.split.shares)
    split = yaml.safe_load((CONFIGS.parents[1] / "recipes" / "flam_mini" / "scenes.yaml").read_text())["task"][
        "scenes"
    ]["split"]
    assert card.scenes.split.shares == split["shares"]
    assert card.scenes.split.share == split["share"]
    assert list(card.scenes.split.folds) == split["folds"]
    assert list(card.scenes.split.merged_sources) == split["merged_sources"]
