"""A recorder takes away what it should, and nothing else; the sounds stay where they were."""

import numpy as np
import pytest

from flam.scenes.effects.codec import Codec
from flam.scenes.effects.filter import Filter
from flam.scenes.effects.recorder import Recorder, RecorderConfig, draw_recorder, pink_noise, record

RATE = 48_000


@pytest.fixture(scope="module")
def click():
    """Noise from 1.0 to 1.2 s, digital silence around it."""
    waveform = np.zeros(2 * RATE, np.float32)
    waveform[RATE : RATE + RATE // 5] = 0.2 * np.random.default_rng(0).standard_normal(RATE // 5)
    return waveform


EACH_PART = [
    Recorder(reverberation_s=0.4),
    Recorder(response=Filter((0.0, 6.0, -6.0))),
    Recorder(noise_db=20.0),
    Recorder(gain_db=12.0),
    Recorder(sample_rate_hz=11_025),
    Recorder(telephone="mu_law"),
    Recorder(telephone="gsm"),
    Recorder(codec=Codec("opus", 16.0)),
    Recorder(codec=Codec("mp3", 32.0)),
    Recorder(peak_db=-40.0),
]


@pytest.mark.parametrize("recorder", EACH_PART, ids=str)
def test_a_sound_stays_where_it_was_and_within_full_scale(click, recorder):
    heard = record(click, RATE, recorder)
    assert heard.shape == click.shape
    assert heard.dtype == np.float32
    assert np.abs(heard).max() <= 1
    power = np.convolve(np.square(heard), np.ones(480) / 480, "same")
    onset = int(np.argmax(power > 0.25 * power.max()))
    assert abs(onset - RATE) < 0.012 * RATE


def test_a_recorder_without_parts_changes_nothing(click):
    np.testing.assert_array_equal(record(click, RATE, Recorder()), np.clip(click, -1, 1))


def test_a_sample_rate_is_a_brick_wall(click):
    heard = np.abs(np.fft.rfft(record(click, RATE, Recorder(sample_rate_hz=16_000)))) ** 2
    assert heard[2 * 8_200 :].sum() < 1e-6 * heard.sum()
    assert heard[2 * 6_000 : 2 * 7_000].sum() > 0.05 * heard.sum()


def test_levels_are_as_asked(click):
    assert 20 * np.log10(np.abs(record(click, RATE, Recorder(peak_db=-30.0))).max()) == pytest.approx(-30, abs=0.01)
    quiet = record(click, RATE, Recorder(noise_db=10.0)) - click
    assert 10 * np.log10(np.mean(click**2) / np.mean(quiet**2)) == pytest.approx(10, abs=0.1)


def test_clipping_holds_a_share_of_the_samples_at_full_scale(click):
    assert np.mean(np.abs(record(click, RATE, Recorder(gain_db=12.0))) == 1) > 0.01


def test_pink_noise_has_equal_power_in_each_octave():
    power = np.abs(np.fft.rfft(pink_noise(RATE, np.random.default_rng(0)))) ** 2
    octaves = [power[low : 2 * low].sum() for low in (250, 500, 1000, 2000, 4000)]
    assert max(octaves) < 1.3 * min(octaves)


def test_the_same_draw_gives_the_same_recorder_and_the_same_samples(click):
    drawn = [draw_recorder(np.random.default_rng(5), RecorderConfig()) for _ in range(2)]
    assert drawn[0] == drawn[1]
    np.testing.assert_array_equal(record(click, RATE, drawn[0]), record(click, RATE, drawn[1]))


def test_shares_are_kept():
    rng = np.random.default_rng(0)
    recorders = [draw_recorder(rng, RecorderConfig(codec=0.5, telephone=0.0, room=0.0)) for _ in range(400)]
    assert 0.42 < np.mean([recorder.codec is not None for recorder in recorders]) < 0.58
    assert all(recorder.telephone is None and recorder.reverberation_s is None for recorder in recorders)
