"""Pictures: what is drawn where, at any length and any number of prompts, in bounded memory."""

import tracemalloc

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from flam.core import AudioError, ConfigError, Event, FrameScores, OutputError, TimeGrid
from flam.plots.detection import plot_detection, plot_sed_heatmap
from flam.plots.layout import OUTLINE, highest_in_columns, shortened, time_ticks
from flam.plots.spectrogram import reduced_spectrogram

GRID = TimeGrid(8_000, 640)


def tone(duration_s, hz, sample_rate=8_000):
    return np.sin(2 * np.pi * hz * np.arange(round(duration_s * sample_rate)) / sample_rate).astype(np.float32)


def make_scores(duration_s, n_prompts):
    n_samples = round(duration_s * GRID.sample_rate)
    values = np.zeros((GRID.n_frames(n_samples), n_prompts), np.float32)
    return FrameScores(values, tuple(f"sound {k}" for k in range(n_prompts)), GRID, 0, n_samples)


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 192_000])
@pytest.mark.parametrize("hz", [200, 1_000, 3_000])
def test_tone_is_drawn_at_its_frequency(sample_rate, hz):
    spectrogram = reduced_spectrogram((tone(2.0, hz, sample_rate), sample_rate))
    row = int(spectrogram.level_db.max(axis=1).argmax())
    assert spectrogram.edges_hz[row] - 25 <= hz <= spectrogram.edges_hz[row + 1] + 25


@pytest.mark.parametrize("expected_s", [None, 40.0])
def test_click_is_drawn_at_its_time_whatever_the_length(expected_s):
    waveform = np.zeros(40 * 8_000, np.float32)
    waveform[25 * 8_000] = 1.0
    spectrogram = reduced_spectrogram((waveform, 8_000), expected_s, n_columns=100)
    assert 100 <= spectrogram.level_db.shape[1] <= 200
    column = int(spectrogram.level_db.max(axis=0).argmax())
    assert abs((column + 0.5) * spectrogram.column_s - 25) <= spectrogram.column_s + 0.05


def test_streamed_spectrogram_equals_that_of_an_array(tmp_path):
    waveform = np.random.default_rng(0).normal(0, 0.1, 200_001).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", waveform, 48_000, subtype="FLOAT")
    streamed, whole = reduced_spectrogram(tmp_path / "a.wav"), reduced_spectrogram((waveform, 48_000))
    np.testing.assert_allclose(streamed.level_db, whole.level_db, atol=1e-3)
    assert streamed.duration_s == whole.duration_s


@pytest.mark.parametrize("n_samples", [0, 1, 100, 2_000])
def test_shortest_recordings_are_drawn(n_samples, tmp_path):
    scores = FrameScores(np.zeros((GRID.n_frames(n_samples), 1), np.float32), ("a",), GRID, 0, n_samples)
    plot_detection((np.ones(n_samples, np.float32), 8_000), scores, [], tmp_path / "a.png")
    assert imread(tmp_path / "a.png").shape[0] > 100


