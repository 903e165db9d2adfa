"""What training hears must not tell the label by the recorder: bandwidths, degradation, and the probe for leaks."""

import numpy as np
import pytest
import soundfile
import torch

from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.training.augment import degraded, limited_to, with_tail
from recipes.flam_mini.bandwidths import bandwidth_hz, build_variant, with_bandwidth
from recipes.flam_mini.leaks import leak, recorder_traits

RATE = 48_000


def noise(seconds, limit_hz, seed=0):
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(int(seconds * RATE)))
    spectrum[int(limit_hz * seconds) :] = 0
    return (np.fft.irfft(spectrum) * 0.1).astype(np.float32)


def measured_hz(waveform):
    return bandwidth_hz(np.abs(np.fft.rfft(waveform)) ** 2, RATE / len(waveform), below_peak_db=90.0)


@pytest.mark.parametrize("native_hz", [4_000, 8_000, 16_000])
@pytest.mark.parametrize("target_hz", [4_000.0, 8_000.0, 11_025.0, 24_000.0])
def test_any_clip_reaches_any_bandwidth(native_hz, target_hz):
    changed = with_bandwidth(noise(1.0, native_hz), RATE, target_hz, np.random.default_rng(1))
    assert measured_hz(changed) == pytest.approx(min(target_hz, 20_000), abs=300)


def test_what_lies_below_the_edge_stays_as_it_is():
    original = noise(1.0, 8_000)
    changed = with_bandwidth(original, RATE, 24_000.0, np.random.default_rng(1))
    before, after = np.fft.rfft(original)[:7_900], np.fft.rfft(changed)[:7_900]
    np.testing.assert_allclose(after, before, atol=1e-3)


def test_a_continued_sound_is_silent_where_it_was_silent():
    original = noise(1.0, 8_000)
    original[RATE // 2 :] = 0
    changed = with_bandwidth(original, RATE, 24_000.0, np.random.default_rng(1))
    power = np.square(changed)
    assert power[RATE // 2 + 1000 :].mean() < 1e-3 * power[: RATE // 2].mean()


def test_a_bank_with_drawn_bandwidths_has_the_same_clips_at_the_same_places(tmp_path):
    clips = []
    for number in range(3):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, noise(0.5, 8_000, number), RATE)
        clips.append(SourceClip(str(number), path, "noise", "", "event", str(number), "", "made", "CC0"))
    WaveformBank.build(clips, tmp_path / "bank")
    bank = WaveformBank(tmp_path / "bank")
    build_variant(bank, tmp_path / "variant", seed=0)
    variant = WaveformBank(tmp_path / "variant")
    assert variant.index.keys() == bank.index.keys()
    for clip_id in bank.index:
        assert len(variant.waveform(clip_id)) == len(bank.waveform(clip_id))
        assert variant.spans_s(clip_id) == bank.spans_s(clip_id)


def test_degradation_keeps_the_shape_and_never_goes_below_the_floor():
    logmel = torch.full((16, 64, 64), -30.0)
    heard = degraded(logmel.clone(), np.random.default_rng(0))
    assert heard.shape == logmel.shape
    assert torch.isfinite(heard).all()
    assert float(heard.min()) >= -100.001


def test_about_a_third_of_the_scenes_are_cut_off_above():
    heard = degraded(torch.full((400, 8, 64), -30.0), np.random.default_rng(0))
    empty_above = (heard[:, :, -1] <= -99).all(dim=1).float().mean()
    assert 0.1 < float(empty_above) < 0.35  # half of those with noise have it above the limit as well


def test_a_band_limit_leaves_the_bands_below_alone():
    limited = limited_to(torch.full((2, 64), -20.0), 8_000.0)
    assert set(limited.unique().tolist()) == {-100.0, -20.0}


def test_a_tail_falls_by_sixty_db_in_its_time():
    power = torch.zeros(80, 64)
    power[0] = 1.0
    tail = with_tail(power, 0.5, direct_db=0.0)
    decay_db = 10 * torch.log10(tail[41, 0] / tail[1, 0])
    assert float(decay_db) == pytest.approx(-48, abs=0.5)


def scenes(n, rng, limited):
    logmel = rng.normal(-40, 5, (n, 32, 64)) + rng.uniform(-20, 0, (n, 1, 1))
    logmel[limited, :, 48:] = -100
    return logmel


def test_the_probe_finds_a_label_that_goes_with_the_bandwidth():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 600)
    found = leak(recorder_traits(scenes(600, rng, labels == 1)), labels)
    assert found.above_chance > 0.45


def test_the_probe_finds_nothing_where_the_bandwidth_is_drawn():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 4000)
    found = leak(recorder_traits(scenes(4000, rng, rng.random(4000) < 0.5)), labels)
    assert abs(found.above_chance) < 0.05
