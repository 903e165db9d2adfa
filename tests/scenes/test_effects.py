"""Effects: each changes what it should, keeps what it should, and leaves sounds where they were."""

import numpy as np
import pytest
import soundfile

from flam.core import AudioError, ConfigError
from flam.scenes.distributions import Uniform
from flam.scenes.effects import (
    Codec,
    CodecConfig,
    Effects,
    EffectsConfig,
    Filter,
    FilterConfig,
    Room,
    RoomConfig,
    Sometimes,
    apply_codec,
    apply_effects,
    apply_filter,
    change_speed,
    recorded_response,
    reverberate,
    room_response,
    shift_pitch,
    stretch,
)
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import render
from flam.scenes.scene import Piece, Placement, ScenePlan
from flam.scenes.scene_config import OverlayConfig, SceneConfig

RATE = 48_000


def tone(frequency_hz, duration_s=1.0):
    return (0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * RATE)) / RATE)).astype(np.float32)


def peak_hz(waveform):
    inner = waveform[len(waveform) // 8 : -len(waveform) // 8]
    spectrum = np.abs(np.fft.rfft(inner * np.hanning(len(inner)), 1 << 19))
    return np.argmax(spectrum) * RATE / (1 << 19)


def lag_samples(before, after):
    size = 1 << (len(before) + len(after)).bit_length()
    product = np.fft.rfft(after, size) * np.conj(np.fft.rfft(before, size))
    lag = int(np.argmax(np.fft.irfft(product, size)))
    return lag - size if lag > size // 2 else lag


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.3])
def test_speed_changes_length_and_pitch(speed):
    faster = change_speed(tone(440), RATE, speed)
    assert len(faster) == pytest.approx(RATE / speed, abs=1)
    assert peak_hz(faster) == pytest.approx(440 * speed, rel=2e-3)


