"""A detector without a network: features are a fixed turn of a sound's spectrum, texts are vectors made from words."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from flam.audio import mono_blocks
from flam.core import FrameScores, TimeGrid
from flam.detection import DetectionConfig
from flam.detection.backends.base import TextFeatures
from flam.detection.binarize import binarize
from flam.detection.frames import frame_power, power_of_db
from flam.detection.scores import score
from flam.search.axes import fit_axes
from flam.search.build import BuildReport, build_archive
from flam.search.catalogue import ArchiveSettings
from flam.search.codec import FORMS
from flam.search.encode import Encoder, _detectors
from flam.search.layout import ArchiveFolder

DIM = 96
RATE, HOP = 8_000, 800
MODEL_ID = "0123456789abcdef"


def spectrum_features(waveform):
    """(T, D) features of length 1 and (T,) power of a waveform."""
    n_frames = -(-len(waveform) // HOP)
    frames = np.pad(waveform, (0, n_frames * HOP - len(waveform))).reshape(n_frames, HOP)
    spectrum = np.abs(np.fft.rfft(frames, axis=1))[:, 1:]
    bands = np.stack([part.mean(axis=1) for part in np.array_split(spectrum, DIM, axis=1)], axis=1)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(DIM, DIM)))[0]
    features = np.log1p(bands / 10) @ turn * np.linspace(2, 0.2, DIM) + 1e-3
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features.astype(np.float32), frame_power(waveform, HOP)


class SpectrumDetector:
    """The part of ``Detector`` that archives use."""

    grid = TimeGrid(RATE, HOP)

    def __init__(self, *_, **overrides):
        overrides = {key: value for key, value in overrides.items() if key not in ("device", "precision", "n_threads")}
        self.config = DetectionConfig(**{"score": "approximate", "threshold": 0.8, "median_s": 0.3, **overrides})
        self.backend = SimpleNamespace(pool=self.pool)

    def embed_text(self, texts):
        rows = []
        for text in texts:
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")
            if text.startswith("tone "):
                time_s = np.arange(HOP) / RATE
                vector = spectrum_features(0.5 * np.sin(2 * np.pi * float(text.split()[1]) * time_s))[0][0]
                vector = vector - self.mean
            else:
                vector = np.random.default_rng(seed).normal(size=DIM)
            rows.append(vector / np.linalg.norm(vector))
        none = np.zeros((0, DIM))
        features = np.array(rows if rows else none, np.float32)
        return TextFeatures(features, np.full(len(texts), 12, np.float32), np.full(len(texts), -1, np.float32))

    def operating_point(self, prompts, config=None):
        return self.config if config is None else config

    @property
    def mean(self):
        noise = np.random.default_rng(5).normal(0, 0.05, RATE)
        return spectrum_features(noise)[0].mean(axis=0)

    @staticmethod
    def pool(pieces):
        mean = np.concatenate(list(pieces)).mean(axis=0)
        return mean / np.linalg.norm(mean)

    def stream(self, audio):
        waveform = np.concatenate(list(mono_blocks(audio, RATE)))
        for start in range(0, len(waveform), 50 * HOP):
            part = waveform[start : start + 50 * HOP]
            features, power = spectrum_features(part)
            yield SimpleNamespace(
                start_frame=start // HOP, n_samples=len(part), features=features, embeddings=features, power=power
            )

    def embed_audio(self, audio):
        return self.pool([piece.embeddings for piece in self.stream(audio)])

    @property
    def sample_rate(self):
        return RATE

    def detect(self, audio, prompts, suppress=(), **overrides):
        """Events as ``Detector.detect`` finds them, from all scores at once."""
        config = DetectionConfig(**{**vars(self.config), **overrides})
        pieces = list(self.stream(audio))
        features = np.concatenate([piece.features for piece in pieces])
        power = np.concatenate([piece.power for piece in pieces])
        scores = score(features, self.embed_text(prompts), config.score)
        if suppress:
            scores *= scores >= score(features, self.embed_text(suppress), config.score).max(axis=1, keepdims=True)
        scores[power < power_of_db(config.silence_db)] = 0
        n_samples = sum(piece.n_samples for piece in pieces)
        return sorted(binarize([FrameScores(scores, tuple(prompts), self.grid, 0, n_samples)], config))


@pytest.fixture(scope="session")
def detector():
    """The detector, which is also what encoders of this process take for the model "spectrum"."""
    found = SpectrumDetector()
    _detectors["spectrum", "cpu", "auto", 0.2, None] = found
    return found


@pytest.fixture(scope="session")
def model_id():
    return MODEL_ID


@pytest.fixture(scope="session")
def make_sound():
    """Write a recording of noise with tones: (Hz, onset_s, offset_s) each."""

    def make(path, seed, duration_s=12.0, tones=()):
        rng = np.random.default_rng(seed)
        waveform = rng.normal(0, 0.02, round(duration_s * RATE))
        for hz, onset_s, offset_s in tones:
            span = slice(round(onset_s * RATE), round(offset_s * RATE))
            time_s = np.arange(len(waveform[span])) / RATE
            waveform[span] += 0.4 * np.sin(2 * np.pi * hz * time_s)
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, waveform.clip(-1, 1), RATE, subtype="PCM_16")
        return path

    return make


@pytest.fixture(scope="session")
def sounds(tmp_path_factory, make_sound):
    """A folder with recordings of several lengths, tones at their beginnings and ends among others."""
    folder = tmp_path_factory.mktemp("sounds")
    make_sound(folder / "SITE1_20260501_220000.wav", 1, 31.37, [(1000, 0, 2), (1000, 10, 12), (2500, 12.5, 14)])
    make_sound(folder / "SITE1_20260502_050000.wav", 2, 20.0, [(1000, 18, 20), (2500, 3, 4)])
    make_sound(folder / "deep" / "plain.wav", 3, 8.05, [(400, 2, 8.05)])
    make_sound(folder / "short.wav", 4, 0.2, [(1000, 0, 0.2)])
    make_sound(folder / "quiet.wav", 5, 5.0)
    return folder


@pytest.fixture(scope="session")
def axes(sounds):
    detector = SpectrumDetector()
    return fit_axes(piece.features for path in sorted(sounds.rglob("*.wav")) for piece in detector.stream(path))


@pytest.fixture(scope="session")
def new_archive(axes, detector):
    """An empty archive and what encodes recordings for it."""

    def make(path, form="exact"):
        settings = ArchiveSettings("spectrum", MODEL_ID, RATE, HOP, form, 0.2)
        folder = ArchiveFolder(path)
        folder.create(settings, axes)
        codec = folder.codec(settings)
        return folder, Encoder("spectrum", MODEL_ID, "cpu", "auto", 0.2, codec, folder.incoming_path)

    return make


@pytest.fixture(scope="session")
def build():
    """Bring an archive up to date; totals and messages."""

    def call(archive, encoder, folder, **options):
        messages = []
        report = BuildReport(messages.append, messages.append)
        return build_archive(archive, [folder], encoder, 1, report, **options), messages

    return call


@pytest.fixture(scope="session")
def archive_paths(tmp_path_factory, new_archive, build, sounds):
    """An archive of the sounds in each form, not to be changed."""
    paths = {}
    for form in FORMS:
        folder, encoder = new_archive(tmp_path_factory.mktemp("archives") / form, form)
        totals, messages = build(folder, encoder, sounds)
        assert (totals.n_encoded, messages) == (5, [])
        paths[form] = folder.path
    return paths
