"""A monitor fed by fakes: a file as a stream equals ``detect``; silence, nights, broken connections; flat memory."""

import io
import itertools
import json
import threading
import tracemalloc
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import flam
from flam.audio import read_audio
from flam.audio.live import NetworkInput, OpenInput, PcmInput
from flam.core import AudioError, ConfigError, Event, FrameScores, TimeGrid
from flam.detection.binarize import Onset
from flam.detection.pieces import Piece
from flam.live import LiveConfig, LiveMonitor
from flam.live.clips import ClipConfig
from flam.live.schedule import Schedule

RATE = 8_000
NOTHING = FrameScores(np.zeros((0, 0), np.float32), (), TimeGrid(RATE, 800), 0, 0)


class LoudSession:
    """Finds "loud" where a block of a tenth of a second is louder than 0.1; keeps what it was given."""

    latency_s = 0.1

    def __init__(self, log):
        self.n_samples, self.onset_s, self.log = 0, None, log
        log.append(self)

    def piece(self, onsets=(), events=()):
        empty = np.zeros((0, 1), np.float32)
        return Piece(0, 0, empty, empty, empty[:, 0], NOTHING, onsets, events)

    def push(self, block):
        now_s = self.n_samples / RATE
        self.n_samples += len(block)
        is_loud = np.abs(block).max(initial=0) > 0.1
        if is_loud and self.onset_s is None:
            self.onset_s = now_s
            return [self.piece(onsets=(Onset(now_s, "loud"),))]
        if not is_loud and self.onset_s is not None:
            return self.finish(now_s)
        return []

    def finish(self, now_s=None):
        if self.onset_s is None:
            return []
        offset_s = self.n_samples / RATE if now_s is None else now_s
        event, self.onset_s = Event(self.onset_s, offset_s, "loud", 0.9, 0.95), None
        return [self.piece(events=(event,))]


class FakeInput:
    """Each opening gives the next script: blocks, or an error to raise there."""

    name, is_endless = "fake", True

    def __init__(self, *scripts):
        self.scripts = list(scripts)

    def open(self):
        script = self.scripts.pop(0)
        if isinstance(script, Exception):
            raise script
        return OpenInput(RATE, self.blocks(script))

    def blocks(self, script):
        for item in script:
            if isinstance(item, Exception):
                raise item
            yield item


class Time:
    """A clock that runs with the sound, and a stop that notes how long it was waited for."""

    def __init__(self, start=1_700_000_000.0, n_waits=100):
        self.now_s, self.waits, self.n_waits = start, [], n_waits

    def now(self):
        return self.now_s

    def is_set(self):
        return len(self.waits) >= self.n_waits

    def wait(self, timeout):
        self.waits.append(timeout)
        self.now_s += timeout


def level(value, n=1):
    return [np.full(800, value, np.float32) * np.tile([1, -1], 400).astype(np.float32)] * n


def listen(scripts, config=None, n_waits=1, log=None, advance=True):
    time = Time(n_waits=n_waits)
    log = [] if log is None else log

    def passing(script):
        for item in script:
            if advance:
                time.now_s += 0.1
            yield item

    scripts = [script if isinstance(script, Exception) else passing(script) for script in scripts]
    monitor = LiveMonitor(FakeInput(*scripts), lambda rate: LoudSession(log), config, time, time.now)
    return list(monitor.run()), time, monitor


def test_recording_fed_as_a_stream_gives_the_events_of_detect():
    """The bundled street scene, in odd blocks at its own speed, against the file."""
    detector = flam.load("flam-mini")
    waveform = read_audio(Path(flam.__file__).parent / "assets" / "demo" / "street.ogg", 48_000)[: 14 * 48_000]
    pcm = np.round(waveform * 32767).astype("<i2")
    prompts = ["siren", "car horn", "someone talking", "rain"]
    source = PcmInput(io.BytesIO(pcm.tobytes()))
    monitor = LiveMonitor(source, lambda rate: detector.session(prompts, sample_rate=rate))
    notices = list(monitor.run())
    found = sorted((n.onset_s, n.offset_s, n.prompt, n.mean_score, n.max_score) for n in notices if n.kind == "offset")
    as_file = detector.detect(pcm.astype(np.float32) / 32768, prompts, latency_s=2.0)
    assert len(as_file) >= 3
    assert [row[2] for row in found] == [event.prompt for event in as_file]
    for row, event in zip(found, as_file, strict=True):
        expected = (event.onset_s, event.offset_s, event.mean_score, event.max_score)
        assert (*row[:2], *row[3:]) == pytest.approx(expected, abs=1e-5)
    onsets = {notice.id: notice.onset_s for notice in notices if notice.kind == "onset"}
    assert {notice.id: notice.onset_s for notice in notices if notice.kind == "offset"} == onsets