@pytest.mark.parametrize("factor", [0.6, 0.8, 0.97, 1.0, 1.25, 1.9])
@pytest.mark.parametrize("frequency_hz", [110.0, 440.0, 3000.0])
def test_stretching_keeps_pitch_and_level(factor, frequency_hz):
    longer = stretch(tone(frequency_hz), RATE, factor)
    assert len(longer) == round(RATE * factor)
    assert peak_hz(longer) == pytest.approx(frequency_hz, rel=5e-3)
    inner = longer[2000:-3000]
    frames = inner[: len(inner) // 960 * 960].reshape(-1, 960)
    rms = np.sqrt((frames.astype(np.float64) ** 2).mean(axis=1)) / (0.3 / np.sqrt(2))
    assert rms.min() > 0.8
    assert rms.max() < 1.2


@pytest.mark.parametrize("factor", [0.75, 1.3])
def test_stretching_keeps_sounds_in_their_place(factor):
    clip = np.zeros(RATE, np.float32)
    for start in (4_800, 20_000, 40_000):
        clip[start : start + 2_400] = np.random.default_rng(start).normal(0, 0.3, 2_400)
    longer = stretch(clip, RATE, factor)
    sounding = np.flatnonzero(np.convolve(np.abs(longer), np.ones(480) / 480, "same") > 0.02)
    groups = np.split(sounding, np.flatnonzero(np.diff(sounding) > 1_000) + 1)
    assert len(groups) == 3
    for group, start in zip(groups, (4_800, 20_000, 40_000), strict=True):
        assert (group[0] + group[-1]) / 2 == pytest.approx((start + 1_200) * factor, abs=0.025 * RATE)


@pytest.mark.parametrize("n_samples", [0, 1, 100, 2_000, 5_001])
def test_stretching_takes_clips_of_any_length(n_samples):
    noise = np.random.default_rng(0).normal(0, 0.1, n_samples).astype(np.float32)
    for factor in (0.5, 1.0, 1.7):
        assert len(stretch(noise, RATE, factor)) == int(np.floor(n_samples * factor + 0.5))


@pytest.mark.parametrize("semitones", [-12.0, -3.0, 0.5, 7.0])
def test_a_change_of_pitch_keeps_the_length(semitones):
    shifted = shift_pitch(tone(600), RATE, semitones)
    assert len(shifted) == RATE
    assert peak_hz(shifted) == pytest.approx(600 * 2 ** (semitones / 12), rel=5e-3)


def test_an_equaliser_gives_the_gain_it_names():
    points_hz = np.exp(np.linspace(np.log(50), np.log(20_000), 4))
    gains_db = (6.0, -6.0, 3.0, -9.0)
    for frequency_hz, gain_db in zip(points_hz[:3], gains_db, strict=False):
        before = tone(frequency_hz)
        after = apply_filter(before, RATE, Filter(gains_db))
        inner = slice(9_600, -9_600)
        assert 20 * np.log10(after[inner].std() / before[inner].std()) == pytest.approx(gain_db, abs=0.3)


@pytest.mark.parametrize("n_samples", [1, 2, 700, 4_096, 30_000])
def test_a_band_limit_removes_what_lies_above_and_delays_nothing(n_samples):
    noise = np.random.default_rng(0).normal(0, 0.1, n_samples).astype(np.float32)
    limited = apply_filter(noise, RATE, Filter((0.0, 0.0), 4000.0))
    assert limited.shape == noise.shape
    assert limited.dtype == np.float32
    if n_samples > 1_000:
        spectrum = np.abs(np.fft.rfft(limited * np.hanning(n_samples))) ** 2
        above = np.fft.rfftfreq(n_samples, 1 / RATE) > 6500
        assert spectrum[above].sum() < 1e-3 * spectrum.sum()
        assert lag_samples(noise, limited) == 0


@pytest.mark.parametrize("name", ["mp3", "vorbis", "opus"])
@pytest.mark.parametrize("kbps", [16.0, 32.0, 56.0, 64.0, 128.0, 320.0])
def test_a_codec_leaves_every_sound_where_it_was(name, kbps):
    noise = np.random.default_rng(0).normal(0, 0.1, 30_011)
    clip = np.convolve(noise, np.ones(6) / 6, "same").astype(np.float32)
    decoded = apply_codec(clip, RATE, Codec(name, kbps))
    assert decoded.shape == clip.shape
    assert abs(lag_samples(clip, decoded)) <= (2 if name == "opus" and kbps < 64 else 0)
    assert not np.array_equal(decoded, clip)


@pytest.mark.parametrize("name", ["mp3", "vorbis", "opus"])
def test_a_codec_takes_more_away_at_a_lower_bit_rate(name):
    noise = np.random.default_rng(0).normal(0, 0.1, RATE)
    clip = np.convolve(noise, np.ones(6) / 6, "same").astype(np.float32)
    errors = [np.std(apply_codec(clip, RATE, Codec(name, kbps)) - clip) for kbps in (48.0, 96.0, 192.0)]
    assert errors[0] > errors[1] > errors[2]


def test_a_codec_takes_long_clips_and_empty_ones():
    long = np.random.default_rng(0).normal(0, 0.05, 200_001).astype(np.float32)
    for name in ("mp3", "vorbis", "opus"):
        assert len(apply_codec(long, RATE, Codec(name, 64.0))) == len(long)
        assert len(apply_codec(long[:0], RATE, Codec(name, 64.0))) == 0


def test_a_codec_without_the_sample_rate_is_an_error():
    with pytest.raises(AudioError, match=r"opus at 32\.0 kbit/s can't hold .* 44100 Hz"):
        apply_codec(tone(440), 44_100, Codec("opus", 32.0))


@pytest.mark.parametrize("reverberation_s", [0.25, 0.5])
def test_a_room_reverberates_as_long_as_asked(reverberation_s):
    room = Room((6.0, 5.0, 3.0), reverberation_s, (1.0, 1.0, 1.2), (4.0, 3.5, 1.6), 40)
    response = room_response(room, RATE).astype(np.float64)
    decay_db = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1] / np.sum(response**2))
    five, twenty_five = np.argmax(decay_db < -5), np.argmax(decay_db < -25)
    assert 3 * (twenty_five - five) / RATE == pytest.approx(reverberation_s, rel=0.35)


