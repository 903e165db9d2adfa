"""The recipe on sounds made here: pools resume, training falls and resumes bit for bit, the pieces fit together."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from flam.core import ConfigError, load_yaml
from flam.data.phrases import PhraseSet
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.losses import infonce_loss
from flam.model.checkpoint import load_checkpoint, save_checkpoint
from flam.model.convnet import ConvEncoderConfig
from flam.model.flam import FLAM, FLAMConfig
from flam.model.text import LightTextConfig
from flam.procedural import generate
from flam.scenes.effects import EffectsConfig
from flam.training.mini.batch import make_batch
from flam.training.mini.class_loss import class_loss
from flam.training.mini.clip_windows import embed_clips
from flam.training.mini.config import MiniConfig, Stage
from flam.training.mini.degradation import warped_bands
from flam.training.mini.fit import fit
from flam.training.mini.pool import MINI_SCENES, Pool, PoolConfig, build_pool
from flam.training.mini.sound_losses import event_loss, near_loss
from flam.training.mini.teacher import TeacherOutput
from flam.training.mini.teacher_head import TeacherHead, TeacherHeadConfig, train_teacher_head
from flam.training.mini.text_pretraining import TextPretrainingConfig, pretrain_text
from flam.training.mini.texts import LabelTexts, class_ways, related_labels
from flam.training.mini.validation import clip_accuracy, pool_auroc
from flam.training.mini.word_pieces import train_tokenizer

RECIPES = [Path(__file__).parents[3] / "configs" / name for name in ("flam_mini.yaml", "distilled.yaml")]
LABELS = ["dog bark", "rain", "siren"]
SCENE = replace(MINI_SCENES, duration_s=2.56, background_share=0.0, effects=EffectsConfig())
POOL = PoolConfig(scene=SCENE, shard_scenes=30)
PHRASES = {
    "dog bark": PhraseSet("dog bark", ("barking dog",), ("siren", "wolf howl"), ("dog",)),
    "wolf howl": PhraseSet("wolf howl", ("howling",), (), ()),
}
MODEL = FLAMConfig(
    audio=ConvEncoderConfig(stem_width=4, widths=(4, 8, 8), strides=((2, 2), (2, 2), (1, 2)), embed_dim=16),
    text=LightTextConfig(vocab_size=60, embed_dim=16, mlp_dim=16),
    joint_dim=16,
    hidden_dim=16,
)


class LoudnessTeacher:
    """Stands in for a tagger: its embedding is the level of each window, its one class whether it sounds."""

    def __call__(self, waveform, sample_rate, starts_s):
        levels = [np.abs(waveform[round(s * sample_rate) :][: round(0.975 * sample_rate)]).mean() for s in starts_s]
        column = np.array(levels, dtype=np.float32)[:, None]
        return TeacherOutput(np.hstack([np.log(column + 1e-6), column]), (column > 0.01).astype(np.float32))


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    from flam.audio import write_audio

    clips = []
    for label in LABELS:
        for take in range(2):
            path = folder / f"{label}{take}.wav"
            write_audio(path, generate(label, seed=take, duration_s=1.5), 48_000)
            clips.append(SourceClip(path.stem, path, label, f"the {label}", "event", path.stem, "", "made", "CC0"))
    write_audio(folder / "silent.wav", np.zeros(48_000, dtype=np.float32), 48_000)
    silent = SourceClip("silent", folder / "silent.wav", "rain", "", "event", "silent", "", "made", "CC0")
    (folder / "broken.wav").write_text("not audio")
    broken = SourceClip("broken", folder / "broken.wav", "rain", "", "event", "broken", "", "made", "CC0")
    left_out = WaveformBank.build([*clips, silent, broken], folder / "bank")
    assert left_out == ["silent", "broken"]
    return clips, WaveformBank(folder / "bank")


@pytest.fixture(scope="module")
def pool_folder(bank, tmp_path_factory):
    clips, waveforms = bank
    folder = tmp_path_factory.mktemp("pool")
    config = POOL
    finished: list[int] = []
    build_pool(clips, LABELS, waveforms, LoudnessTeacher(), folder, range(2), config, finished.append)
    assert finished == [0, 1]
    # a second run makes only what is missing, and makes it the same
    kept, lost = (folder / f"{shard:06d}.npy" for shard in range(2))
    stamp, content = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    build_pool(clips, LABELS, waveforms, LoudnessTeacher(), folder, range(2), config)
    assert kept.stat().st_mtime_ns == stamp
    assert lost.read_bytes() == content
    return folder


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["dog bark", "rain", "siren", "the sound of rain", "barking dog", "a siren wails"], 60)


def new_model(tokenizer: Tokenizer) -> FLAM:
    torch.manual_seed(0)
    return FLAM(MODEL, tokenizer)


@pytest.fixture(scope="module")
def teacher_head():
    head = TeacherHead(2, MODEL.joint_dim, TeacherHeadConfig(hidden_dim=8))
    return head.eval().requires_grad_(False)


def label_texts(bank, tokenizer) -> LabelTexts:
    return LabelTexts(LABELS, bank[0], PHRASES, tokenizer, classes=["Sound, noise"])


def config(**changes) -> MiniConfig:
    stages = (
        Stage("distil", 6, 3e-3, {"distill": 1.0, "tag": 1.0, "joint": 1.0, "class": 1.0, "clip": 1.0}),
        Stage(
            "frames",
            6,
            3e-3,
            {"distill": 1.0, "clip": 1.0, "event": 1.0, "near": 1.0, "frame": 20.0, "prior": 1.0, "text_pull": 1.0},
            text_lr_share=0.1,
        ),
    )
    defaults = {"stages": stages, "batch_size": 8, "warmup_steps": 2, "validate_every": 4, "save_every": 4}
    return MiniConfig(model=MODEL, pool=POOL, **{**defaults, **changes})


def test_pool_rows_hold_what_was_rendered(pool_folder):
    pool = Pool(pool_folder)
    rows = pool.take(np.arange(len(pool)))
    assert len(pool) == 60
    assert rows["logmel"].shape[1:] == (256, 64)
    named = rows["label"] >= 0
    assert named.any(axis=1).all()
    assert rows["active"][named].any(axis=1).all()
    assert not rows["active"][~named].any()
    # frames with an event are louder than frames without
    level = rows["logmel"].astype(np.float32).mean(axis=2).reshape(len(rows), 32, 8).mean(axis=2)
    active = rows["active"].any(axis=1)
    assert level[active].mean() > level[~active].mean() + 10


def test_a_batch_says_what_sounds_and_what_may_sound(bank, pool_folder, tokenizer):
    texts = label_texts(bank, tokenizer)
    rows = Pool(pool_folder).take(np.arange(40))
    batch = make_batch(rows, texts, lambda embedding: embedding, None)
    for scene, row in enumerate(rows):
        for slot, label in enumerate(row["label"]):
            if label >= 0:
                assert torch.equal(batch.labels[scene, :, label], torch.from_numpy(row["active"][slot]))
        absent = set(range(3)) - set(row["label"].tolist())
        assert not batch.labels[scene, :, sorted(absent)].any()
    assert batch.valid.all()  # no label here may be true of another's sound
    augmented = make_batch(rows, texts, lambda embedding: embedding, np.random.default_rng(0))
    assert torch.equal(augmented.labels, batch.labels)
    assert not torch.equal(augmented.logmel, batch.logmel)


def test_labels_that_are_withheld_are_neither_right_nor_wrong(bank, pool_folder, tokenizer):
    texts = LabelTexts(LABELS, bank[0], {}, tokenizer, withheld={"siren"})
    siren = LABELS.index("siren")

    def holds_siren(labels):
        return (labels == siren).any(axis=1)

    pool, without, only = (
        Pool(pool_folder, wanted) for wanted in (None, lambda labels: ~holds_siren(labels), holds_siren)
    )
    rows = [each.take(np.arange(len(each))) for each in (pool, without, only)]
    assert 0 < len(without) < len(pool)
    assert np.array_equal(rows[1], rows[0][~holds_siren(rows[0]["label"])])
    assert np.array_equal(rows[2], rows[0][holds_siren(rows[0]["label"])])
    assert np.array_equal(without.load(("label",), 7)["label"], rows[1]["label"][:7])
    valid = make_batch(rows[1], texts, lambda embedding: embedding, None).valid
    assert not valid[:, siren].any()
    assert valid[:, :siren].all()


def test_the_event_loss_hears_every_sound_in_its_own_frames(bank, pool_folder, tokenizer):
    batch = make_batch(Pool(pool_folder).take(np.arange(20)), label_texts(bank, tokenizer), lambda value: value, None)
    generator = torch.Generator().manual_seed(0)
    frames, texts = (
        torch.nn.functional.normalize(torch.randn(*shape, 16, generator=generator), dim=-1)
        for shape in ((20, 32), (3,))
    )
    features, shares = [], []
    for scene in range(20):
        for active in batch.active[scene]:
            if active.any():
                mean = frames[scene, active].mean(dim=0)
                features.append(mean / mean.norm())
                shares.append(batch.labels[scene, active].float().mean(dim=0))
    share = torch.stack(shares)
    assert ((share > 0) & (share < 0.5)).any()  # some sounds touch others
    expected = infonce_loss(
        torch.stack(features), texts, torch.tensor(2.0), share >= 0.5, (share == 0) | (share >= 0.5)
    )
    assert torch.allclose(event_loss(frames, texts, torch.tensor(2.0), batch), expected, atol=1e-6)


def test_the_near_loss_compares_each_sound_with_its_label_and_its_near_misses(bank, pool_folder, tokenizer):
    texts = label_texts(bank, tokenizer)
    assert texts.near_misses.ways == [["siren"], ["howling", "wolf howl"]]
    batch = make_batch(Pool(pool_folder).take(np.arange(20)), texts, lambda value: value, None)
    generator = torch.Generator().manual_seed(0)
    frames, labels, near = (
        torch.nn.functional.normalize(torch.randn(*shape, 16, generator=generator), dim=-1)
        for shape in ((20, 32), (3,), (2,))
    )
    bark, siren = LABELS.index("dog bark"), LABELS.index("siren")
    losses = []
    for scene in range(20):
        for active, label in zip(batch.active[scene], batch.label[scene], strict=True):
            if active.any() and label == bark:
                mean = torch.nn.functional.normalize(frames[scene, active].mean(dim=0), dim=0)
                beside_siren = bool(batch.labels[scene, :, siren].any())
                for text in near[1:] if beside_siren else near:
                    losses.append(torch.log1p(torch.exp(torch.tensor(2.0).exp() * (mean @ text - mean @ labels[bark]))))
    loss = near_loss(frames, labels, near, torch.tensor(2.0), batch, texts)
    assert torch.allclose(loss, torch.stack(losses).mean(), atol=1e-6)


def test_the_class_loss_is_least_where_certainty_is_shared_as_the_teacher_shares_it():
    names, temperature = torch.eye(4), torch.tensor(10.0).log()
    scores = torch.tensor([[0.6, 0.6, 0.0, 0.0], [0.0, 0.0, 0.05, 0.0]])

    def loss(*direction):
        feature = torch.nn.functional.normalize(torch.tensor([direction]), dim=1)
        # the second window holds nothing that the teacher knows: its feature makes no difference
        return class_loss(torch.cat([feature, names[3:]]), names, temperature, scores)

    assert loss(1.0, 1.0, 0.0, 0.0) < loss(1.0, 0.0, 0.0, 0.0) < loss(0.0, 0.0, 1.0, 0.0)
    assert class_loss(names[:1], names, temperature, torch.zeros(1, 4)) == 0
    with pytest.raises(ConfigError, match="4 names for 3 classes"):
        class_loss(names[:1], names, temperature, torch.zeros(1, 3))
    logits = temperature.exp() * names[0]
    expected = -(torch.log_softmax(logits, 0)[:2] * 0.5).sum()
    assert torch.allclose(loss(1.0, 0.0, 0.0, 0.0), expected)


def test_a_taggers_classes_are_said_in_all_the_ways_of_the_labels_that_they_name(tokenizer):
    ways = class_ways(["Dog bark, woof", "Whistle (steam)"], PHRASES, tokenizer).ways
    assert ways == [["barking dog", "dog bark", "dog bark, woof"], ["whistle steam"]]


def test_bands_are_warped_as_a_loop_says():
    logmel = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    shift, stretch = np.array([0.0, 1.5]), np.array([1.0, 0.8])
    warped = warped_bands(logmel, shift, stretch)
    assert torch.allclose(warped[0], logmel[0], atol=1e-6)
    for band in range(8):
        place = (band - 3.5 - shift[1]) / stretch[1] + 3.5
        expected = [np.interp(place, np.arange(8), row.numpy()) for row in logmel[1]]
        np.testing.assert_allclose(warped[1, :, band], expected, atol=1e-5)


def test_related_labels():
    phrases = {
        "dog bark": PhraseSet("dog bark", (), ("dog growl",), ("dog",)),
        "dog": PhraseSet("dog", (), (), ()),
    }
    related = related_labels(["dog bark", "dog growl", "dog", "siren"], phrases)
    assert related.astype(int).tolist() == [[1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]]


def test_training_resumes_bit_for_bit(bank, pool_folder, tokenizer, teacher_head, tmp_path):
    texts = label_texts(bank, tokenizer)
    rows = Pool(pool_folder).take(np.arange(60))
    seen: list[float] = []

    def validation(model):
        seen.append(pool_auroc(model, rows, texts))
        return {"auroc": seen[-1]}

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir(), stopped.mkdir()
    expected = fit(config(), new_model(tokenizer), texts, teacher_head, Pool(pool_folder), validation, whole)
    assert len(seen) == 3
    assert all(0 <= area <= 1 for area in seen)

    def interrupt(model):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(config(), new_model(tokenizer), texts, teacher_head, Pool(pool_folder), interrupt, stopped)
    resumed = fit(config(), new_model(tokenizer), texts, teacher_head, Pool(pool_folder), validation, stopped)
    for name, value in expected.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize(("loss", "remedy"), [("class", "--teacher-classes"), ("near", "--phrases")])
def test_a_loss_without_its_texts_is_a_clear_error(bank, pool_folder, tokenizer, teacher_head, tmp_path, loss, remedy):
    texts = LabelTexts(LABELS, bank[0], {}, tokenizer)
    recipe = config(stages=(Stage("short", 1, 1e-3, {loss: 1.0}),))
    with pytest.raises(ConfigError, match=f"loss {loss} needs .* give {remedy}"):
        fit(recipe, new_model(tokenizer), texts, teacher_head, Pool(pool_folder), lambda _: {}, tmp_path)


def test_the_loss_falls_and_the_packaged_model_is_the_trained_one(bank, pool_folder, tokenizer, teacher_head, tmp_path):
    texts = label_texts(bank, tokenizer)
    stage = Stage("distil", 200, 1e-2, {"clip": 1.0, "distill": 1.0})
    recipe = config(stages=(stage,), log_every=40, validate_every=200)
    model = fit(recipe, new_model(tokenizer), texts, teacher_head, Pool(pool_folder), lambda _: {}, tmp_path).eval()
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    first, *_, last = (entry for entry in log if "clip_loss" in entry)
    assert last["clip_loss"] < 0.95 * first["clip_loss"]
    assert last["distill_loss"] < 0.8 * first["distill_loss"]
    save_checkpoint(model, tmp_path / "model", dtype=torch.float16)
    loaded = load_checkpoint(tmp_path / "model").model
    waveform = torch.from_numpy(bank[1].waveform("siren0")[: 3840 * 18])[None]
    with torch.inference_mode():
        cosines = (model.embed_audio(waveform).frame_features * loaded.embed_audio(waveform).frame_features).sum(-1)
    assert cosines.min() > 0.999  # half precision
    assert clip_accuracy(loaded, [loaded.audio_encoder.logmel(waveform)[0, : 8 * 18]], ["siren"]) == 1.0


def test_the_teachers_head_learns_the_labels(bank, pool_folder, tokenizer):
    log: list[dict] = []
    recipe = TeacherHeadConfig(steps=300, lr=1e-2, n_windows=16, n_scenes=20, hidden_dim=16, dropout=0.0)
    pool, model, texts = Pool(pool_folder), new_model(tokenizer), label_texts(bank, tokenizer)
    clips, waveforms = bank
    windows = embed_clips(clips, waveforms, LoudnessTeacher())
    label_of = {clip.clip_id: LABELS.index(clip.label) for clip in clips}
    head = train_teacher_head(windows, label_of, pool, texts, model, POOL.teacher_hop_frames, recipe, log.append)
    assert log[-1]["head_loss"] < 0.9 * log[0]["head_loss"]  # this teacher hears loudness alone
    standardised = head.standardise(torch.from_numpy(pool.take(np.arange(60))["embedding"].astype(np.float32)))
    assert torch.allclose(head(standardised).norm(dim=-1), torch.ones(60, 2))


GROUPS = [("dog bark", "barking dog"), ("rain", "the sound of rain"), ("siren", "a siren wails")]


def test_text_pretraining_brings_phrases_of_one_sound_together(tokenizer):
    model = new_model(tokenizer)
    log: list[dict] = []
    recipe = TextPretrainingConfig(steps=80, batch_size=32, lr=1e-2)
    pretrain_text(model, tokenizer, [("rain", "siren")], GROUPS, None, recipe, log.append)
    assert log[-1]["phrase_loss"] < log[0]["phrase_loss"] / 2
    features = model.eval().embed_text([text for group in GROUPS for text in group]).text_features
    cosines = features @ features.T
    assert min(cosines[0, 1], cosines[4, 5]) > max(cosines[0, 4], cosines[1, 5])


def test_a_new_text_tower_says_what_an_earlier_model_says(tokenizer):
    torch.manual_seed(7)
    earlier = FLAM(MODEL, tokenizer).eval().embed_text([group[0] for group in GROUPS])
    model = new_model(tokenizer)
    recipe = TextPretrainingConfig(steps=120, batch_size=32, lr=1e-2)
    related = torch.eye(3, dtype=torch.bool)
    pretrain_text(model, tokenizer, [("rain", "siren")], GROUPS, None, recipe, lambda _: None, earlier, related)
    for texts in zip(*GROUPS, strict=True):
        said = model.eval().embed_text(list(texts))
        assert ((said.text_features * earlier.text_features).sum(dim=1) > 0.95).all()
        assert torch.allclose(said.logit_scale, earlier.logit_scale, rtol=0.2)
        assert torch.allclose(said.logit_bias, earlier.logit_bias, atol=0.5)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_the_recipe_loads_and_says_how_it_is_run(recipe):
    assert load_yaml(MiniConfig, recipe).stages
    assert recipe.read_text(encoding="utf-8").startswith(f"# python -m flam.training.mini configs/{recipe.name} ")
