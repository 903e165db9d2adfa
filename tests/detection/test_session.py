"""Sound that is pushed in blocks gives what the whole recording gives, soon enough, however it is divided."""

import numpy as np
import pytest

import flam
from flam.core import AudioError, ConfigError, FrameScores
from flam.detection import DetectionConfig, Detector, PromptSettings
from flam.detection.plan import lowest_latency_s

PROMPTS = ["a dog barking", "siren", "rain", "glass breaking"]
RATE, FRAME = 48_000, 3_840
BLOCK_20_MS = 960


@pytest.fixture
def detector(conv_model) -> Detector:
    return Detector(conv_model)


def push_all(session, waveform, block_samples):
    pieces = []
    for start in range(0, len(waveform), block_samples):
        pieces += session.push(waveform[start : start + block_samples])
    return pieces + session.finish()


def joined(pieces):
    return FrameScores.concatenate(piece.scores for piece in pieces)


def events_of(pieces):
    return sorted(event for piece in pieces for event in piece.events)


@pytest.mark.parametrize("n_samples", [1, 3_839, 48_001, 25 * FRAME, 25 * FRAME + 1, 46 * FRAME, 333_333])
@pytest.mark.parametrize("latency_s", [1.2, 2.0])
def test_whole_streamed_and_pushed_agree(detector, make_noise, n_samples, latency_s):
    waveform = make_noise(n_samples)
    whole = list(detector.stream(waveform, PROMPTS, latency_s=latency_s))
    threshold = max(float(np.median(joined(whole).scores)), 0.01)
    options = {"latency_s": latency_s, "threshold": threshold, "median_s": 0.24}
    expected = detector.detect(waveform, PROMPTS, **options)
    streamed = list(detector.stream(iter(np.array_split(waveform, 7)), PROMPTS, **options))
    runs = [streamed]
    for block_samples in (997, BLOCK_20_MS, 65_536, n_samples):
        runs.append(push_all(detector.session(PROMPTS, **options), waveform, block_samples))
    for pieces in runs:
        assert sum(piece.n_samples for piece in pieces) == n_samples
        np.testing.assert_allclose(joined(pieces).scores, joined(whole).scores, atol=1e-5)
        features = np.concatenate([piece.features for piece in pieces])
        np.testing.assert_allclose(features, np.concatenate([piece.features for piece in whole]), atol=1e-5)
        power = np.concatenate([piece.power for piece in pieces])
        np.testing.assert_allclose(power, np.concatenate([piece.power for piece in whole]), rtol=1e-5)
        assert [(e.onset_s, e.offset_s, e.prompt) for e in events_of(pieces)] == [
            (e.onset_s, e.offset_s, e.prompt) for e in expected
        ]


def test_one_sample_at_a_time(detector, make_noise):
    waveform = make_noise(9 * FRAME + 7)
    pieces = push_all(detector.session(PROMPTS, latency_s=1.2), waveform, 1)
    whole = list(detector.stream(waveform, PROMPTS, latency_s=1.2))
    np.testing.assert_allclose(joined(pieces).scores, joined(whole).scores, atol=1e-5)


@pytest.mark.parametrize("block_samples", [BLOCK_20_MS, 99_991, 25 * RATE])
@pytest.mark.slow
def test_a_session_of_the_shipped_model_gives_what_detect_gives(make_noise, block_samples):
    detector = flam.load("flam-mini")
    waveform = make_noise(25 * RATE)
    pieces = push_all(detector.session(["rain", "siren"]), waveform, block_samples)
    whole = list(detector.stream(waveform, ["rain", "siren"]))
    np.testing.assert_allclose(joined(pieces).scores, joined(whole).scores, atol=1e-5)
    features = np.concatenate([piece.features for piece in pieces])
    np.testing.assert_allclose(features, np.concatenate([piece.features for piece in whole]), atol=1e-5)
    assert events_of(pieces) == events_of(whole)


def test_without_a_latency_the_numbers_are_those_of_whole_windows(detector, make_noise):
    """Where the plan needs no smaller overlap, low latency changes nothing but when numbers are known."""
    waveform = make_noise(4 * RATE + 5)
    low = joined(detector.stream(waveform, PROMPTS, latency_s=2.0))
    np.testing.assert_allclose(low.scores, detector.score(waveform, PROMPTS).scores, atol=1e-5)


