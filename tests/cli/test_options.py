"""Options do what they say: channel and track of a recording; how labels are read, and how a model learns them."""

import time
from functools import partial

import numpy as np
import pytest
import soundfile

from flam.cli import finetune
from flam.core import load_yaml
from flam.jobs.settings import DetectSettings
from flam.training.finetune import run as finetuning

RATE = 16_000


def loud_between(onset_s, offset_s, duration_s=4.0):
    level = np.full(round(duration_s * RATE), 0.001, np.float32)
    level[round(onset_s * RATE) : round(offset_s * RATE)] = 0.3
    return level * np.sin(np.arange(len(level)) / 3).astype(np.float32)


def onsets(outcome):
    assert outcome.code == 0, outcome.err
    cells = [line.split(",") for line in outcome.out.splitlines()[1:]]
    return [float(row[1]) for row in cells if row[1]]


@pytest.fixture
def stereo(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([loud_between(0.5, 1.0), loud_between(2.0, 3.0)], axis=1), RATE)


LOUD = ("-p", "loud", "--threshold", "0.5", "--format", "csv")


@pytest.mark.parametrize(
    ("channel", "expected"), [("1", [0.5]), ("2", [2.0]), ("auto", [0.5, 2.0]), ("mix", [0.5, 2.0])]
)
def test_channel(run, stub, stereo, channel, expected):
    assert onsets(run("detect", "a.wav", *LOUD, "--channel", channel)) == pytest.approx(expected)


def test_plain_mean_is_taken_where_it_is_wanted(run, stub, tmp_path):
    sound = loud_between(2.0, 3.0)
    soundfile.write(tmp_path / "a.wav", np.stack([sound, -sound], axis=1), RATE)
    assert onsets(run("detect", "a.wav", *LOUD)) == pytest.approx([2.0])
    assert onsets(run("detect", "a.wav", *LOUD, "--channel", "mix")) == []


def test_channel_that_one_recording_lacks_costs_that_recording(run, stub, stereo, tmp_path):
    soundfile.write(tmp_path / "b.wav", loud_between(1.0, 2.0), RATE)
    done = run("detect", "a.wav", "b.wav", *LOUD, "--channel", "2")
    assert done.code == 1
    assert "error: b.wav: has no channel 2; choose 1..1, mix or auto" in done.err
    assert done.out.count("a.wav,2.0") == 1


@pytest.mark.parametrize("value", ["0", "-1", "left", "1.5"])
@pytest.mark.parametrize("where", ["option", "settings"])
def test_channel_that_is_none(run, stub, stereo, tmp_path, value, where):
    given = ["--channel", value]
    if where == "settings":
        (tmp_path / "s.yaml").write_text(f"recordings: [a.wav]\nprompts: [loud]\nchannel: '{value}'\n")
        given = ["--settings", "s.yaml"]
    refused = run("detect", "a.wav", *LOUD, *given)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == f"error: --channel {value} is not auto, mix or the number of a channel; choose one of them\n"


def test_another_channel_is_found_anew_and_kept_in_the_settings(run, stub, stereo, tmp_path):
    command = ("detect", "a.wav", "-p", "loud", "--threshold", "0.5", "-o", "out/")
    run(*command, "--channel", "1")
    run(*command, "--channel", "2")
    assert "a.wav,2.0" in (tmp_path / "out" / "a.csv").read_text()
    [path] = (tmp_path / "out").rglob("*.yaml")
    assert load_yaml(DetectSettings, path).channel == "2"
    assert onsets(run("detect", "--settings", path, "--format", "csv")) == pytest.approx([2.0])


@pytest.fixture
def two_tracks(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in range(2)]
        for stream, waveform in zip(streams, (loud_between(0.5, 1.0), loud_between(2.0, 3.0)), strict=True):
            frame = av.AudioFrame.from_ndarray((waveform[None] * 32767).astype(np.int16), format="s16", layout="mono")
            frame.sample_rate = RATE
            for each in (frame, None):
                for packet in stream.encode(each):
                    container.mux(packet)


@pytest.mark.parametrize(("track", "expected"), [((), [0.5, 2.0]), (("--track", 1), [0.5]), (("--track", 2), [2.0])])
def test_track(run, stub, two_tracks, track, expected):
    done = run("detect", "a.mkv", *LOUD, *track)
    assert onsets(done) == pytest.approx(expected, abs=0.1)
    assert ("has 2 audio tracks, which are heard together" in done.err) == (not track)


@pytest.mark.parametrize(("track", "code", "message"), [(3, 1, "choose 1..2"), (0, 2, "--track 0 must be at least 1")])
def test_track_that_is_not_there(run, stub, two_tracks, track, code, message):
    refused = run("detect", "a.mkv", *LOUD, "--track", track)
    assert refused.code == code
    assert message in refused.err.splitlines()[0]


@pytest.fixture
def little(monkeypatch, tmp_path):
    """Models of this test lie in its folder, and little is mixed."""
    monkeypatch.setenv("FLAM_MODELS", str(tmp_path / "models"))
    few = partial(finetuning.FinetuneConfig, n_scenes=8, n_held_out_scenes=4, n_takes=1, n_anchors=10, epochs=1)
    monkeypatch.setattr(finetuning, "FinetuneConfig", few)
    monkeypatch.setattr(finetuning, "other_sounds", lambda labels: ("door slam", "rain"))
    monkeypatch.setattr(finetuning, "add_graphs", lambda folder: None)


