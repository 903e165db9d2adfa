"""Sounds cut while a recording streams by are those that are cut out of all its samples."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from flam.audio import read_audio
from flam.core import seconds_to_samples
from flam.library.measure import LIBRARY_RATE
from flam.training.finetune.cutting import LONGEST_SOUND_S, SHORTEST_GAP_S, folder_sound, sounds_of
from flam.training.finetune.folder import LabelledRecording


def obvious_pieces(recording, waveform):
    """(label, samples) of each sound of a recording; an empty label is a background."""

    def part(onset_s, offset_s):
        return waveform[seconds_to_samples(onset_s, LIBRARY_RATE) : seconds_to_samples(offset_s, LIBRARY_RATE)]

    if recording.label is not None:
        sound = folder_sound(waveform)
        onset_s = sound.spans_s[0][0] if sound else 0.0
        yield recording.label, part(onset_s, onset_s + LONGEST_SOUND_S)
        return
    for label, spans_s in recording.events.items():
        others = [span for other, times in recording.events.items() if other != label for span in times]
        for onset_s, offset_s in spans_s:
            if not any(start_s < offset_s and end_s > onset_s for start_s, end_s in others):
                yield label, part(onset_s, min(offset_s, onset_s + LONGEST_SOUND_S))
    duration_s, reached_s = len(waveform) / LIBRARY_RATE, 0.0
    spans = [span for spans in recording.events.values() for span in spans]
    for onset_s, offset_s in sorted([*spans, (duration_s, duration_s)]):
        if onset_s - reached_s >= SHORTEST_GAP_S:
            yield "", part(reached_s, min(onset_s, reached_s + LONGEST_SOUND_S))
        reached_s = max(reached_s, offset_s)


def obvious_sounds(recording, kept_s, most_s):
    for label, waveform in obvious_pieces(recording, read_audio(recording.path)):
        sound = folder_sound(waveform)
        if sound is not None and kept_s.get(label, 0.0) < most_s:
            kept_s[label] = kept_s.get(label, 0.0) + sound.length_s
            yield label, sound


def require_equal(recording, most_s):
    kept_s, expected_s = {"seal": 0.5}, {"seal": 0.5}
    cut = sounds_of(recording, kept_s, most_s)
    expected = list(obvious_sounds(recording, expected_s, most_s))
    assert [label for label, _ in cut] == [label for label, _ in expected]
    assert kept_s == expected_s
    for (_, sound), (_, other) in zip(cut, expected, strict=True):
        np.testing.assert_array_equal(sound.samples, other.samples)
        assert (sound.scale, sound.spans_s) == (other.scale, other.spans_s)
    return [label for label, _ in cut]


@pytest.fixture
def shore(tmp_path):
    """70 seconds of noise, louder towards the end and silent at first, at 22,050 Hz."""
    waveform = np.random.default_rng(0).standard_normal(70 * 22_050) * np.linspace(0, 0.1, 70 * 22_050)
    waveform[: 7 * 22_050] = 0
    soundfile.write(tmp_path / "shore.flac", waveform, 22_050)
    return tmp_path / "shore.flac"


@pytest.mark.parametrize(
    "most_s", [1.0, pytest.param(30.0, marks=pytest.mark.slow), pytest.param(1e9, marks=pytest.mark.slow)]
)
def test_sounds_equal_those_of_the_whole(shore, most_s):
    rng = np.random.default_rng(1)
    for number in range(6):
        onsets_s = rng.uniform(0, 75, (3, 8))  # some begin behind the end
        events = {
            label: tuple((onset_s, onset_s + rng.exponential(6.0)) for onset_s in times)
            for label, times in zip(("seal", "owl", "tern"), onsets_s, strict=True)
        }
        events = {label: events[label] for label in list(events)[: number % 3 + 1]}
        require_equal(LabelledRecording(shore, "shore", None, events), most_s)
    assert require_equal(LabelledRecording(shore, "shore", None, {}), most_s) in (["", ""], [""])


def test_a_recording_of_one_label_begins_where_it_sounds(shore, tmp_path):
    assert require_equal(LabelledRecording(shore, "shore", "seal", {}), 100.0) == ["seal"]
    soundfile.write(tmp_path / "silent.wav", np.zeros(50_000), 22_050)
    assert require_equal(LabelledRecording(tmp_path / "silent.wav", "silent", "seal", {}), 100.0) == []


def test_memory_does_not_grow_with_the_recording(tmp_path):
    peaks = []
    for minutes in (2, 8):
        path = tmp_path / f"{minutes}.wav"
        noise = np.random.default_rng(0).normal(0, 3000, 8_000 * 60).astype(np.int16)
        soundfile.write(path, np.tile(noise, minutes), 8_000)
        events = {"seal": tuple((float(onset_s), onset_s + 1.0) for onset_s in range(5, 60 * minutes, 30))}
        tracemalloc.start()
        sounds_of(LabelledRecording(path, "a", None, events), {}, most_s=5.0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 4 * 48_000 * 60 * 8 / 2
