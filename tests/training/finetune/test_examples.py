"""What is heard carries the right labels, in windows of recordings and in scenes."""

import numpy as np
import pytest
import soundfile
import torch

from flam.model.checkpoint import load_checkpoint
from flam.training.finetune.examples import ExampleCache, scene_jobs, window_jobs
from flam.training.finetune.folder import LabelledRecording, read_folder
from flam.training.finetune.sounds import SoundLibrary, cut_sounds, scene_source
from flam.training.tasks.finetune import log_odds

RATE = 48_000


@pytest.fixture
def timed(tmp_path):
    """Ten seconds of noise that is loud where a seal calls, here and there with an owl."""
    events = {"seal": ((0.96, 1.6), (5.12, 5.76), (8.0, 8.64)), "owl": ((8.32, 9.6),)}
    waveform = 0.001 * np.random.default_rng(0).standard_normal(10 * RATE)
    for spans_s in events.values():
        for onset_s, offset_s in spans_s:
            waveform[round(onset_s * RATE) : round(offset_s * RATE)] *= 100
    soundfile.write(tmp_path / "shore.wav", waveform, RATE)
    return LabelledRecording(tmp_path / "shore.wav", "shore", None, events)


def test_windows_are_labelled_where_they_are_loud(timed, parent, tmp_path):
    model = load_checkpoint(parent).model
    n_samples = model.audio_encoder.window_samples
    jobs = window_jobs([timed], RATE, n_samples, most=100, seed=0)
    [clips] = [job() for job in jobs]
    hop = model.grid.hop_samples
    examples = ExampleCache(model, ("seal", "owl"), tmp_path).embed("windows", jobs, lambda done, total: None)
    assert len(clips) == len(examples.labels) == 8  # all of the recording
    for clip, labels, valid in zip(clips, examples.labels, examples.valid, strict=True):
        loud = np.abs(clip.waveform).reshape(-1, hop).max(axis=1) > 0.05
        assert (torch.from_numpy(loud) == (labels.any(dim=1) & valid)).all()


def test_few_windows_hold_events(timed, parent):
    n_samples = load_checkpoint(parent).model.audio_encoder.window_samples
    [clips] = [job() for job in window_jobs([timed], RATE, n_samples, most=4, seed=0)]
    assert len(clips) == 4
    assert sum(bool(clip.sounds) for clip in clips) == 3


def test_sounds_are_events_alone_and_gaps_are_backgrounds(timed):
    library = SoundLibrary(None)
    clips = cut_sounds([timed], library, most_s=100)
    assert [clip.label for clip in clips] == ["seal", "seal", "", ""]
    lengths_s = [library.n_samples(clip.clip_id) / RATE for clip in clips]
    assert lengths_s == pytest.approx([0.64, 0.64, 3.52, 2.24])  # an owl overlaps the third call


@pytest.mark.slow
def test_scenes_are_labelled_where_the_sound_was_put(by_class, parent, tmp_path):
    model = load_checkpoint(parent).model
    source = scene_source(
        *(read_folder(by_class), ("rain", "door slam"), 1, 100.0),
        *(model.audio_encoder.window_samples, RATE, 0, lambda problem: None),
    )
    examples = ExampleCache(model, ("zorblat", "grum vik"), tmp_path).embed(
        "scenes", scene_jobs(source, 20), lambda done, total: None
    )
    assert examples.frame_features.shape == (20, 16, 32)
    for number in range(20):
        sounds = source.clip(number, np.random.default_rng(number)).sounds
        for column, label in enumerate(("zorblat", "grum vik")):
            assert examples.labels[number, :, column].any() == any(sound.label == label for sound in sounds)
    assert torch.allclose(log_odds(examples).sigmoid(), examples.labels.float().mean(dim=(0, 1)), atol=0.01)