@pytest.fixture
def by_class(little, tmp_path):
    rng = np.random.default_rng(0)
    for label in ("whistle", "hiss"):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for name in "abcd":
            tone = np.sin(rng.uniform(0.5, 1.0) * np.arange(RATE)) if label == "whistle" else rng.standard_normal(RATE)
            soundfile.write(tmp_path / "sounds" / label / f"{name}.wav", 0.2 * tone, RATE)
    return tmp_path / "sounds"


def weights(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def are_equal(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_seed_decides_what_is_learnt(run, by_class, tiny_model, tmp_path):
    taught = {}
    for name, seed in (("one", 3), ("again", 3), ("other", 4)):
        done = run("finetune", by_class, "--from", tiny_model, "-o", tmp_path / name, "--seed", seed, "-q")
        assert done.code == 0, done.err
        taught[name] = weights(tmp_path / name)
    assert are_equal(taught["one"], taught["again"])
    assert not are_equal(taught["one"], taught["other"])


@pytest.mark.slow
def test_device_that_is_not_there_is_told_before_the_work(run, by_class, tiny_model, tmp_path):
    import torch

    missing = "mps" if torch.cuda.is_available() else "cuda"  # no machine has both
    (by_class / "hiss" / "broken.wav").write_bytes(b"no audio")
    refused = run("finetune", by_class, "--from", tiny_model, "-o", tmp_path / "own", "--device", missing)
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert f"device '{missing}' can't be used" in refused.err
    assert not (tmp_path / "own").exists()
    assert run("finetune", by_class, "--from", tiny_model, "-o", "m/own", "--device", "tpu", "-q").code == 2
    assert (
        run("finetune", by_class, "--from", tiny_model, "-o", "m/own", "--device", "cpu", "-q").code == 1
    )  # broken.wav


@pytest.fixture
def over_at(monkeypatch):
    """Let the minutes be over once a phase has come so far, however fast the machine is."""
    passed_s = [0.0]
    show, now = finetune._Progress.show, time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + passed_s[0])

    def end(phase, n_done):
        def late(self, what, done, total, figures):
            passed_s[0] += 3601.0 * ((what, done) == (phase, n_done))
            show(self, what, done, total, figures)

        monkeypatch.setattr(finetune._Progress, "show", late)

    return end


@pytest.mark.slow
def test_minutes_end_the_learning_at_once(run, by_class, tiny_model, tmp_path, monkeypatch, over_at):
    monkeypatch.setattr(finetuning, "FinetuneConfig", partial(finetuning.FinetuneConfig, epochs=100_000))
    over_at("learning", 3)
    done = run("finetune", by_class, "--from", tiny_model, "-o", tmp_path / "own", "--minutes", 60, "-q")
    assert done.code == 0, done.err
    assert "stopped after 3 of 100000 epochs" in done.err
    assert (tmp_path / "own" / "model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "n_done"), [("reading recordings", 1), ("hearing clips", 1)])
def test_minutes_that_are_over_before_learning_are_told(run, by_class, tiny_model, tmp_path, over_at, phase, n_done):
    over_at(phase, n_done)
    stopped = run("finetune", by_class, "--from", tiny_model, "-o", tmp_path / "own", "--minutes", 60, "-q")
    assert stopped.code == 2
    assert stopped.err == f"error: --minutes 60.0 were over while {phase}; run it again with more, it goes on there\n"
    assert not (tmp_path / "own").exists()


@pytest.fixture
def listed(little, tmp_path):
    """Recordings whose events stand in a table under a column of the user's own."""
    (tmp_path / "in").mkdir()
    for name in "ab":
        soundfile.write(tmp_path / "in" / f"{name}.wav", loud_between(1.0, 2.0), RATE)
    rows = "".join(f"{name}.wav\t1.0\t2.0\tmaybe\twhistle\n" for name in "ab")
    (tmp_path / "in" / "events.tsv").write_text(f"filename\tonset\toffset\tsure\tzooart\n{rows}")
    return tmp_path / "in"


@pytest.mark.slow
def test_label_column(run, listed, tiny_model, tmp_path):
    learn = ("finetune", listed, "--from", tiny_model, "-q", "-o")
    done = run(*learn, tmp_path / "own", "--label-column", "zooart")
    assert done.code == 0, done.err
    assert "-p whistle" in done.err
    other = run(*learn, tmp_path / "other", "--label-column", "sure")
    assert "-p maybe" in other.err
    refused = run(*learn, tmp_path / "none", "--label-column", "species")
    assert refused.code == 2
    assert "species" in refused.err


@pytest.mark.slow
def test_annotations_format(run, listed, tiny_model, tmp_path):
    (listed / "events.tsv").unlink()
    for name in "ab":  # three columns that could be Audacity's, but the user says otherwise
        (listed / f"{name}.txt").write_text("1.0\t2.0\twhistle\n")
    learn = ("finetune", listed, "--from", tiny_model, "-q", "-o")
    done = run(*learn, tmp_path / "own", "--annotations-format", "audacity")
    assert done.code == 0, done.err
    assert "-p whistle" in done.err
    refused = run(*learn, tmp_path / "other", "--annotations-format", "raven")
    assert refused.code == 2
    assert "a.txt" in refused.err
    unknown = run(*learn, tmp_path / "other", "--annotations-format", "elan")
    assert (unknown.code, unknown.err.count("\n")) == (2, 1)
    assert "--annotations-format elan is not one of" in unknown.err
