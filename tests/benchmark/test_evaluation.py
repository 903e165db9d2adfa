"""Evaluation: systems whose figures are known beforehand, recordings that fail, runs that stop, and the report."""

import csv
import json
import re

import numpy as np
import pytest
import soundfile

from flam.benchmark import Benchmark, Item, evaluate
from flam.benchmark.metrics import METRICS
from flam.benchmark.report import write_report
from flam.benchmark.report.tables import published
from flam.core import AudioError, ConfigError, Event, FlamError, FrameScores, TimeGrid
from flam.detection import DetectionConfig

RATE = 8_000
PROMPTS = ("dog", "<b>rain</b>", "never heard")
GRID = TimeGrid(RATE, RATE // 10)
ANSWERS = {"dog": [1.0, 0.0], "rain": [0.0, 1.0]}


class Knowing:
    """Scores what is there with ``right`` and everything else with ``wrong``, and counts how often it is asked."""

    rules = DetectionConfig(threshold=0.8, median_s=0.0)

    def __init__(self, name, items, right=0.9, wrong=0.1):
        self.name = self.fingerprint = name
        self.items = {item.path: item for item in items}
        self.right, self.wrong = right, wrong
        self.asked = []
        self.stop_after = None

    def _ask(self, audio):
        if self.stop_after is not None and len(self.asked) == self.stop_after:
            raise KeyboardInterrupt
        self.asked.append(audio.stem)
        if "broken" in audio.stem:
            raise AudioError(f"{audio}: holds no sound")
        return self.items[audio]

    def frame_scores(self, audio, prompts):
        item = self._ask(audio)
        n_samples = soundfile.info(audio).frames
        scores = np.full((GRID.n_frames(n_samples), len(prompts)), self.wrong, np.float32)
        for k, prompt in enumerate(prompts):
            spans = [(event.onset_s, event.offset_s) for event in item.events if event.prompt == prompt]
            scores[GRID.frame_labels(spans, len(scores)), k] = self.right
        return FrameScores(scores, tuple(prompts), GRID, 0, n_samples)

    def operating_point(self, prompts):
        return self.rules

    def audio_features(self, audio):
        item = self._ask(audio)
        return np.array(ANSWERS[item.prompt or item.captions[0]])

    def text_features(self, texts):
        return np.array([ANSWERS["dog" if "dog" in text else "rain"] for text in texts])


@pytest.fixture
def make_item(tmp_path):
    def make(name, duration_s=2.0, **facts):
        path = tmp_path / "audio" / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        noise = np.random.default_rng(len(name)).normal(0, 0.05, round(duration_s * RATE))
        soundfile.write(path, noise, RATE)
        return Item(name, path, duration_s, **facts)

    return make


@pytest.fixture
def frames(make_item):
    return Benchmark(
        "mine",
        "frames",
        (
            make_item("a", events=(Event(0.5, 1.0, "dog"), Event(0.8, 1.5, "<b>rain</b>"))),
            make_item("b", events=(Event(0.0, 0.7, "dog"),)),
            make_item("silent"),
        ),
        PROMPTS,
    )


def test_one_who_knows_gets_everything_right_and_one_who_lies_everything_wrong(frames, tmp_path):
    systems = [Knowing("knows", frames.items), Knowing("lies", frames.items, right=0.1, wrong=0.9)]
    [evaluation] = evaluate(systems, [frames], tmp_path / "cache")
    knows, lies = evaluation.results["knows"].figures, evaluation.results["lies"].figures
    assert [knows[key].value for key in ("frame_auroc", "psds1", "segment_f1", "collar_f1", "mpauc")] == [1.0] * 5
    assert (knows["frame_auroc"].low, knows["frame_auroc"].high) == (1.0, 1.0)
    assert knows["false_positives"].value == 0.0
    assert lies["frame_auroc"].value == 0.0
    assert lies["false_positives"].value > 0
    assert "1 recordings without events, which count for false positives" in evaluation.results["knows"].notes
    assert "1 prompts sound nowhere, or everywhere, and have no AUROC of their own" in evaluation.results["knows"].notes


def test_every_metric_of_a_task_is_measured(frames, make_item, tmp_path):
    clips = tuple(make_item(name, prompt=name, captions=(name,)) for name in ("dog", "rain"))
    others = [Benchmark("named", "classify", clips, ("dog", "rain")), Benchmark("said", "retrieval", clips)]
    evaluations = evaluate([Knowing("knows", (*frames.items, *clips))], [frames, *others], tmp_path / "cache")
    for evaluation in evaluations:
        figures = evaluation.results["knows"].figures
        assert list(figures) == [metric.key for metric in METRICS[evaluation.benchmark.task]]
    assert evaluations[1].results["knows"].figures["accuracy"].value == 1.0
    assert evaluations[2].results["knows"].figures["a2t_recall_at_1"].value == 1.0


def test_at_the_operating_point(frames, tmp_path):
    knows, lies = Knowing("knows", frames.items), Knowing("lies", frames.items, right=0.1, wrong=0.9)
    deaf, without = Knowing("deaf", frames.items, right=0.7), Knowing("without", frames.items)
    without.rules = None
    [evaluation] = evaluate([knows, lies, deaf, without], [frames], tmp_path / "cache")
    figures = {name: result.figures for name, result in evaluation.results.items()}
    keys = ("found", "false_alarms", "false_alarms_without_events", "found_onset_error_s", "found_0_6_to_1_5_s")
    told = {name: [figures[name][key].value for key in keys] for name in ("knows", "lies", "deaf")}
    assert told["knows"] == pytest.approx([1.0, 0.0, 0.0, 0.0, 1.0])
    # 0.2 s between two detections are joined; of 3 recordings of 2 s, one has no event: 3 false alarms in 2 s there
    assert told["lies"][2] == pytest.approx(3 * 30)
    assert told["deaf"][:3] == [0.0, 0.0, 0.0]
    assert np.isnan(told["deaf"][3])
    assert figures["knows"]["found"].low == 1.0
    assert "found" not in figures["without"]
    assert "operating point: 3 events (1 shorter than 0.6 s" in " ".join(evaluation.results["knows"].notes)
    write_report([evaluation], tmp_path / "report")
    markdown = (tmp_path / "report" / "table.md").read_text()
    point = markdown.partition("At the operating point")[2].partition("by threshold")[0]
    assert "| **knows** | 100.0 [100.0, 100.0] |" in point
    assert "**without**" not in point
    report = json.loads((tmp_path / "report" / "report.json").read_text())["benchmarks"][0]["systems"]
    assert report["knows"]["figures"]["found"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert "lies,false_alarms_without_events,90.0," in (tmp_path / "report" / "table.csv").read_text()


def test_against_the_threshold_and_the_number_of_prompts(frames, tmp_path):
    lies = Knowing("lies", frames.items, right=0.1, wrong=0.6)
    [evaluation] = evaluate([lies], [frames], tmp_path / "cache")
    curves = evaluation.results["lies"].curves
    one, all_prompts = curves.by_prompt_count[1], curves.by_prompt_count[3]
    np.testing.assert_allclose(all_prompts[:, 0], curves.false_positives_per_minute)
    np.testing.assert_allclose(one[:, 0], curves.false_positives_per_minute / 3)
    assert curves.false_positives_per_minute[curves.thresholds < 0.6].max() > 0
    assert curves.false_positives_per_minute[curves.thresholds > 0.6].max() == 0
    write_report([evaluation], tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())["benchmarks"][0]["systems"]["lies"]
    assert report["false_positives_per_minute_by_prompt_count"]["3"]["mean"] == pytest.approx(
        all_prompts[:, 0].tolist()
    )
    assert len(report["collar_f1"]) == len(report["thresholds"])
    markdown = (tmp_path / "report" / "table.md").read_text()
    assert "lies by threshold" in markdown
    assert "| 0.7 | 0.0 | 100.0 | 0.0 | 0.0 | 0.00 | 0.00 |" in markdown


def test_nothing_is_asked_twice_not_even_after_an_interruption(frames, tmp_path):
    system = Knowing("knows", frames.items)
    system.stop_after = 2
    with pytest.raises(KeyboardInterrupt):
        evaluate([system], [frames], tmp_path / "cache")
    system.stop_after = None
    interrupted = evaluate([system], [frames], tmp_path / "cache")
    assert system.asked == ["a", "b", "silent"]
    uninterrupted = evaluate([Knowing("knows", frames.items)], [frames], tmp_path / "other")
    # as text, in which what is not a number equals itself
    assert repr(interrupted[0].results["knows"].figures) == repr(uninterrupted[0].results["knows"].figures)


def test_another_system_and_a_changed_recording_are_asked_again(frames, tmp_path):
    evaluate([Knowing("knows", frames.items)], [frames], tmp_path / "cache")
    other = Knowing("other", frames.items)
    evaluate([other], [frames], tmp_path / "cache")
    assert other.asked == ["a", "b", "silent"]
    soundfile.write(frames.items[1].path, np.zeros(RATE), RATE)
    again = Knowing("knows", frames.items)
    evaluate([again], [frames], tmp_path / "cache")
    assert again.asked == ["b"]


def test_a_recording_that_fails_is_named_and_left_out_for_all(frames, make_item, tmp_path):
    broken = make_item("broken", events=(Event(0.0, 1.0, "dog"),))
    whole = frames.with_items((*frames.items, broken))
    told = []
    tolerant = Knowing("tolerant", whole.items)
    tolerant._ask = lambda audio: tolerant.items[audio]
    systems = [tolerant, Knowing("strict", whole.items)]
    [evaluation] = evaluate(systems, [whole], tmp_path / "cache", on_problem=told.append)
    assert told == list(evaluation.failures)
    assert len(told) == 1
    assert told[0].startswith("strict: broken: ")
    assert [item.name for item in evaluation.benchmark.items] == ["a", "b", "silent"]
    assert all(result.table.recordings == ("a", "b", "silent") for result in evaluation.results.values())
    write_report([evaluation], tmp_path / "report")
    assert "holds no sound" in (tmp_path / "report" / "table.md").read_text()


def test_scores_that_are_not_finite_are_a_failure_and_are_not_kept(frames, tmp_path):
    system = Knowing("knows", frames.items, wrong=np.nan)
    with pytest.raises(FlamError, match=r"could take none of the 3 recordings of mine.*scores that are not finite"):
        evaluate([system], [frames], tmp_path / "cache")
    system.wrong = 0.1
    assert evaluate([system], [frames], tmp_path / "cache")[0].results["knows"].figures["frame_auroc"].value == 1.0


def test_truth_beyond_the_end_is_cut_and_told(frames, make_item, tmp_path):
    longer = make_item("longer", events=(Event(1.5, 2.4, "dog"), Event(3.0, 4.0, "dog")))
    given = frames.with_items((*frames.items, longer))
    [evaluation] = evaluate([Knowing("knows", given.items)], [given], tmp_path / "cache")
    notes = " ".join(evaluation.results["knows"].notes)
    assert "reach beyond the end of their recording and were cut there" in notes
    assert "1 events without length inside of their recording were left out" in notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompts": ("dog",)}, "1 classes beside its prompts: <b>rain</b>"),
        ({"prompts": ()}, "no prompts"),
        ({"prompts": (*PROMPTS, "dog")}, "prompts that occur more than once: dog"),
        ({"items": ()}, "no recordings"),
        ({"task": "retrieval"}, "3 recordings have no caption"),
        ({"task": "classify"}, "3 recordings have no class"),
    ],
)
def test_benchmarks_that_make_no_sense(frames, change, message):
    facts = {"name": "mine", "task": "frames", "items": frames.items, "prompts": PROMPTS}
    with pytest.raises(ConfigError, match=re.escape(message)):
        Benchmark(**facts | change)