@pytest.mark.parametrize("latency_s", [1.2, 2.0])
def test_scores_are_final_within_the_latency(detector, make_noise, latency_s):
    session = detector.session(PROMPTS, latency_s=latency_s)
    waveform, n_pushed, n_given = make_noise(12 * RATE), 0, 0
    for start in range(0, len(waveform), BLOCK_20_MS):
        for piece in session.push(waveform[start : start + BLOCK_20_MS]):
            n_given += len(piece.power)
        n_pushed += BLOCK_20_MS
        n_due = int((n_pushed - latency_s * RATE) // FRAME)  # frames whose sound was complete so long ago
        assert n_given >= n_due
    assert session.n_samples == len(waveform)


def test_other_rates_and_channels_are_converted(detector, make_noise):
    waveform = make_noise(44_100 * 4)
    stereo = np.stack([waveform, waveform[::-1]], axis=1)
    session = detector.session(PROMPTS, sample_rate=44_100, latency_s=2.0)
    pieces = push_all(session, stereo, 882)
    whole = joined(detector.stream((stereo, 44_100), PROMPTS, latency_s=2.0))
    np.testing.assert_allclose(joined(pieces).scores, whole.scores, atol=1e-5)


def test_a_model_that_hears_whole_windows_takes_as_long_as_one(folded_model, make_noise):
    detector = Detector(folded_model)
    assert lowest_latency_s(detector.backend) == 10.0
    with pytest.raises(ConfigError, match=r"latency_s 2\.0 must be at least 10"):
        detector.session(PROMPTS, latency_s=2.0)
    session, waveform = detector.session(PROMPTS), make_noise(700_001)
    assert session.latency_s == 10.0
    pieces = push_all(session, waveform, 100_003)
    np.testing.assert_allclose(joined(pieces).scores, detector.score(waveform, PROMPTS).scores, atol=1e-5)


def test_a_latency_that_the_model_cannot_keep_is_refused(detector):
    lowest_s = lowest_latency_s(detector.backend)
    with pytest.raises(ConfigError, match=f"must be at least {lowest_s:g}"):
        detector.session(PROMPTS, latency_s=lowest_s - 0.01)
    assert detector.session(PROMPTS, latency_s=lowest_s).latency_s == lowest_s
    with pytest.raises(ConfigError, match=r"latency_s -1\.0 must be above 0"):
        detector.session(PROMPTS, latency_s=-1.0)


def test_what_is_no_sound_is_refused_and_a_finished_session_stays_finished(detector):
    session = detector.session(PROMPTS)
    with pytest.raises(AudioError, match="divide 16-bit integers by 32768"):
        session.push(np.zeros(5, np.int16))
    session.push(np.zeros(7, np.float32))
    with pytest.raises(AudioError, match="sample 9 of the waveform is nan"):
        session.push(np.array([0, 0, np.nan]))
    assert sum(piece.n_samples for piece in session.finish()) == 7
    assert session.finish() == []
    with pytest.raises(AudioError, match="finished"):
        session.push(np.zeros(5, np.float32))


def test_no_sound_gives_one_empty_piece(detector):
    (piece,) = detector.session(PROMPTS).finish()
    assert (piece.n_samples, piece.events, piece.scores.scores.shape) == (0, (), (0, 4))


@pytest.mark.parametrize("options", [{"min_duration_s": 0.4}, {"min_duration_s": 0.0, "merge_gap_s": 0.5}])
def test_every_event_is_announced_once_before_it_ends(detector, make_noise, options):
    waveform = make_noise(20 * RATE)
    thresholds = np.quantile(detector.score(waveform, PROMPTS).scores, 0.8, axis=0).tolist()
    own = {prompt: PromptSettings(value) for prompt, value in zip(PROMPTS, thresholds, strict=True)}
    config = DetectionConfig(prompts=own, median_s=0.0, **options)
    session = detector.session(PROMPTS, latency_s=2.0, config=config)
    announced, ended, n_early = [], [], 0
    for start in range(0, len(waveform), BLOCK_20_MS):
        for piece in session.push(waveform[start : start + BLOCK_20_MS]):
            announced += [(onset.onset_s, onset.prompt) for onset in piece.onsets]
            ended += [(event.onset_s, event.prompt) for event in piece.events]
            assert set(ended) <= set(announced)
            n_early += len(set(announced) - set(ended))
    for piece in session.finish():
        announced += [(onset.onset_s, onset.prompt) for onset in piece.onsets]
        ended += [(event.onset_s, event.prompt) for event in piece.events]
    assert sorted(announced) == sorted(ended)
    assert len(set(ended)) == len(ended) > 3
    assert n_early > 0


def test_an_onset_is_known_while_its_event_goes_on(level_model):
    """10 s windows of the level model: an event of a minute is announced long before it ends."""
    detector = Detector(level_model, DetectionConfig(merge_gap_s=0.0))
    session = detector.session(["loud"])
    loud = 0.5 * np.ones(1_000, np.float32)
    loud[::2] *= -1
    quiet = 0.001 * loud
    announced_at_s = None
    for second, block in enumerate([quiet] * 5 + [loud] * 60 + [quiet] * 15):
        for piece in session.push(block):
            if piece.onsets and announced_at_s is None:
                announced_at_s = second + 1
                assert [(onset.onset_s, onset.prompt) for onset in piece.onsets] == [(5.0, "loud")]
                assert not piece.events
    assert announced_at_s is not None
    assert announced_at_s <= 10


def test_integers_that_were_not_divided_are_refused(detector, make_noise):
    waveform = (make_noise(48_000) * 32768).astype(np.float32)
    with pytest.raises(AudioError, match="as if they were integers; divide them by 32768"):
        detector.detect(waveform, PROMPTS)
    with pytest.raises(AudioError, match="divide them by 32768"):
        detector.session(PROMPTS).push(waveform)
