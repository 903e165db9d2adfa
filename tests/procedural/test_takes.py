"""Every generator makes varied, clean, exactly timed takes; the words that describe them are complete."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from flam.core import ConfigError, FlamError, seconds_to_samples
from flam.procedural import GENERATORS, SAMPLE_RATE, generate, natural_duration_s
from flam.procedural.generator import SHORTEST_S
from flam.procedural.speech import speak
from flam.procedural.synthesis import (
    add_at,
    band_noise,
    contour,
    convolve,
    harmonic_tone,
    hush,
    low_pass,
    overtones,
    resonate,
    rhythm,
    room,
    scattered,
    struck_modes,
)

LABELS = sorted(GENERATORS)


def power_share(waveform, sample_rate, low_hz, high_hz):
    power = np.abs(np.fft.rfft(waveform)) ** 2
    frequency = np.fft.rfftfreq(len(waveform), 1 / sample_rate)
    return power[(frequency >= low_hz) & (frequency < high_hz)].sum() / power.sum()


@pytest.mark.parametrize("label", LABELS)
def test_take_is_clean_exact_and_repeatable(label):
    take = generate(label, seed=3, duration_s=1.7013)
    assert take.dtype == np.float32
    assert take.shape == (seconds_to_samples(1.7013, SAMPLE_RATE),)
    assert np.isfinite(take).all()
    assert 0.8 < np.abs(take).max() <= 0.9 + 1e-6
    assert abs(take.mean()) < 1e-4
    if GENERATORS[label].kind == "event":  # it starts at once
        assert np.flatnonzero(np.abs(take) > 0.05 * np.abs(take).max())[0] < 0.3 * SAMPLE_RATE
    np.testing.assert_array_equal(generate(label, 3, duration_s=0.4), generate(label, 3, duration_s=0.4))


def log_bands(take):
    """Levels of 64 bands in windows of 21 ms, (T, 64) in dB: what a listener compares."""
    frames = take[: len(take) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024)
    power = np.abs(np.fft.rfft(frames)) ** 2
    edges = np.unique(np.geomspace(2, 500, 65).astype(int))
    return 10 * np.log10(np.add.reduceat(power, edges, axis=1) + 1e-6)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.slow
def test_takes_of_two_seeds_are_two_sounds(label):
    one, other = generate(label, 11), generate(label, 12)
    shortest_s, longest_s = GENERATORS[label].typical_s
    for seed, take in ((11, one), (12, other)):
        assert shortest_s - 0.001 <= len(take) / SAMPLE_RATE <= longest_s + 0.001
        assert len(take) == seconds_to_samples(natural_duration_s(label, seed), SAMPLE_RATE)
        assert np.sqrt(np.mean(take**2)) > 0.005
    assert len(one) != len(other)
    n_both = min(len(one), len(other))
    assert abs(np.corrcoef(one[:n_both], other[:n_both])[0, 1]) < 0.9
    assert np.corrcoef(log_bands(one[:n_both]).ravel(), log_bands(other[:n_both]).ravel())[0, 1] < 0.99


@pytest.mark.slow
def test_another_process_makes_the_same_bytes():
    code = "import sys; from flam.procedural import generate; sys.stdout.buffer.write(generate('crow', 5, 1.0))"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    assert made.stdout == generate("crow", 5, 1.0).tobytes()


@pytest.mark.parametrize("label", [label for label in LABELS if GENERATORS[label].kind == "background"])
def test_background_sounds_all_the_time(label):
    take = generate(label, seed=1, duration_s=4.0).reshape(4, -1)
    levels_db = 10 * np.log10(np.mean(take**2, axis=1))
    assert levels_db.min() > levels_db.max() - 25


@pytest.mark.parametrize("label", LABELS)
def test_works_at_other_rates_and_shortest_duration(label):
    for sample_rate in (16000, 44100):
        take = GENERATORS[label](np.random.default_rng(0), SHORTEST_S, sample_rate)
        assert take.shape == (seconds_to_samples(SHORTEST_S, sample_rate),)
        assert np.isfinite(take).all()


def test_every_generator_is_described():
    assert len(GENERATORS) >= 48
    for label, generator in GENERATORS.items():
        assert label == generator.label == label.lower()
        assert len(generator.caption.split()) >= 2
        assert 0 < generator.typical_s[0] < generator.typical_s[1]
        assert generator.synthesis.__doc__
    assert {generator.kind for generator in GENERATORS.values()} == {"event", "background"}


@pytest.mark.parametrize(
    ("label", "seed", "duration_s", "message"),
    [
        ("unicorn", 0, 1.0, "no generator for 'unicorn'"),
        ("rain", -1, 1.0, "seed -1"),
        ("rain", 0, 0.05, "at least 0.3"),
    ],
)
def test_bad_requests_say_what_to_do(label, seed, duration_s, message):
    with pytest.raises(ConfigError, match=message):
        generate(label, seed, duration_s)


def test_too_low_a_rate_is_refused():
    with pytest.raises(ConfigError, match="8000"):
        GENERATORS["rain"](np.random.default_rng(0), 1.0, 4000)


@pytest.mark.parametrize(
    ("label", "low_hz", "high_hz"),
    [("smoke alarm", 2900, 3350), ("crickets", 4000, 5000), ("heartbeat", 20, 250), ("thunder", 20, 1500)],
)
def test_energy_lies_where_the_sound_lives(label, low_hz, high_hz):
    assert power_share(generate(label, seed=5, duration_s=3.0), SAMPLE_RATE, low_hz, high_hz) > 0.75


def test_overtones_equal_sines_and_respect_nyquist():
    pitch_hz = np.linspace(900, 1500, 8000)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / 16000
    made = list(overtones(pitch_hz, 16000, 20))
    assert len(made) == 8
    for number, (overtone_hz, sine) in enumerate(made, start=1):
        audible = overtone_hz < 0.47 * 16000
        np.testing.assert_allclose(sine[audible], np.sin(number * phase)[audible], atol=1e-8)
        assert not sine[~audible].any()


def test_harmonic_tone_is_the_sum_of_its_harmonics():
    tone = harmonic_tone(np.full(48000, 200.0), 48000, [1.0, 0.0, 0.5])
    spectrum = np.abs(np.fft.rfft(tone)) / 24000
    np.testing.assert_allclose(spectrum[[200, 400, 600]], [1.0, 0.0, 0.5], atol=1e-6)


def test_struck_mode_decays_by_e_in_its_decay_time():
    ringing = struck_modes(48000, 48000, [1000.0], [0.2], [1.0])
    peaks = np.abs(ringing).reshape(-1, 480).max(axis=1)
    assert peaks[30] / peaks[10] == pytest.approx(np.exp(-1), rel=1e-3)


def test_band_noise_keeps_its_band_and_level():
    noise = band_noise(np.random.default_rng(0), 48000, 48000, 1000, 2000, order=4)
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(1)
    frequency = np.arange(1.0, 24000)
    power = 1 / ((1 + (1000 / frequency) ** 8) * (1 + (frequency / 2000) ** 8))
    in_band = (frequency >= 1000) & (frequency < 2000)
    assert power_share(noise, 48000, 1000, 2000) == pytest.approx(power[in_band].sum() / power.sum(), abs=0.03)


def test_convolution_equals_the_direct_sum():
    rng = np.random.default_rng(0)
    waveform, kernel = rng.standard_normal(5000), rng.standard_normal(300)
    np.testing.assert_allclose(convolve(waveform, kernel), np.convolve(waveform, kernel)[:5000], atol=1e-9)


def test_filters_are_causal_and_have_their_gain():
    impulse = np.zeros(48000)
    impulse[24000] = 1
    for response in (
        low_pass(impulse, 48000, 1000),
        resonate(impulse, 48000, [1000], [200], [1]),
    ):
        assert np.sum(response[:23990] ** 2) < 1e-3 * np.sum(response**2)
    gain = np.abs(np.fft.rfft(resonate(impulse, 48000, [1000], [200], [0.5])))
    assert gain[1000] == pytest.approx(0.5, rel=1e-3)
    assert gain[1100] / gain[1000] == pytest.approx(2**-0.5, abs=0.05)


def test_grains_come_at_their_rate_and_keep_their_shape():
    scene = scattered(np.random.default_rng(0), np.array([1.0, -0.5]), 480_000, 48000, 100.0)
    onsets = np.flatnonzero(scene)[::2]
    assert len(onsets) == pytest.approx(1000, rel=0.15)
    alone = onsets[np.flatnonzero(np.diff(onsets) > 2)]
    np.testing.assert_allclose(scene[alone[:20] + 1], -0.5 * scene[alone[:20]])


def test_grains_follow_a_rate_curve():
    rate_hz = np.repeat([0.0, 200.0], 48000)
    scene = scattered(np.random.default_rng(0), np.ones(1), 96000, 48000, rate_hz)
    assert not scene[:48000].any()
    assert np.count_nonzero(scene[48000:]) == pytest.approx(200, rel=0.3)


def test_room_keeps_the_direct_sound_and_decays():
    click = np.zeros(4800)
    click[0] = 1
    heard = room(np.random.default_rng(0), click, 48000, decay_s=0.5, reverberant_db=-6)
    assert len(heard) == 4800 + 24000
    assert heard[0] == pytest.approx(1, abs=1e-6)
    assert np.sum(heard[100:] ** 2) == pytest.approx(10**-0.6, rel=0.02)
    assert np.sum(heard[12000:] ** 2) < 0.01 * np.sum(heard[100:12000] ** 2)


def test_hush_lies_under_the_sound_at_its_level():
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(96000) / 48000)
    noise = hush(np.random.default_rng(0), tone, 48000, -40) - tone
    assert 20 * np.log10(np.sqrt(np.mean(noise**2)) / 0.5) == pytest.approx(-40, abs=0.1)


def test_contour_passes_through_its_points():
    curve = contour(1001, [(0, 1.0), (0.25, 3.0), (1, -2.0)])
    np.testing.assert_allclose(curve[[0, 250, 1000]], [1, 3, -2], atol=1e-9)
    assert curve.max() <= 3


def test_rhythm_starts_at_zero_and_leaves_the_tail():
    onsets_s = list(rhythm(np.random.default_rng(0), 3.0, 0.4, 0.2, tail_s=0.5))
    assert onsets_s[0] == 0
    assert onsets_s[-1] < 2.5
    assert all(0.32 <= gap_s <= 0.48 for gap_s in np.diff(onsets_s))


def test_grain_past_the_end_is_cut():
    waveform = np.zeros(5)
    add_at(waveform, np.ones(4), 3)
    add_at(waveform, np.ones(4), 9)
    assert waveform.tolist() == [0, 0, 0, 1, 1]


def test_speech_without_espeak_names_the_remedy(monkeypatch):
    monkeypatch.setattr("flam.procedural.speech.shutil.which", lambda program: None)
    with pytest.raises(FlamError, match="install the package espeak-ng"):
        speak("hello")


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_speech_is_trimmed_and_longer_for_more_words():
    short, long = speak("yes"), speak("yes, and then a good deal more", voice="en-gb+f3")
    assert len(long) > 2 * len(short)
    assert np.abs(short).max() == pytest.approx(0.9, abs=1e-3)
    assert np.abs(short[:480]).max() > 0.001
    np.testing.assert_array_equal(short, speak("yes"))


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.parametrize(("text", "voice"), [("hello", "zz9"), ("", "en-us")])
def test_speech_that_can_not_be_made_is_an_error(text, voice):
    with pytest.raises(FlamError):
        speak(text, voice)