def test_a_benchmark_without_any_event(make_item):
    with pytest.raises(ConfigError, match="no events in any of 1 recordings"):
        Benchmark("mine", "frames", (make_item("a"),), PROMPTS)


def test_systems_of_one_name(frames, tmp_path):
    with pytest.raises(ConfigError, match="each needs its own name"):
        evaluate([Knowing("a", ()), Knowing("a", ())], [frames], tmp_path)


def test_the_report_says_the_same_in_every_form_and_needs_nothing_else(frames, make_item, tmp_path):
    clips = tuple(make_item(name, prompt=name) for name in ("dog", "rain"))
    named = Benchmark("esc50", "classify", clips, ("dog", "rain"), n_listed=5)
    systems = [Knowing("knows & <tells>", (*frames.items, *clips)), Knowing("lies", (*frames.items, *clips), 0.1, 0.9)]
    write_report(evaluate(systems, [frames, named], tmp_path / "cache"), tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    with open(tmp_path / "report" / "table.csv", newline="") as file:
        rows = {(row["benchmark"], row["system"], row["metric"]): row for row in csv.DictReader(file)}
    markdown = (tmp_path / "report" / "table.md").read_text()
    page = (tmp_path / "report" / "index.html").read_text()
    value = report["benchmarks"][0]["systems"]["lies"]["figures"]["psds2"]["value"]
    assert float(rows["mine", "lies", "psds2"]["value"]) == value
    assert rows["mine", "lies", "psds2"]["source"] == "measured here"
    assert float(rows["esc50", "FLAM", "accuracy"]["value"]) == pytest.approx(0.869)
    assert rows["esc50", "FLAM", "accuracy"]["source"] == "https://arxiv.org/abs/2505.05335"
    assert "| **lies** | 0.0" in markdown
    assert "| FLAM [1] | 86.9 |" in markdown
    assert "2 recordings of 5" in markdown
    assert not re.search(r'<(script|img|audio|link|iframe)[^>]+(src|href)="(?!data:)', page)
    assert "url(" not in page
    assert "@import" not in page
    assert "<b>rain</b>" not in page
    assert "&lt;b&gt;rain&lt;/b&gt;" in page
    assert "knows &amp; &lt;tells&gt;" in page
    assert (
        page.count("data:audio/ogg;base64,") == page.count("data:image/png;base64,") == 2
    )  # the silent one has no AUROC


def test_published_figures_name_their_source_and_are_of_metrics_that_are_measured():
    known = {metric.key for metrics in METRICS.values() for metric in metrics}
    table = published()
    for benchmark in table.benchmarks.values():
        assert benchmark.ours
        for row in benchmark.rows:
            assert row.source in table.sources
            assert row.metrics.keys() <= known
            assert all(0 < value <= 100 for value in row.metrics.values())
