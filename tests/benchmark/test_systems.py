"""Models as systems: a ``ClapModel`` scores frames as its own layers say, and a checkpoint as its detector does."""

import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import flam
from flam.annotations import write_events
from flam.audio.logmel import log_mel
from flam.benchmark import Benchmark, Item, evaluate
from flam.benchmark.operating_point import convert_thresholds
from flam.benchmark.systems import GivenSystem, open_system
from flam.core import ConfigError, Event, FlamError, FrameScores, ModelError, RecordingEvents, TimeGrid
from flam.detection import DetectionConfig
from flam.detection.binarize import binarize
from flam.hub.hub import resolve

pytestmark = pytest.mark.slow

RATE = 48_000
PROMPTS = ["dog", "rain on the roof"]
EVENTS = {
    "one": (Event(1.0, 2.0, "dog"), Event(4.0, 6.0, "rain")),
    "Two.b": (Event(0.5, 3.0, "rain"),),
    "three": (),
}


@pytest.fixture
def recording(tmp_path):
    """Ten seconds, one window of CLAP's, of noise that grows."""
    path = tmp_path / "noise.wav"
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * RATE) * np.linspace(0.001, 1, 10 * RATE)
    soundfile.write(path, noise.astype(np.float32), RATE, subtype="FLOAT")
    return path


@pytest.fixture
def clap():
    import transformers

    torch.manual_seed(0)
    config = transformers.ClapConfig(
        text_config={
            "vocab_size": 260,
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "intermediate_size": 24,
            "max_position_embeddings": 90,
        },
        audio_config={
            "patch_embeds_hidden_size": 16,
            "hidden_size": 128,
            "depths": [2, 2, 2, 2],
            "num_attention_heads": [1, 2, 4, 4],
        },
        projection_dim=24,
    )
    model = transformers.ClapModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn_like(parameter) / parameter[0].numel() ** 0.5)
    return model


@pytest.fixture
def clap_folder(clap, tmp_path):
    pieces = ("<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer = Tokenizer(models.BPE({piece: index for index, piece in enumerate(pieces)}, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False)
    folder = tmp_path / "tiny-clap"
    clap.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_a_clap_model_scores_frames_by_its_last_map_through_its_own_projection(clap, clap_folder, recording, tmp_path):
    system = open_system(str(clap_folder), tmp_path / "cache", device="cpu")
    assert system.name == "tiny-clap"
    scores = system.frame_scores(recording, PROMPTS)
    waveform = torch.from_numpy(soundfile.read(recording, dtype="float32")[0])[None]
    with torch.inference_mode():
        logmel = torch.from_numpy(log_mel(waveform.numpy()))
        maps = clap.audio_model(input_features=logmel[:, None]).last_hidden_state  # (1, C, 2, 32)
        frames = clap.audio_projection(maps.mean(dim=2).transpose(1, 2)[0])
        frames = torch.nn.functional.normalize(frames, dim=-1).numpy()
        whole = clap.get_audio_features(input_features=logmel[:, None]).pooler_output[0].numpy()
    texts = system.text_features(PROMPTS)
    assert scores.scores.shape == (32, 2)
    expected = 1 / (1 + np.exp(-(10 * frames @ texts.T - 8)))  # posterior, scale and bias as FLAM's training starts
    np.testing.assert_allclose(scores.scores, expected, rtol=1e-3)
    assert expected.std(axis=0).min() > 1e-6
    np.testing.assert_allclose(system.audio_features(recording), whole / np.linalg.norm(whole), atol=1e-5)


def test_a_clap_model_is_converted_once_and_keeps_its_fingerprint(clap_folder, tmp_path):
    first = open_system(str(clap_folder), tmp_path / "cache")
    [converted] = (tmp_path / "cache" / "models").iterdir()
    written = (converted / "model.safetensors").stat().st_mtime_ns
    assert open_system(str(clap_folder), tmp_path / "cache").fingerprint == first.fingerprint
    assert (converted / "model.safetensors").stat().st_mtime_ns == written


def test_a_checkpoint_scores_as_its_detector_and_other_scores_are_another_system(recording, tmp_path):
    system = open_system("flam-mini", tmp_path, "unbiased", "cpu")
    detector = flam.load("flam-mini", device="cpu")
    expected = detector.score(recording, PROMPTS, method="unbiased")
    np.testing.assert_array_equal(system.frame_scores(recording, PROMPTS).scores, expected.scores)
    assert system.fingerprint != open_system("flam-mini", tmp_path, "posterior", "cpu").fingerprint


@pytest.mark.parametrize("score", ["posterior", "unbiased", "approximate"])
def test_the_operating_point_finds_what_the_detector_finds_whatever_the_score(recording, tmp_path, score):
    detector = flam.load("flam-mini", device="cpu")
    prompts = [*PROMPTS, "siren", "wind", "noise", "white noise", "waterfall"]
    # thresholds that this recording reaches, one of them for one prompt alone
    highest = np.sort(detector.score(recording, prompts).scores.max(axis=0))
    rules = {
        "false_alarms_per_hour": None,
        "threshold": float(highest[-5]) * 0.8,
        "prompts": {"siren": {"threshold": 0.01, "median_s": 0.1}},
    }
    folder = tmp_path / "model"
    shutil.copytree(resolve("flam-mini"), folder)
    config = json.loads((folder / "config.json").read_text())
    config["detection"] |= rules
    (folder / "config.json").write_text(json.dumps(config))
    expected = flam.load(folder, device="cpu").detect(recording, prompts)
    assert len({event.prompt for event in expected}) >= 3
    system = open_system(str(folder), tmp_path, score, "cpu")
    found = sorted(binarize([system.frame_scores(recording, prompts)], system.operating_point(prompts)))
    assert [(e.onset_s, e.offset_s, e.prompt) for e in found] == [(e.onset_s, e.offset_s, e.prompt) for e in expected]


def test_thresholds_that_no_score_reaches_have_no_counterpart_below_1():
    never = DetectionConfig(score="unbiased", threshold=0.9, low_threshold=0.0)  # with bias 0 it is at most 2 / 3
    rule = convert_thresholds(never, "posterior", ["dog"], [0.0]).rule("dog")
    assert (rule.threshold, rule.low_threshold) == (1.0, 0.0)


def test_a_clap_model_has_no_operating_point(clap_folder, tmp_path):
    assert open_system(str(clap_folder), tmp_path / "cache", device="cpu").operating_point(PROMPTS) is None


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match="no model 'nothing'"):
        open_system("nothing", tmp_path)


