"""New words are learnt, the others stay, and an interruption leaves no trace."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

import flam
from flam.annotations import write_events
from flam.core import ConfigError, Event, OutputError, RecordingEvents
from flam.hub.card import read_card
from flam.model.checkpoint import load_checkpoint
from flam.training.finetune.run import FinetuneConfig, finetune

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("exported")]

FAST = FinetuneConfig(
    held_out_share=0.25, n_scenes=48, n_held_out_scenes=24, n_takes=1, n_anchors=200, epochs=12, batch_size=8, lr=5e-3
)
BRIEF = replace(FAST, n_scenes=10, n_held_out_scenes=4, epochs=3)


def weights(folder):
    return load_checkpoint(folder).model.state_dict()


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_words_are_learnt_and_others_stay(by_class, parent, tmp_path, exported):
    outcome = finetune(by_class, parent, tmp_path / "own", FAST, device="cpu")
    assert exported == [tmp_path / "own"]
    learnt, known = (outcome.comparison.mean(of_known) for of_known in (False, True))
    assert outcome.labels == ("grum vik", "zorblat")
    assert (outcome.n_learnt_from, outcome.n_held_out, outcome.problems) == (8, 4, ())
    assert learnt.after > learnt.before + 0.1
    assert known.after > known.before - 0.05
    # all that is heard stays as it is
    now, then = weights(tmp_path / "own"), weights(parent)
    heard = [name for name in then if name.startswith("audio_")]
    assert heard
    assert equal({name: then[name] for name in heard}, now)
    card = read_card(tmp_path / "own")
    assert (card.facts["parent"], card.facts["taught"], card.licence) == ("tiny", "grum vik, zorblat", "CC0-1.0")
    # the model is like any other, with its parent's operating point
    detector = flam.load(tmp_path / "own", device="cpu")
    assert detector.config.threshold == 0.4
    assert set(detector.config.prompts) == {"zorblat", "grum vik"}
    scores = detector.score(by_class / "zorblat" / "a.wav", ["zorblat", "grum vik"]).scores
    assert scores[5, 0] > scores[5, 1]


def test_interrupted_equals_uninterrupted_and_seeds_decide(by_class, parent, tmp_path):
    finetune(by_class, parent, tmp_path / "whole", BRIEF, device="cpu")

    def interrupting_at(moment):
        def progress(what, done, total, figures):
            if (what, done) == moment:
                raise KeyboardInterrupt

        return progress

    for moment in (("hearing clips", 1), ("learning", 2)):
        with pytest.raises(KeyboardInterrupt):
            finetune(by_class, parent, tmp_path / "parts", BRIEF, device="cpu", progress=interrupting_at(moment))
        assert not (tmp_path / "parts").exists()
    steps = []
    finetune(
        *(by_class, parent, tmp_path / "parts", BRIEF),
        device="cpu",
        progress=lambda what, done, total, figures: steps.append((what, done)),
    )
    assert ("learning", 1) not in steps  # it goes on after the second epoch
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    assert not list(tmp_path.glob(".parts*"))
    finetune(by_class, parent, tmp_path / "other", replace(BRIEF, seed=1), device="cpu")
    assert not equal(weights(tmp_path / "whole"), weights(tmp_path / "other"))


def test_what_another_run_left_is_not_used(by_class, parent, tmp_path):
    def stop(what, done, total, figures):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(by_class, parent, tmp_path / "own", replace(BRIEF, seed=1), device="cpu", progress=stop)
    finetune(by_class, parent, tmp_path / "own", BRIEF, device="cpu")
    finetune(by_class, parent, tmp_path / "new", BRIEF, device="cpu")
    assert equal(weights(tmp_path / "own"), weights(tmp_path / "new"))


def test_stopping_keeps_what_is_learnt(by_class, parent, tmp_path):
    epochs = []
    outcome = finetune(
        *(by_class, parent, tmp_path / "own", BRIEF),
        device="cpu",
        should_stop=lambda: len(epochs) >= 1,
        progress=lambda what, done, total, figures: what == "learning" and done and epochs.append(done),
    )
    assert outcome.epochs == 1
    assert not equal(weights(tmp_path / "own"), weights(parent))


def test_one_class_with_broken_and_silent_files(by_class, parent, tmp_path):
    shutil.rmtree(by_class / "grum_vik")
    (by_class / "zorblat" / "broken.wav").write_bytes(b"RIFF and nothing else")
    soundfile.write(by_class / "zorblat" / "silent.wav", np.zeros(16_000), 16_000)
    outcome = finetune(by_class, parent, tmp_path / "own", FAST, device="cpu")
    assert sorted(problem.split(": ")[0].rsplit("/")[-1] for problem in outcome.problems) == [
        "broken.wav",
        "silent.wav",
    ]
    [row] = outcome.comparison.learnt
    assert row.after > row.before


def test_recordings_with_times(by_class, parent, tmp_path):
    whistle, rate = soundfile.read(by_class / "zorblat" / "a.wav", dtype="float32")
    folder = tmp_path / "long"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abcdef":
        recording = 0.001 * rng.standard_normal(6 * rate).astype(np.float32)
        events = []
        for start_s in (1, 4):
            recording[start_s * rate : start_s * rate + len(whistle)] += whistle
            events.append(Event(start_s + 0.25, start_s + 0.75, "zorblat"))
        soundfile.write(folder / f"{name}.flac", recording, rate)
        write_events([RecordingEvents(name, None, tuple(events))], folder / f"{name}.txt", "audacity")
    outcome = finetune(folder, parent, tmp_path / "own", FAST, device="cpu")
    [row] = outcome.comparison.learnt
    assert outcome.n_held_out == 2
    assert row.after > row.before


def test_nothing_to_hear(by_class, parent, tmp_path):
    for path in by_class.rglob("*.wav"):
        soundfile.write(path, np.zeros(16_000), 16_000)
    with pytest.raises(ConfigError, match="none of its labels can be heard"):
        finetune(by_class, parent, tmp_path / "own", BRIEF, device="cpu")


def test_output_that_is_no_model_is_kept(by_class, parent, tmp_path):
    with pytest.raises(OutputError, match="is no model"):
        finetune(by_class, parent, by_class, BRIEF, device="cpu")


def test_a_full_disk_is_told(by_class, parent, tmp_path):
    resource = pytest.importorskip("resource", reason="limits of POSIX")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    try:
        with pytest.raises(OutputError, match="can't be written"):
            finetune(by_class, parent, tmp_path / "own", FAST, device="cpu")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "own").exists()
    assert not list(tmp_path.rglob("*.part"))
