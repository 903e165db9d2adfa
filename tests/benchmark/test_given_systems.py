"""Results of other programs are evaluated like a model: perfect ones get perfect figures, late ones lose them."""

import numpy as np
import pytest
import soundfile

from flam.annotations import write_events
from flam.benchmark import Benchmark, Item, evaluate
from flam.benchmark.given import GivenSystem
from flam.core import ConfigError, Event, FlamError, FrameScores, RecordingEvents, TimeGrid

EVENTS = {
    "one": (Event(1.0, 2.0, "dog"), Event(4.0, 6.0, "rain")),
    "Two.b": (Event(0.5, 3.0, "rain"),),
    "three": (),
}


@pytest.fixture
def benchmark(tmp_path):
    items = []
    for name, events in EVENTS.items():
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(8_000 * 8), 8_000)
        items.append(Item(name, tmp_path / f"{name}.wav", events=events))
    return Benchmark("mine", "frames", tuple(items), ("dog", "rain"))


def events_of(shift_s=0.0, score=None):
    return [
        RecordingEvents(
            f"D:\\data\\{name}.WAV".upper(),
            None,
            tuple(Event(e.onset_s + shift_s, e.offset_s + shift_s, e.prompt, score, score) for e in events),
        )
        for name, events in EVENTS.items()
    ]


def test_right_events_are_perfect_and_late_ones_are_not(benchmark, tmp_path):
    write_events(events_of(), tmp_path / "right.csv", "csv")
    write_events(events_of(1.5, score=0.2), tmp_path / "late.jsonl", "jsonl")
    systems = [GivenSystem(tmp_path / "right.csv", "right"), GivenSystem(tmp_path / "late.jsonl", "late")]
    [evaluation] = evaluate(systems, [benchmark], tmp_path / "cache")
    right, late = (evaluation.results[name].figures for name in ("right", "late"))
    assert right["frame_auroc"].value == 1.0
    assert right["psds1"].value > 0.99
    assert late["frame_auroc"].value < 0.9
    assert late["psds1"].value < 0.5


def test_scores_of_another_program_are_taken_as_they_are(benchmark, tmp_path):
    grid = TimeGrid(1_000, 100)
    (tmp_path / "scores").mkdir()
    for name, events in EVENTS.items():
        scores = np.zeros((80, 2), np.float32)
        for event in events:
            scores[round(event.onset_s * 10) : round(event.offset_s * 10), 0 if event.prompt == "rain" else 1] = 0.9
        FrameScores(scores, ("rain", "cat"), grid, 0, 8_000).save(tmp_path / "scores" / f"{name}.npz")
    system = GivenSystem(tmp_path / "scores", "scores")
    found = system.frame_scores(tmp_path / "one.wav", ("dog", "rain"))
    assert found.scores.shape == (80, 2)
    assert found.scores[:, 0].max() == 0  # nothing was said of dogs
    assert found.scores[45, 1] == np.float32(0.9)
    with pytest.raises(FlamError, match="none of the prompts"):
        system.frame_scores(tmp_path / "one.wav", ("cow",))


def test_recording_without_results_and_no_results_at_all(benchmark, tmp_path):
    write_events(events_of()[:1], tmp_path / "few.csv", "csv")
    with pytest.raises(FlamError, match="few has no results"):
        GivenSystem(tmp_path / "few.csv", "few").frame_scores(tmp_path / "three.wav", ("dog",))
    with pytest.raises(ConfigError, match="none"):
        GivenSystem(tmp_path / "none", "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="neither scores"):
        GivenSystem(tmp_path / "empty", "empty")
