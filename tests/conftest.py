"""One thread for everything (small operations lose more than threads gain), and what several folders of tests share."""

import os
import signal
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
from flam.core import from_mapping  # noqa: E402
from flam.detection import DetectionConfig, Detector  # noqa: E402
from flam.testing import LevelBackend, write_recording  # noqa: E402


class LevelDetector(Detector):
    """A detector that hears nothing but level, and notes each recording before it is heard."""

    def __init__(self, folder, device="auto", precision="auto", backend="auto", **overrides):
        super().__init__(LevelBackend(), from_mapping(DetectionConfig, {"median_s": 0.1, **overrides}, "detection"))
        self.recordings = []
        self.on_recording = lambda path: None

    def stream(self, audio, *arguments, **options):
        place = str(getattr(audio, "path", None) or getattr(audio, "name", audio))
        self.recordings.append(place)
        self.on_recording(place)
        return super().stream(audio, *arguments, **options)


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
        return write_recording(tmp_path / name, duration_s, loud, sample_rate, n_channels)

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


@pytest.fixture
def exported(monkeypatch):
    """The folders that got graphs; none are made, for that takes seconds and has its tests in test_export."""
    folders = []
    monkeypatch.setattr("flam.model.export.export_onnx", folders.append)
    return folders
