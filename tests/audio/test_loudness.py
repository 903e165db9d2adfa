"""A-weighted levels against the standard's table, against a plain computation, and the spans they give."""

import time

import numpy as np
import pytest

from flam.audio import a_weighted_levels_db, a_weighted_rms_db, a_weighting_db, active_spans_s
from flam.audio.loudness import SILENCE_DB
from flam.core import AudioError

RATE = 48_000
# IEC 61672-1:2013, table 3, dB (rounded there to 0.1 at the exact base-ten frequencies)
STANDARD_DB = {31.5: -39.4, 63: -26.2, 100: -19.1, 250: -8.6, 500: -3.2, 1000: 0.0, 2000: 1.2, 4000: 1.0, 8000: -1.1}
STANDARD_DB |= {10_000: -2.5, 16_000: -6.6}


def tone(frequency_hz: float, seconds: float, rate: int = RATE, amplitude: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate)) / rate)


def clip_with(spans_s: list[tuple[float, float]], seconds: float = 2.0, amplitude: float = 0.1) -> np.ndarray:
    clip = np.zeros(round(seconds * RATE))
    for onset_s, offset_s in spans_s:
        onset = round(onset_s * RATE)
        sound = tone(1000, offset_s - onset_s, amplitude=amplitude)
        clip[onset : onset + len(sound)] = sound
    return clip


@pytest.mark.parametrize(("frequency_hz", "expected_db"), STANDARD_DB.items())
def test_the_curve_and_a_measured_tone_follow_the_standard(frequency_hz, expected_db):
    assert a_weighting_db(frequency_hz) == pytest.approx(expected_db, abs=0.15)
    clip = tone(frequency_hz, 2.0)
    levels_db = a_weighted_levels_db(clip, RATE, window_samples=9600, hop_samples=9600)
    assert levels_db[5] == pytest.approx(-3.01 + float(a_weighting_db(frequency_hz)), abs=0.1)


def test_nothing_at_zero_frequency():
    assert a_weighting_db(0.0) == -np.inf
    assert a_weighted_levels_db(np.full(RATE, 0.5), RATE)[25] < -70


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 192_000])
def test_levels_do_not_depend_on_the_sample_rate(rate):
    assert a_weighted_rms_db(tone(1000, 1.0, rate, amplitude=0.1), rate) == pytest.approx(-23.01, abs=0.05)


def obvious_levels_db(waveform: np.ndarray, rate: int, window: int, hop: int) -> np.ndarray:
    n_fft = len(waveform) + rate  # one transform of the whole, with room for the response
    spectrum = np.fft.rfft(waveform, n_fft) * 10 ** (a_weighting_db(np.fft.rfftfreq(n_fft, 1 / rate)) / 20)
    weighted = np.fft.irfft(spectrum, n_fft)[: len(waveform)]
    levels = []
    for start in range(0, len(waveform), hop):
        first = start - (window - hop) // 2
        levels.append(np.mean(weighted[max(0, first) : first + window] ** 2))
    return 10 * np.log10(np.maximum(levels, 10 ** (SILENCE_DB / 10)))


@pytest.mark.parametrize("n_samples", [1, 959, 960, 961, 2_400, 100_003, 200_000])
def test_levels_in_blocks_equal_one_long_transform(n_samples):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, n_samples)
    levels_db = a_weighted_levels_db(noise, RATE)
    assert levels_db.shape == (-(-n_samples // 960),)
    np.testing.assert_allclose(levels_db, obvious_levels_db(noise, RATE, 2400, 960), atol=1e-3)


def test_no_samples_and_silence():
    assert a_weighted_levels_db(np.zeros(0), RATE).shape == (0,)
    assert a_weighted_rms_db(np.zeros(0), RATE) == SILENCE_DB
    assert a_weighted_rms_db(np.zeros(5000), RATE) == SILENCE_DB
    assert active_spans_s(np.zeros(0), RATE) == []
    assert active_spans_s(np.zeros(5000), RATE) == []


def test_stereo_is_refused():
    with pytest.raises(AudioError, match="average the channels first"):
        a_weighted_levels_db(np.zeros((100, 2)), RATE)


@pytest.mark.parametrize(
    ("sounding_s", "expected_s"),
    [
        ([(0.3, 0.7)], [(0.3, 0.7)]),
        ([(0.0, 2.0)], [(0.0, 2.0)]),
        ([(0.3, 0.6), (0.75, 1.0)], [(0.3, 1.0)]),  # a gap of 150 ms is filled
        ([(0.3, 0.6), (0.95, 1.2)], [(0.3, 0.6), (0.95, 1.2)]),  # one of 350 ms is not
        ([(1.9, 2.0)], [(1.9, 2.0)]),
    ],
)
def test_spans_are_where_the_sound_is(sounding_s, expected_s):
    spans_s = active_spans_s(clip_with(sounding_s), RATE)
    # a 50 ms window sees a sound up to 15 ms before its frame begins
    np.testing.assert_allclose(np.array(spans_s), expected_s, atol=0.036)


def test_quiet_sound_is_inactive_and_the_threshold_decides():
    clip = clip_with([(0.5, 1.0)], amplitude=1e-4)  # -83 dB
    assert active_spans_s(clip, RATE) == []
    assert len(active_spans_s(clip, RATE, threshold_db=-90)) == 1


def test_short_spikes_are_dropped_after_filling():
    spike = clip_with([(0.5, 0.502)])
    assert active_spans_s(spike, RATE, drop_s=0.2) == []
    assert len(active_spans_s(spike, RATE, drop_s=0.0)) == 1
    crackle = clip_with([(onset_s, onset_s + 0.002) for onset_s in np.arange(0.5, 1.0, 0.1)])
    assert len(active_spans_s(crackle, RATE, drop_s=0.2)) == 1, "filled first, long enough then"
    assert active_spans_s(crackle, RATE, fill_s=0.0, drop_s=0.2) == []


def test_spans_stay_inside_the_clip():
    clip = tone(1000, 0.513)
    ((onset_s, offset_s),) = active_spans_s(clip, RATE)
    assert (onset_s, offset_s) == (0.0, len(clip) / RATE)


def test_thousands_of_clips_can_be_measured():
    clip = np.random.default_rng(0).uniform(-0.5, 0.5, 5 * RATE).astype(np.float32)
    active_spans_s(clip, RATE)
    took_s = []
    for _ in range(5):
        started = time.perf_counter()
        active_spans_s(clip, RATE)
        took_s.append(time.perf_counter() - started)
    assert min(took_s) < 0.1
