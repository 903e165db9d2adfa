"""One thread for everything (small operations lose more than threads gain), and what several folders of tests share."""

import os
import signal
from dataclasses import replace
from types import SimpleNamespace

# read when torch and numpy are first imported, which is after this file; child processes inherit it
os.environ.setdefault("OMP_NUM_THREADS", "1")
# a shell's background job ignores Ctrl-C and hands that down; the programs under test must hear it
signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import soundfile  # noqa: E402

import flam  # noqa: E402
import flam.hub.hub  # noqa: E402
from flam.cli.main import main  # noqa: E402
from flam.core import FrameScores, ModelError, TimeGrid, from_mapping  # noqa: E402
from flam.detection import DetectionConfig  # noqa: E402
from flam.detection.binarize import Binarizer  # noqa: E402
from flam.detection.source import audio_source  # noqa: E402


class LevelDetector:
    """Scores "loud" 0.9 in loud frames and 0.1 in others, "quiet" the reverse, anything else 0.2."""

    grid = TimeGrid(8_000, 800)

    def __init__(self, folder, device="auto", precision="auto", backend="auto", **overrides):
        self.config = from_mapping(DetectionConfig, {"median_s": 0.1, **overrides}, "detection")
        self.recordings = []
        self.on_recording = lambda path: None

    def embed_text(self, texts):
        if "unpronounceable" in texts:
            raise ModelError("prompt 'unpronounceable' can't be encoded; write words")

    def operating_point(self, prompts):
        return prompts.configure(self.config)

    def stream(self, audio, prompts, suppress=(), progress=None, show_suppress=False):
        names, binarizer = prompts.names, Binarizer(prompts.names, self.grid, self.operating_point(prompts))
        for scores in map(prompts.combine, self.stream_scores(audio, prompts.texts, suppress, progress, show_suppress)):
            own = replace(scores, scores=scores.scores[:, : len(names)], prompts=names)
            yield SimpleNamespace(scores=scores, events=tuple(prompts.finish(binarizer.push(own))))
        end = replace(
            scores, scores=scores.scores[:0], start_frame=scores.start_frame + len(scores.scores), n_samples=0
        )
        yield SimpleNamespace(scores=end, events=tuple(prompts.finish(binarizer.finish())))

    def stream_scores(self, audio, prompts, suppress=(), progress=None, show_suppress=False):
        prompts = (*prompts, *suppress) if show_suppress else tuple(prompts)
        place = str(getattr(audio, "path", None) or getattr(audio, "name", audio))
        self.recordings.append(place)
        self.on_recording(place)
        start_frame = 0
        for block in self._whole_frames(audio_source(audio, self.grid.sample_rate).blocks):
            n_frames = self.grid.n_frames(len(block))
            level = np.array([np.abs(block[i * 800 : (i + 1) * 800]).max() for i in range(n_frames)])
            loud = np.where(level > 0.1, 0.9, 0.1)
            columns = [{"loud": loud, "quiet": 1 - loud}.get(prompt, np.full(n_frames, 0.2)) for prompt in prompts]
            scores = np.stack(columns, axis=1).astype(np.float32)
            yield FrameScores(scores, prompts, self.grid, start_frame, len(block))
            start_frame += n_frames
            if progress is not None:
                progress(start_frame * 800, None)

    def _whole_frames(self, blocks):
        held = np.zeros(0, np.float32)
        for block in blocks:
            held = np.concatenate([held, block])
            n_whole = len(held) // 800 * 800
            if n_whole:
                yield held[:n_whole]
            held = held[n_whole:]
        if len(held):
            yield held


@pytest.fixture
def stub(monkeypatch, tmp_path):
    """Every model is a LevelDetector; the last one loaded, and what the next one does with each recording."""
    folder = tmp_path / ".model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    state = SimpleNamespace(detector=None, on_recording=lambda path: None, folder=folder)

    def load(*arguments, **options):
        state.detector = LevelDetector(*arguments, **options)
        state.detector.on_recording = state.on_recording
        return state.detector

    monkeypatch.setattr(flam, "load", load, raising=False)
    monkeypatch.setattr(flam.hub.hub, "resolve", lambda name, notify=None: folder)
    return state


@pytest.fixture
def make_recording(tmp_path):
    """Write a recording of the given length that is loud between the given seconds."""

    def make(name, duration_s=3.0, loud=((1.0, 2.0),), sample_rate=8_000, n_channels=1):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        waveform = np.full(round(duration_s * sample_rate), 0.001, np.float32)
        waveform[::2] *= -1
        for onset_s, offset_s in loud:
            span = slice(round(onset_s * sample_rate), round(offset_s * sample_rate))
            waveform[span] = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(waveform[span])) / sample_rate)
        soundfile.write(path, np.repeat(waveform[:, None], n_channels, axis=1), sample_rate)
        return path

    return make


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run the program in the folder of the test: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return SimpleNamespace(code=code, out=printed.out, err=printed.err)

    return call


@pytest.fixture(scope="session")
def scene_table(tmp_path_factory):
    """A small library as ``flam library scan`` writes it: three labels of events, one background."""
    from flam.library.scan import scan_library

    folder = tmp_path_factory.mktemp("library")
    rng = np.random.default_rng(0)
    time_s = np.arange(48_000) / 48_000
    sounds = {
        "beep": 0.3 * np.sin(2 * np.pi * 1000 * time_s[:12_000]),
        "pop": rng.normal(0, 0.2, 9_600) * np.exp(-np.arange(9_600) / 2_000),
        "hiss": rng.normal(0, 0.1, 24_000),
        "wind": np.convolve(rng.normal(0, 0.2, 3 * 48_000), np.ones(30) / 30, "same"),
    }
    rows = ["id,file,label,caption,kind,group,source,licence"]
    for name, waveform in sounds.items():
        soundfile.write(folder / f"{name}.wav", waveform, 48_000)
        kind = "background" if name == "wind" else "event"
        rows.append(f"{name},{name}.wav,{name},a {name} heard,{kind},{name},made,CC0")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    scan_library([folder / "manifest.csv"], folder / "library.csv")
    return folder / "library.csv"