@pytest.fixture
def benchmark(tmp_path):
    items = []
    for name, events in EVENTS.items():
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(8_000 * 8), 8_000)
        items.append(Item(name, tmp_path / f"{name}.wav", events=events))
    return Benchmark("mine", "frames", tuple(items), ("dog", "rain"))


def events_of(shift_s=0.0, score=None):
    return [
        RecordingEvents(
            f"D:\\data\\{name}.WAV".upper(),
            None,
            tuple(Event(e.onset_s + shift_s, e.offset_s + shift_s, e.prompt, score, score) for e in events),
        )
        for name, events in EVENTS.items()
    ]


def test_right_events_are_perfect_and_late_ones_are_not(benchmark, tmp_path):
    write_events(events_of(), tmp_path / "right.csv", "csv")
    write_events(events_of(1.5, score=0.2), tmp_path / "late.jsonl", "jsonl")
    systems = [GivenSystem(tmp_path / "right.csv", "right"), GivenSystem(tmp_path / "late.jsonl", "late")]
    [evaluation] = evaluate(systems, [benchmark], tmp_path / "cache")
    right, late = (evaluation.results[name].figures for name in ("right", "late"))
    assert right["frame_auroc"].value == 1.0
    assert right["psds1"].value > 0.99
    assert late["frame_auroc"].value < 0.9
    assert late["psds1"].value < 0.5


def test_scores_of_another_program_are_taken_as_they_are(benchmark, tmp_path):
    grid = TimeGrid(1_000, 100)
    (tmp_path / "scores").mkdir()
    for name, events in EVENTS.items():
        scores = np.zeros((80, 2), np.float32)
        for event in events:
            scores[round(event.onset_s * 10) : round(event.offset_s * 10), 0 if event.prompt == "rain" else 1] = 0.9
        FrameScores(scores, ("rain", "cat"), grid, 0, 8_000).save(tmp_path / "scores" / f"{name}.npz")
    system = GivenSystem(tmp_path / "scores", "scores")
    found = system.frame_scores(tmp_path / "one.wav", ("dog", "rain"))
    assert found.scores.shape == (80, 2)
    assert found.scores[:, 0].max() == 0  # nothing was said of dogs
    assert found.scores[45, 1] == np.float32(0.9)
    with pytest.raises(FlamError, match="none of the prompts"):
        system.frame_scores(tmp_path / "one.wav", ("cow",))


def test_recording_without_results_and_no_results_at_all(benchmark, tmp_path):
    write_events(events_of()[:1], tmp_path / "few.csv", "csv")
    with pytest.raises(FlamError, match="few has no results"):
        GivenSystem(tmp_path / "few.csv", "few").frame_scores(tmp_path / "three.wav", ("dog",))
    with pytest.raises(ConfigError, match="none"):
        GivenSystem(tmp_path / "none", "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="neither scores"):
        GivenSystem(tmp_path / "empty", "empty")