@pytest.mark.parametrize("source_m", [(1.5, 1.0, 1.2), (4.0, 3.5, 1.6), (5.6, 4.6, 2.6)])
def test_the_direct_sound_stays_in_its_place(source_m):
    room = Room((6.0, 5.0, 3.0), 0.05, (1.0, 1.0, 1.2), source_m, 20)  # so dead that nothing else is louder
    noise = np.random.default_rng(0).normal(0, 0.1, 9_600).astype(np.float32)
    wet = apply_effects(noise, RATE, Effects(room=room), np.ones(9_600, np.float32))
    assert len(wet) > 9_600
    assert abs(lag_samples(noise, wet)) <= 1


def test_a_room_that_no_wall_can_make_so_dead_is_as_dead_as_it_gets():
    assert len(room_response(Room((12.0, 8.0, 4.0), 0.05, (1.0, 1.0, 1.0), (2.0, 2.0, 1.0), 20), RATE)) > 0


def test_responses_of_real_rooms_are_taken_from_a_folder(library, tmp_path):
    response = np.zeros(9_600)
    response[300], response[5_100] = 0.5, 0.25  # sound after 300 samples, echo after 100 ms more
    (tmp_path / "halls").mkdir()
    soundfile.write(tmp_path / "halls" / "echo.wav", response, RATE, subtype="FLOAT")
    assert recorded_response(tmp_path / "halls" / "echo.wav", RATE)[0] == pytest.approx(0.5)
    plan = SceneDrawer(
        library.clips, library, SceneConfig(room=RoomConfig(share=1.0, impulse_responses=tmp_path))
    ).draw(0, 0)
    assert {event.effects.impulse_response for event in plan.events} == {"halls/echo.wav"}
    with pytest.raises(ConfigError, match="tell the renderer its folder"):
        render(plan, library, library.labels)
    click = Placement("click", (Piece(0.0, 1.0, 0.06),), -30.0, plan.events[0].effects)
    stem = render(ScenePlan(2.0, None, (click,)), library, library.labels, True, tmp_path).waveform
    direct, echo = stem[48_000:50_880], stem[52_800:55_680]
    assert np.allclose(echo, direct / 2, atol=1e-3 * np.abs(direct).max())
    (tmp_path / "halls" / "silent.wav").write_bytes((tmp_path / "halls" / "echo.wav").read_bytes())
    soundfile.write(tmp_path / "halls" / "silent.wav", 0 * response, RATE)
    with pytest.raises(AudioError, match="is silent"):
        recorded_response(tmp_path / "halls" / "silent.wav", RATE)


def test_convolution_is_what_its_definition_says():
    rng = np.random.default_rng(0)
    waveform, response = rng.normal(size=500).astype(np.float32), rng.normal(size=77).astype(np.float32)
    assert np.allclose(reverberate(waveform, response), np.convolve(waveform, response), atol=1e-4)


@pytest.mark.slow
def test_scenes_with_every_effect_keep_levels_stems_and_places(library):
    library.add("talk", np.random.default_rng(0).normal(0, 0.1, 2 * RATE), "speech")
    filters = FilterConfig(share=0.5)
    config = SceneConfig(
        duration_s=4.0,
        effects=EffectsConfig(
            Sometimes(0.5, Uniform((0.85, 1.18))),
            Sometimes(0.5, Uniform((0.8, 1.25))),
            Sometimes(0.5, Uniform((-3.0, 3.0))),
            filters,
            CodecConfig(share=0.5),
        ),
        filter=filters,
        room=RoomConfig(share=0.5, max_reflections=6),
        overlay=OverlayConfig(share=0.5),
    )
    drawer = SceneDrawer(library.clips, library, config)
    for index in range(4):
        plan = drawer.draw(0, index)
        scene = render(plan, library, library.labels, stems=True)
        assert np.abs(scene.stems.sum(axis=0) - scene.waveform).max() < 1e-6
        for placement, levels in zip(plan.placements, scene.levels, strict=True):
            assert levels.level_db == pytest.approx(placement.level_db + scene.gain_db, abs=1e-3)
        for stem, placement in zip(scene.stems, plan.placements, strict=True):
            assert not stem[: round(placement.onset_s * RATE)].any()
        assert len(scene.placed) == sum(len(p.pieces) for p in (*plan.events, *plan.overlays))
        again = render(plan, library, library.labels)
        assert np.array_equal(again.waveform, scene.waveform)
