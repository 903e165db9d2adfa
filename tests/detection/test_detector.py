"""A recording gives the same numbers however it arrives, and they are those of a plain reading of the method."""

import numpy as np
import pytest
import soundfile
import torch

from flam.audio import resample
from flam.core import AudioError, ConfigError, FrameScores, ModelError
from flam.detection import DetectionConfig, Detector
from flam.detection.binarize import binarize
from flam.detection.plan import border_weights
from flam.model.checkpoint import Checkpoint
from flam.model.flam import FLAM, score

PROMPTS = ["a dog barking", "siren", "rain", "glass breaking"]
WINDOW = 25 * 3_840
HOP = 20 * 3_840


@pytest.fixture
def detector(conv_model) -> Detector:
    return Detector(conv_model)


def obvious_embeddings(model: FLAM, waveform: np.ndarray, window_frames: int, overlap_frames: int) -> torch.Tensor:
    """Every window on its own, all added up, divided by their weights."""
    frame = model.grid.hop_samples
    n_frames = -(-len(waveform) // frame)
    weights = torch.from_numpy(border_weights(window_frames, overlap_frames))
    total = torch.zeros(n_frames, model.audio_encoder.embed_dim)
    weight = torch.zeros(n_frames, 1)
    start = 0
    while True:
        own = waveform[start * frame :][: window_frames * frame]
        n_own = -(-len(own) // frame)
        n_input = max(n_own, 13) if model.audio_encoder.variable_length else window_frames
        filled = np.resize(own, n_input * frame) if start == 0 else np.pad(own, (0, n_input * frame - len(own)))
        with torch.inference_mode():
            embedding = model.audio_encoder(torch.from_numpy(filled)[None])[0, :n_own]
        total[start : start + n_own] += weights[:n_own] * embedding
        weight[start : start + n_own] += weights[:n_own]
        if start * frame + window_frames * frame >= len(waveform):
            return total / weight
        start += window_frames - overlap_frames


LENGTHS = [1, 3_839, 3_841, 48_000, WINDOW - 1, WINDOW, WINDOW + 1, HOP + WINDOW, HOP + WINDOW + 1, 5 * HOP + 777]


@pytest.mark.parametrize("n_samples", LENGTHS)
def test_equals_the_plain_reading(detector, make_noise, n_samples):
    waveform = make_noise(n_samples)
    embeddings = obvious_embeddings(detector.backend.model, waveform, 25, 5)
    with torch.inference_mode():
        frames, _ = detector.backend.model.project_audio(embeddings[None])
        clip = detector.backend.model.project_audio(embeddings.mean(dim=0)[None, None]).audio_features[0]
        expected = score(frames, detector.backend.model.embed_text(PROMPTS), "posterior")[0].numpy()
    if n_samples % 3_840 == 1:
        expected[-1] = 0  # a single sample is no sound
    scores = detector.score(waveform, PROMPTS)
    assert scores.prompts == tuple(PROMPTS)
    assert scores.n_samples == n_samples
    assert scores.end_s == n_samples / 48_000
    np.testing.assert_allclose(scores.scores, expected, atol=1e-5)
    np.testing.assert_allclose(detector.embed_frames(waveform), frames[0], atol=1e-5)
    np.testing.assert_allclose(detector.embed_audio(waveform), clip, atol=1e-5)


@pytest.mark.parametrize("n_samples", LENGTHS)
@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (44_100, 2)])
def test_streamed_equals_whole(detector, make_noise, tmp_path, n_samples, rate, channels):
    recording = np.stack([make_noise(n_samples, seed) for seed in range(channels)], axis=1)
    soundfile.write(tmp_path / "a.wav", recording, rate, subtype="FLOAT")
    mono = recording.mean(axis=1, dtype=np.float32)
    whole = resample(mono, rate, 48_000)
    expected = detector.score(whole, PROMPTS)
    random = np.random.default_rng(0)
    cuts = np.sort(random.integers(0, n_samples + 1, 9))
    forms = [tmp_path / "a.wav", (iter(np.split(mono, cuts)), rate)]
    if n_samples > channels:
        forms += [(recording, rate), (recording.T, rate)]
    for audio in forms:
        streamed = FrameScores.concatenate(detector.stream_scores(audio, PROMPTS))
        assert streamed.n_samples == expected.n_samples == len(whole)
        np.testing.assert_allclose(streamed.scores, expected.scores, atol=1e-5)


@pytest.mark.parametrize("n_samples", LENGTHS[1:])
def test_streamed_events_are_those_of_the_whole_scores(detector, make_noise, n_samples):
    waveform = make_noise(n_samples)
    scores = detector.score(waveform, PROMPTS)
    config = DetectionConfig(threshold=float(np.median(scores.scores)), median_s=0.24)
    expected = sorted(binarize([scores], config))
    assert expected
    assert detector.detect(waveform, PROMPTS, config=config) == expected
    assert sorted(detector.stream_events(iter(np.array_split(waveform, 5)), PROMPTS, config=config)) == expected


