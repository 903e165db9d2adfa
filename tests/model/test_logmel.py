"""The log-mel front end against an independent mel matrix, a direct Fourier transform, and its own streaming."""

import numpy as np
import pytest
import torch

from flam.model.logmel import LogMel, LogMelConfig, slaney_mel_filters


@pytest.fixture
def waveform():
    return torch.randn(2, 24_001, generator=torch.Generator().manual_seed(0)) * 0.1


@pytest.mark.parametrize("config", [LogMelConfig(), LogMelConfig(32_000, 2048, 320, 128, 0.0, 16_000.0)])
def test_mel_filters_equal_those_of_transformers(config):
    audio_utils = pytest.importorskip("transformers.audio_utils")
    expected = audio_utils.mel_filter_bank(
        num_frequency_bins=config.n_fft // 2 + 1,
        num_mel_filters=config.n_mels,
        min_frequency=config.fmin_hz,
        max_frequency=config.fmax_hz,
        sampling_rate=config.sample_rate,
        norm="slaney",
        mel_scale="slaney",
    )
    np.testing.assert_allclose(slaney_mel_filters(config), expected, rtol=0, atol=1e-12)


def test_frame_equals_a_direct_fourier_transform(waveform):
    config = LogMelConfig()
    frame = 17
    start = frame * config.hop_samples - config.n_fft // 2
    piece = waveform[0, start : start + config.n_fft].double().numpy()
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(config.n_fft) / config.n_fft)
    power = np.abs(np.fft.rfft(piece * hann)) ** 2
    expected = 10 * np.log10(power @ slaney_mel_filters(config))
    np.testing.assert_allclose(LogMel()(waveform)[0, frame].numpy(), expected, rtol=0, atol=1e-3)


def test_ends_are_reflected(waveform):
    mirrored = torch.cat([waveform[:, 1:513].flip(1), waveform, waveform[:, -513:-1].flip(1)], dim=1)
    inner = LogMel()(torch.nn.functional.pad(mirrored, (448, 448)))[:, 2:]  # 448 + 512 samples are two hops
    torch.testing.assert_close(inner[:, :51], LogMel()(waveform), rtol=0, atol=1e-4)


@pytest.mark.parametrize("n_samples", [0, 1, 479, 480, 512, 513, 4800])
def test_frame_count_of_awkward_lengths(n_samples):
    logmel = LogMel()(torch.full((1, n_samples), 0.5))
    assert logmel.shape == (1, 1 + n_samples // 480, 64)
    assert torch.isfinite(logmel).all()


def test_silence_is_the_floor():
    assert (LogMel()(torch.zeros(1, 4800)) == -100.0).all()


def test_a_tone_peaks_in_its_band():
    config = LogMelConfig()
    tone = 0.5 * torch.sin(2 * torch.pi * 1000.0 * torch.arange(48_000) / 48_000)
    band = int(LogMel()(tone[None]).mean(dim=1).argmax())
    bin_hz = np.linspace(0, 24_000, 513)
    centre_hz = bin_hz[slaney_mel_filters(config)[:, band].argmax()]
    assert abs(centre_hz - 1000.0) < 50.0


def test_stays_float32_under_autocast(waveform):
    plain = LogMel()(waveform)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(LogMel()(waveform), plain)


@pytest.mark.parametrize("change", [{"fmax_hz": 24_001.0}, {"fmin_hz": 14_000.0}, {"hop_samples": 0}])
def test_impossible_configuration_is_refused(change):
    with pytest.raises(ValueError, match="must"):
        LogMelConfig(**change)