def test_stream_that_is_cut_comes_back_with_growing_waits():
    scripts = [
        [*level(0.01, 5), *level(0.5, 5), AudioError("cable pulled")],
        AudioError("no route"),
        AudioError("no route"),
        [*level(0.01, 2), *level(0.5, 3), *level(0.01, 5)],
    ]
    notices, time, _ = listen(scripts, n_waits=4)
    heard = ["connected", "onset", "offset", "lost"]
    assert [notice.kind for notice in notices] == [*heard, "lost", "lost", *heard, "ended"]
    assert time.waits == [1.0, 2.0, 4.0, 1.0]
    assert notices[3].detail == "cable pulled"
    first, second = (notice for notice in notices if notice.kind == "offset")
    assert (first.onset_s, first.offset_s) == pytest.approx((0.5, 1.0))  # ended by the cut, not lost
    assert (second.onset_s, second.offset_s) == pytest.approx((0.2, 0.5))
    assert second.id != first.id


def test_source_that_was_never_there_is_an_error():
    with pytest.raises(AudioError, match="no such microphone"):
        listen([AudioError("no such microphone")])


def test_wall_clock_follows_the_sound_and_has_a_zone():
    notices, _, _ = listen([[*level(0.01, 20), *level(0.5, 10), *level(0.01, 5)]])
    onset = next(notice for notice in notices if notice.kind == "onset")
    moment = datetime.fromisoformat(onset.time)
    assert moment.tzinfo is not None
    assert moment.timestamp() == pytest.approx(1_700_000_000.0 + 2.0, abs=0.11)
    assert onset.latency_s == pytest.approx(0.1, abs=0.02)


def test_ten_seconds_of_zeros_are_no_signal_and_the_network_rests():
    log = []
    notices, _, _ = listen([[*level(0.01, 5), *level(0.0, 250), *level(0.5, 5)]], log=log)
    assert [notice.kind for notice in notices][:3] == ["connected", "no signal", "signal"]
    assert sum(session.n_samples for session in log) == pytest.approx((5 + 100 + 5) * 800, abs=800)
    assert next(notice for notice in notices if notice.kind == "onset").onset_s == pytest.approx(25.5)


def test_gate_rests_below_a_level_and_hears_what_came_before():
    log = []
    config = LiveConfig(gate_db=-30.0, gate_hold_s=1.0, gate_lead_s=0.5)
    notices, _, _ = listen([[*level(0.001, 100), *level(0.5, 10), *level(0.001, 100)]], config, log=log)
    [session] = log
    assert session.n_samples == (5 + 10 + 10) * 800 + 0
    offset = next(notice for notice in notices if notice.kind == "offset")
    assert offset.offset_s == pytest.approx(11.0, abs=0.01)


def test_schedule_pauses_and_resumes():
    start = datetime.fromtimestamp(1_700_000_000.0).astimezone()
    later = datetime.fromtimestamp(1_700_000_000.0 + 120).astimezone()
    config = LiveConfig(schedule=Schedule.parse(f"{later:%H:%M}-{start:%H:%M}"))
    notices, _, _ = listen([level(0.01, 1300)], config)
    assert [notice.kind for notice in notices][:3] == ["connected", "paused", "resumed"]


@pytest.mark.parametrize("text", ["6-22", "25:00-26:00", "06:00", ""])
def test_schedule_of_another_form_is_refused(text):
    with pytest.raises(ConfigError, match="06:00-22:00"):
        Schedule.parse(text)


def test_clips_hold_the_event_and_its_surroundings(tmp_path):
    config = LiveConfig(clips=ClipConfig(tmp_path / "clips", pre_s=0.3, post_s=0.5))
    script = [*level(0.01, 20), *level(0.5, 10), *level(0.02, 20)]
    notices, _, _ = listen([script], config)
    clip = next(notice for notice in notices if notice.kind == "clip")
    offset = next(notice for notice in notices if notice.kind == "offset")
    assert clip.id == offset.id
    samples = read_audio(clip.detail, RATE)
    whole = np.concatenate(script)
    assert len(samples) == round((1.0 + 0.3 + 0.5) * RATE)
    np.testing.assert_allclose(samples, whole[round(1.7 * RATE) : round(3.5 * RATE)], atol=1e-4)