@pytest.mark.slow
def test_long_recording_takes_bounded_memory(tmp_path):
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 8_000, 1) as file:
        for _ in range(60):
            file.write(np.zeros(60 * 8_000, np.int16))
    tracemalloc.start()
    spectrogram = reduced_spectrogram(tmp_path / "long.wav", 3_600.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert spectrogram.duration_s == 3_600
    assert peak < 20e6  # the samples alone would take 115 MB


def pixels_of(path, colour):
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    picture = imread(path)[..., :3]
    return np.argwhere(np.abs(picture - wanted).max(axis=-1) < 0.02)


@pytest.mark.parametrize(("duration_s", "n_prompts"), [(2.0, 1), (60.0, 40), (7_200.0, 5)])
def test_event_is_outlined_on_its_row_at_its_time(tmp_path, duration_s, n_prompts):
    event = Event(0.5 * duration_s, 0.6 * duration_s, f"sound {n_prompts - 1}")
    audio = (np.zeros(8_000, np.float32), 8_000)
    figure = plot_detection(audio, make_scores(duration_s, n_prompts), [event], tmp_path / "a.png")
    box = figure.axes[2].get_position()  # the heat map
    places = pixels_of(tmp_path / "a.png", OUTLINE)
    height, width = imread(tmp_path / "a.png").shape[:2]
    x, y = places[:, 1] / width, 1 - places[:, 0] / height
    assert x.min() == pytest.approx(box.x0 + 0.5 * box.width, abs=0.01)
    assert x.max() == pytest.approx(box.x0 + 0.6 * box.width, abs=0.01)
    assert box.y0 <= y.min()
    assert y.max() <= box.y0 + box.height / n_prompts


def test_suppressing_prompts_stand_below_in_another_colour():
    scores = make_scores(2.0, 3)
    figure = plot_detection((tone(2.0, 500), 8_000), scores, [], negatives=["sound 0"])
    labels = figure.axes[2].get_yticklabels()
    assert [label.get_text() for label in labels] == ["sound 1", "sound 2", "sound 0"]
    assert labels[2].get_color() != labels[0].get_color() == labels[1].get_color()


def test_of_very_many_prompts_the_highest_are_drawn():
    scores = make_scores(2.0, 200)
    scores.scores[3, 150] = 0.9
    figure = plot_detection((tone(2.0, 500), 8_000), scores, [])
    labels = [label.get_text() for label in figure.axes[2].get_yticklabels()]
    assert len(labels) == 60
    assert "sound 150" in labels
    assert "60 of 200 prompts" in figure.axes[2].get_xlabel()


def test_heat_map_of_any_scores(tmp_path):
    audio = (tone(2.0, 500), 8_000)
    named = plot_sed_heatmap(audio, {"dog": np.zeros(32), "price in $5, $6": np.ones(32)}, negatives=["dog"])
    assert [label.get_text() for label in named.axes[2].get_yticklabels()] == ["price in $5, $6", "dog"]
    plot_sed_heatmap(audio, np.zeros((2, 32)), ["dog", "犬の鳴き声"], tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_errors_say_what_fits(tmp_path):
    audio = (tone(1.0, 500), 8_000)
    with pytest.raises(ConfigError, match=r"\(3, 4\) need \(K, T\) with K = 2"):
        plot_sed_heatmap(audio, np.zeros((3, 4)), ["a", "b"])
    with pytest.raises(ConfigError, match="no kind of picture"):
        plot_sed_heatmap(audio, {"a": np.zeros(4)}, path=tmp_path / "a.xyz")
    with pytest.raises(OutputError, match="No such file"):
        plot_sed_heatmap(audio, {"a": np.zeros(4)}, path=tmp_path / "none" / "a.png")
    with pytest.raises(AudioError, match="neither"):
        plot_sed_heatmap((np.zeros((1, 2, 3)), 8_000), {"a": np.zeros(4)})


def test_reduction_loses_no_short_event():
    values = np.zeros(10_001)
    values[7_777] = 1.0
    reduced = highest_in_columns(values, 100)
    assert (len(reduced), reduced.max(), reduced.argmax()) == (100, 1.0, 77)


@pytest.mark.parametrize("duration_s", [0.05, 0.5, 1.9, 2, 10, 59, 61, 600, 3_599, 3_601, 7_200, 86_400, 1e6])
def test_time_ticks_are_few_and_within(duration_s):
    ticks = time_ticks(duration_s)
    seconds = [second for second, _ in ticks]
    assert seconds[0] == 0
    assert seconds[-1] <= duration_s * (1 + 1e-6)
    assert 1 <= len(ticks) <= 14
    assert len({text for _, text in ticks}) == len(ticks)


def test_long_prompts_are_cut_in_the_middle():
    text = shortened("a very long description of a sound that nobody would ever want to read", 30)
    assert len(text) == 30
    assert text.startswith("a very long")
    assert text.endswith("to read")
    assert shortened("two\nlines") == "two lines"
