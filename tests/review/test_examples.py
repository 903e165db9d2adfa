"""Answers as clips in folders: right by prompt, wrong for all as background, doubtful nowhere."""

import numpy as np
import pytest
import soundfile

from flam.core import ConfigError
from flam.review import Label
from flam.review.examples import read_span, write_examples


def label(prompt, onset_s, offset_s, verdict, recording):
    return Label(prompt, str(recording), "", onset_s, offset_s, 0.9, verdict)


def test_clips_hold_what_was_judged(tmp_path):
    ramp = np.arange(80_000, dtype=np.float32) / 80_000
    soundfile.write(tmp_path / "a.wav", ramp, 8_000, "FLOAT")
    labels = [
        label("dog barking", 1.0, 2.0, "right", tmp_path / "a.wav"),
        label("siren", 1.5, 2.5, "wrong", tmp_path / "a.wav"),  # the dog, so not an example of nothing
        label("siren", 5.0, 6.0, "wrong", tmp_path / "a.wav"),
        label("dog barking", 5.5, 6.5, "wrong", tmp_path / "a.wav"),
        label("siren", 9.0, 9.5, "wrong", tmp_path / "a.wav"),  # who knows whether a dog barks there
        label("siren", 7.0, 8.0, "unsure", tmp_path / "a.wav"),
        label("siren", 7.0, 8.0, "right", tmp_path / "gone.wav"),
    ]
    problems = []
    assert write_examples(labels, tmp_path / "out", problems.append) == 3
    assert len(problems) == 1
    [dog], none = (sorted((tmp_path / "out" / name).iterdir()) for name in ("dog_barking", "background"))
    np.testing.assert_allclose(soundfile.read(dog)[0], ramp[8_000:16_000], atol=1e-6)
    np.testing.assert_allclose(soundfile.read(none[0])[0], ramp[40_000:48_000], atol=1e-6)
    np.testing.assert_allclose(soundfile.read(none[1])[0], ramp[44_000:52_000], atol=1e-6)
    assert len(read_span(str(tmp_path / "a.wav"), -1.0, 0.5)[0]) == 4_000


def test_wrong_answers_to_a_single_prompt_are_examples_of_nothing(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(80_000, 0.1, np.float32), 8_000, "FLOAT")
    labels = [label("dog", start, start + 1.0, "wrong", tmp_path / "a.wav") for start in (3.0, 5.0)]
    assert write_examples([label("dog", 1.0, 2.0, "right", tmp_path / "a.wav"), *labels], tmp_path / "out", print) == 3
    assert len(list((tmp_path / "out" / "background").iterdir())) == 2


def test_only_wrong_answers_teach_nothing(tmp_path):
    with pytest.raises(ConfigError, match="no answer is right"):
        write_examples([label("siren", 1.0, 2.0, "wrong", tmp_path / "gone.wav")], tmp_path / "o", lambda line: None)