def test_folder_of_clips_keeps_to_its_cap(tmp_path):
    config = LiveConfig(clips=ClipConfig(tmp_path, pre_s=0.0, post_s=0.0, cap_mb=0.02))
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 800)).astype(np.float32)
    script = list(itertools.chain.from_iterable([*noise, *level(0.01, 2)] for _ in range(12)))
    notices, _, _ = listen([script], config)
    written = [notice.detail for notice in notices if notice.kind == "clip"]
    left = sorted(str(path) for path in tmp_path.iterdir())
    assert len(written) == 12
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000
    assert 0 < len(left) < 12
    assert written[-1] in left


def test_one_noisy_day_gets_no_more_clips_than_its_share(tmp_path):
    config = LiveConfig(clips=ClipConfig(tmp_path, pre_s=0.0, post_s=0.0, cap_mb=1.0, day_mb=0.004))
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 800)).astype(np.float32)
    script = list(itertools.chain.from_iterable([*noise, *level(0.01, 2)] for _ in range(6)))
    (tmp_path / "20200101-000000_loud_1.flac").write_bytes(bytes(900_000))  # another day's
    notices, _, _ = listen([script], config)
    kinds = [notice.kind for notice in notices]
    assert kinds.count("offset") == 6
    assert kinds.count("clip") == 1
    assert kinds.count("clips full") == 1
    with pytest.raises(ConfigError, match="clips a day"):
        ClipConfig(tmp_path, cap_mb=1.0, day_mb=2.0)


def test_hours_pass_without_growth_of_memory():
    """Ten minutes of blocks with events after a warm-up: what is held stays below a small bound."""
    script = itertools.cycle([*level(0.01, 7), *level(0.5, 3)])
    peak = []

    def watched():
        for number, block in enumerate(itertools.islice(script, 6_000)):
            if number == 1_000:
                tracemalloc.start()
            yield block
        peak.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()

    time, log = Time(n_waits=1), []
    monitor = LiveMonitor(FakeInput(watched()), lambda rate: LoudSession(log), None, time, time.now)
    n_offsets = sum(notice.kind == "offset" for notice in monitor.run())
    assert n_offsets == 600
    assert len(log) == 1
    assert peak[0] < 100_000


def test_notices_are_lines_of_json():
    notices, _, _ = listen([[*level(0.5, 3), *level(0.01, 3)]])
    for notice in notices:
        assert json.loads(notice.json_line())["kind"] == notice.kind
        assert notice.json_line().count("\n") == 1


def test_stop_ends_within_a_block():
    stop = threading.Event()
    monitor = LiveMonitor(FakeInput(itertools.cycle(level(0.01))), lambda rate: LoudSession([]), None, stop)
    kinds = []
    for notice in monitor.run():
        kinds.append(notice.kind)
        stop.set()
    assert kinds == ["connected", "ended"]


def test_pcm_of_any_piece_lengths_is_the_same_sound():
    samples = np.random.default_rng(0).integers(-32768, 32767, (1001, 2), dtype="<i2")

    class Dribble(io.RawIOBase):
        def __init__(self, data):
            self.data = data

        def read1(self, n):
            taken, self.data = self.data[:7], self.data[7:]
            return taken

    opened = PcmInput(Dribble(samples.tobytes()), RATE, n_channels=2).open()
    np.testing.assert_allclose(np.concatenate(list(opened.blocks)), samples.mean(axis=1) / 32768, atol=1e-7)


def test_sound_of_a_video_file_is_read_like_an_address(tmp_path):
    pytest.importorskip("av")
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.full(4_000, 0.25), RATE)
    opened = NetworkInput(str(tmp_path / "a.wav")).open()
    assert opened.sample_rate == RATE
    np.testing.assert_allclose(np.concatenate(list(opened.blocks)), 0.25, atol=1e-3)
    with pytest.raises(AudioError, match="can't be opened"):
        NetworkInput(str(tmp_path / "none.wav")).open()