@pytest.mark.parametrize("n_samples", [1, 100_000, 480_000, 480_001, 1_000_000])
def test_a_model_of_fixed_length_takes_any_length(folded_model, make_noise, n_samples):
    detector, waveform = Detector(folded_model), make_noise(n_samples)
    with torch.inference_mode():
        frames, _ = folded_model.project_audio(obvious_embeddings(folded_model, waveform, 32, 6)[None])
    np.testing.assert_allclose(detector.embed_frames(waveform), frames[0], atol=1e-4)
    pieces = list(detector.stream_scores(iter(np.array_split(waveform, 7)), PROMPTS))
    whole = detector.score(waveform, PROMPTS)
    np.testing.assert_allclose(FrameScores.concatenate(pieces).scores, whole.scores, atol=1e-5)
    assert len(whole.scores) == -(-n_samples // 15_000)


def test_one_window_is_what_the_model_says(folded_model, make_noise):
    waveform = make_noise(480_000)
    with torch.inference_mode():
        frames, clip = folded_model.embed_audio(torch.from_numpy(waveform)[None])
    detector = Detector(folded_model)
    np.testing.assert_allclose(detector.embed_frames(waveform), frames[0], atol=1e-4)
    np.testing.assert_allclose(detector.embed_audio(waveform), clip[0], atol=1e-4)


@pytest.mark.parametrize("model", ["conv_model", "folded_model"])
def test_bf16_points_the_same_way(model, request, make_noise):
    model, waveform = request.getfixturevalue(model), make_noise(480_000)
    full = Detector(model).embed_frames(waveform)
    half = Detector(model, precision="bf16").embed_frames(waveform)
    assert half.dtype == np.float32
    assert (full * half).sum(axis=1).min() > 0.99
    assert np.abs(full - half).max() > 1e-6


@pytest.mark.parametrize("audio", [np.zeros(0, np.float32), iter([])])
def test_no_samples_are_an_error_however_they_are_asked_for(detector, audio):
    with pytest.raises(AudioError, match="sample"):
        detector.score(audio, PROMPTS)
    with pytest.raises(AudioError, match="sample"):
        detector.detect(audio, [])
    with pytest.raises(AudioError, match="sample"):
        detector.embed_audio(audio)


def test_what_can_be_checked_is_checked_before_the_stream_is_read(detector, make_noise):
    with pytest.raises(AudioError, match="no such file"):
        detector.stream_events("no/such.wav", PROMPTS)
    with pytest.raises(ModelError, match="is empty"):
        detector.stream_events(make_noise(10), ["rain", " "])
    with pytest.raises(ModelError, match="'rain' are one string"):
        detector.stream_events(make_noise(10), "rain")
    with pytest.raises(ModelError, match="prompt 3 is no text"):
        detector.stream_scores(make_noise(10), ["rain", 3])
    with pytest.raises(ModelError, match="'rain' is asked for and suppressed"):
        detector.stream_events(make_noise(10), ["rain", "siren"], suppress=["rain"])
    with pytest.raises(ConfigError, match="unknown key 'treshold'"):
        detector.stream_events(make_noise(10), PROMPTS, treshold=0.3)
    with pytest.raises(ConfigError, match=r"threshold 2\.0 must be"):
        detector.stream_events(make_noise(10), PROMPTS, threshold=2)
    with pytest.raises(ConfigError, match="'logit' is not one of"):
        detector.stream_scores(make_noise(10), PROMPTS, method="logit")


def test_damage_is_reported_where_it_lies(detector, make_noise):
    waveform = make_noise(500_000)
    waveform[300_000] = np.nan
    with pytest.raises(AudioError, match="sample 300000 of the waveform is nan"):
        detector.detect(waveform, PROMPTS)


def test_no_prompts_give_no_columns_and_no_events(detector, make_noise):
    scores = detector.score(make_noise(100_000), [])
    assert scores.scores.shape == (27, 0)
    assert detector.detect(make_noise(100_000), []) == []


def test_columns_follow_the_prompts_and_events_name_each_once(detector, make_noise, monkeypatch):
    waveform, doubled = make_noise(200_000), [*PROMPTS, PROMPTS[0]]
    expected = detector.score(waveform, PROMPTS).scores
    monkeypatch.setattr("flam.detection.pieces.PROMPTS_AT_ONCE", 2)
    np.testing.assert_allclose(detector.score(waveform, doubled).scores, expected[:, [0, 1, 2, 3, 0]], atol=1e-6)
    settings = {"threshold": float(np.median(expected)), "median_s": 0.0}
    assert detector.detect(waveform, doubled, **settings) == detector.detect(waveform, PROMPTS, **settings) != []


@pytest.mark.parametrize("method", ["unbiased", "approximate", "posterior"])
def test_suppression_silences_a_prompt_where_a_rival_scores_higher(detector, make_noise, method):
    waveform, prompts, rivals = make_noise(400_000), PROMPTS[:3], [PROMPTS[3], "breaking siren"]
    own = detector.score(waveform, prompts, method=method).scores
    rival = detector.score(waveform, rivals, method=method).scores.max(axis=1, keepdims=True)
    left = detector.score(waveform, prompts, suppress=rivals, method=method).scores
    assert 0 < (rival > own).mean() < 1
    np.testing.assert_array_equal(left, np.where(rival > own, 0, own))


def test_suppressing_scores_are_shown_on_demand_and_change_nothing(detector, make_noise):
    waveform, prompts, rivals = make_noise(20_000), ["rain", "dog"], ["siren", "wind"]
    shown = FrameScores.concatenate(detector.stream_scores(waveform, prompts, rivals, show_suppress=True))
    assert shown.prompts == ("rain", "dog", "siren", "wind")
    assert np.array_equal(shown.scores[:, :2], detector.score(waveform, prompts, rivals).scores)
    assert np.array_equal(shown.scores[:, 2:], detector.score(waveform, rivals).scores)


def test_silence_scores_zero_and_sound_beside_it_does_not(detector, make_noise):
    waveform = make_noise(10 * 3_840)
    waveform[3 * 3_840 : 5 * 3_840] = 0.25  # an offset is no sound
    waveform[7 * 3_840 : 8 * 3_840] *= 1e-5
    scores = detector.score(waveform, PROMPTS).scores
    assert (scores.max(axis=1) == 0).tolist() == [frame in (3, 4, 7) for frame in range(10)]


@pytest.mark.parametrize("n_samples", [1, 200_000])
@pytest.mark.parametrize("silence_db", [-80.0, -120.0])
def test_digital_silence_never_gives_an_event(conv_model, n_samples, silence_db):
    detector = Detector(conv_model, DetectionConfig(threshold=1e-9, low_threshold=0.0, silence_db=silence_db))
    assert detector.detect(np.zeros(n_samples, np.float32), PROMPTS) == []


def test_texts_are_encoded_once(conv_model, make_noise, monkeypatch):
    asked = []
    embed_text = conv_model.embed_text
    monkeypatch.setattr(conv_model, "embed_text", lambda texts: asked.extend(texts) or embed_text(texts))
    detector = Detector(conv_model)
    first = detector.embed_text(PROMPTS)
    detector.score(make_noise(100_000), ["wind", *PROMPTS])
    again = detector.embed_text([PROMPTS[2], PROMPTS[2]])
    assert asked == [*PROMPTS, "wind"]
    for part, expected in zip(again, first, strict=True):
        np.testing.assert_array_equal(part, expected[[2, 2]])


@pytest.mark.slow
def test_ten_thousand_prompts(detector, make_noise):
    words = ["dog", "siren", "rain", "glass", "wind", "speech", "a", "barking", "breaking", "what"]
    prompts = [" ".join(words[int(digit)] for digit in f"{number:04d}") for number in range(10_000)]
    waveform = make_noise(3 * WINDOW)
    pieces = list(detector.stream_scores(waveform, prompts))
    np.testing.assert_allclose(
        FrameScores.concatenate(pieces).scores[:, ::999], detector.score(waveform, prompts[::999]).scores, atol=1e-5
    )
    threshold = float(np.quantile(pieces[0].scores, 0.99))
    found = detector.detect(waveform, prompts, threshold=threshold)
    assert 0 < len({event.prompt for event in found}) < 10_000


@pytest.mark.parametrize("as_file", [True, False])
def test_progress_counts_samples_at_the_models_rate(detector, make_noise, tmp_path, as_file):
    waveform, calls = make_noise(44_100 * 7), []
    soundfile.write(tmp_path / "a.wav", waveform, 44_100, subtype="FLOAT")
    audio = tmp_path / "a.wav" if as_file else (iter([waveform]), 44_100)
    detector.detect(audio, PROMPTS, progress=lambda *call: calls.append(call))
    total = 48_000 * 7 if as_file else None
    assert [total_samples for _, total_samples in calls] == [total] * len(calls)
    assert [done for done, _ in calls] == [HOP, 2 * HOP, 3 * HOP, 4 * HOP, 48_000 * 7]


def test_the_checkpoint_brings_its_operating_point(conv_model):
    from flam.hub.card import ModelCard

    checkpoint = Checkpoint(conv_model, ModelCard(name="tiny"), {"threshold": 0.3})
    detector = Detector(checkpoint)
    assert (detector.config.threshold, detector.card.name) == (0.3, "tiny")
    assert Detector(checkpoint, DetectionConfig()).config == DetectionConfig()
    with pytest.raises(ConfigError, match="unknown key 'treshold'"):
        Detector(Checkpoint(conv_model, ModelCard(), {"treshold": 0.3}))


def test_wrong_devices_and_precisions_are_refused(conv_model):
    with pytest.raises(ModelError, match="device 'toaster' can't be used"):
        Detector(conv_model, device="toaster")
    with pytest.raises(ModelError, match="unknown precision 'fp16'"):
        Detector(conv_model, precision="fp16")
