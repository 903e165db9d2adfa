"""The recipe on sounds made here: pools resume, training falls and resumes bit for bit, the stages fit together."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tokenizers import Tokenizer, models, pre_tokenizers

from flam.audio import write_audio
from flam.core import ConfigError, load_yaml
from flam.data.phrases import PhraseSet
from flam.data.scene_pool import ScenePool
from flam.data.texts import LabelVariants, class_variants, related_labels
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip, read_manifest
from flam.losses import infonce_loss
from flam.model.checkpoint import load_checkpoint
from flam.procedural import generate
from flam.scenes.effects import EffectsConfig
from flam.training import trainer
from flam.training.augment import warped_bands
from flam.training.distribution import World
from flam.training.log import read_log
from flam.training.mixtures import with_mixtures
from flam.training.objectives.distill import class_loss, event_loss, joint_loss, near_loss
from flam.training.recipe import load_recipe
from flam.training.start import read_beside_model, starting_model
from flam.training.tasks.distill import DistillFeatures, DistillStep, DistillTask
from flam.training.tasks.teacher_head import TeacherHead
from flam.training.teacher_scenes import make_batch
from recipes.flam_mini.clip_windows import embed_clips
from recipes.flam_mini.config import DataRecipe
from recipes.flam_mini.pool import MINI_SCENES, PoolConfig, build_pool
from recipes.flam_mini.teacher import TeacherOutput

FOLDER = Path(__file__).parents[3] / "recipes" / "flam_mini"
STAGES = [FOLDER / f"{name}.yaml" for name in ("text", "head", "frames", "distilled")]
LABELS = ["dog bark", "rain", "siren"]
SCENE = replace(MINI_SCENES, duration_s=2.56, background_share=0.0, effects=EffectsConfig())
POOL = PoolConfig(scene=SCENE, shard_scenes=30)
PHRASES = {
    "dog bark": PhraseSet("dog bark", ("barking dog",), ("siren", "wolf howl"), ("dog",)),
    "wolf howl": PhraseSet("wolf howl", ("howling",), (), ()),
}
PHRASE_FILE = """
dog bark: {phrases: [barking dog], near: [siren, wolf howl], parents: [dog]}
wolf howl: {phrases: [howling], near: [], parents: []}
siren: {phrases: [a siren wails], near: [], parents: []}
rain: {phrases: [the sound of rain], near: [], parents: []}
"""
WORDS = [
    *("a", "the", "of", "sound", "dog", "bark", "barking", "rain", "siren"),
    *("wails", "loud", "noise", "quiet", "wolf", "howl", "howling"),
]
MODEL = {
    "audio": {
        "kind": "conv",
        "stem_width": 4,
        "widths": [4, 8, 8],
        "strides": [[2, 2], [2, 2], [1, 2]],
        "embed_dim": 16,
    },
    "text": {"kind": "light", "vocab_size": 60, "embed_dim": 16, "mlp_dim": 16},
    "joint_dim": 16,
    "hidden_dim": 16,
}


class LoudnessTeacher:
    """Stands in for a tagger: its embedding is the level of each window, its classes whether it is loud or quiet."""

    def __call__(self, waveform, sample_rate, starts_s):
        levels = [np.abs(waveform[round(s * sample_rate) :][: round(0.975 * sample_rate)]).mean() for s in starts_s]
        column = np.array(levels, dtype=np.float32)[:, None]
        embedding = np.hstack([np.log(column + 1e-6), column])
        level = np.exp(embedding[:, :1])
        scores = np.hstack([np.minimum(level * 5, 1), np.minimum(0.02 / level, 1)])
        return TeacherOutput(embedding, scores.astype(np.float32))


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Working folder of the recipe with everything that comes before the training, in small."""
    folder = tmp_path_factory.mktemp("work")
    clips = []
    for label in LABELS:
        for take in range(2):
            path = folder / f"{label}{take}.wav"
            write_audio(path, generate(label, seed=take, duration_s=1.5), 48_000)
            clips.append(SourceClip(path.stem, path, label, f"the {label}", "event", path.stem, "", "made", "CC0"))
    write_audio(folder / "silent.wav", np.zeros(48_000, dtype=np.float32), 48_000)
    (folder / "broken.wav").write_text("not audio")
    unusable = [
        SourceClip(name, folder / f"{name}.wav", "rain", "", "event", name, "", "made", "CC0")
        for name in ("silent", "broken")
    ]
    assert WaveformBank.build([*clips, *unusable], folder / "bank") == ["silent", "broken"]
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("id", "file", "label", "caption", "kind", "group", "source", "licence"))
        table.writerows((c.clip_id, c.path.name, c.label, c.caption, c.kind, c.group, c.source, "CC0") for c in clips)
    (folder / "phrases").mkdir()
    (folder / "phrases" / "sounds.yaml").write_text(PHRASE_FILE)
    (folder / "classes.txt").write_text("Loud, noise\nQuiet\n")
    (folder / "pairs.tsv").write_text("rain\tsiren\nbarking dog\tdog bark\n")
    vocabulary = {"[PAD]": 0, "[UNK]": 1, **{word: row + 2 for row, word in enumerate(WORDS)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    bank = WaveformBank(folder / "bank")
    embed_clips(clips, bank, LoudnessTeacher()).save(folder / "windows.npz")
    finished: list[int] = []
    build_pool(clips, LABELS, bank, LoudnessTeacher(), folder / "pool", range(2), POOL, finished.append)
    assert finished == [0, 1]
    # a second run makes only what is missing, and makes it the same
    kept, lost = (folder / "pool" / f"{shard:06d}.npy" for shard in range(2))
    stamp, content = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    build_pool(clips, LABELS, bank, LoudnessTeacher(), folder / "pool", range(2), POOL)
    assert kept.stat().st_mtime_ns == stamp
    assert lost.read_bytes() == content
    return folder


@pytest.fixture(scope="module")
def pool_folder(work):
    return work / "pool"


@pytest.fixture(scope="module")
def clips(work):
    return read_manifest(work / "manifest.csv")


@pytest.fixture(scope="module")
def tokenizer(work):
    return Tokenizer.from_file(str(work / "tokenizer.json"))


@pytest.fixture(scope="module")
def label_variants(clips, tokenizer):
    return LabelVariants(LABELS, clips, PHRASES, tokenizer, classes=["Loud, noise", "Quiet"])


def step_of(batch, texts, **features):
    fields = {name: features.get(name) for name in DistillFeatures._fields}
    fields["log_temperature_inverse"] = torch.tensor(2.0)
    return DistillStep(DistillFeatures(**fields), batch, torch.empty(0), texts)


def scenes_of(work):
    pool = str(work / "pool")
    return {
        "library": [str(work / "manifest.csv")],
        "training": pool,
        "validation": pool,
        "phrases": str(work / "phrases"),
        "teacher_classes": str(work / "classes.txt"),
        "split": {"share": 0.0},
    }


def stage(work, path, **settings):
    """A small recipe of a stage, in a file."""
    recipe = {
        "model": MODEL,
        "compute": {"device": "cpu", "precision": "fp32"},
        "record": {"log_every": 2, "validate_every": 6, "validation_batches": 1, "save_every": 4},
        **settings,
    }
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def text_run(work):
    recipe = stage(
        work,
        work / "text.yaml",
        task={"kind": "text", "pairs": [str(work / "pairs.tsv")], "phrases": str(work / "phrases"), "batch_size": 32},
        start={"tokenizer": str(work / "tokenizer.json")},
        freeze=["audio_encoder", "audio_projection", "log_temperature_inverse"],
        losses={"pair": 1.0, "phrase": 1.0},
        optim={"kind": "adamw", "lr": 1e-2, "steps": 80, "schedule": "one_cycle", "weight_decay": 0.01},
        ema_decay=0.0,
    )
    trainer.train(recipe, work / "text")
    return work / "text"


@pytest.fixture(scope="module")
def head_run(work, text_run):
    windows = {"windows": str(work / "windows.npz"), "n_windows": 16, "n_scenes": 20, "hidden_dim": 16}
    recipe = stage(
        work,
        work / "head.yaml",
        task={"kind": "teacher_head", "scenes": scenes_of(work), **windows},
        start={"model": str(text_run / "final")},
        freeze=["audio_encoder", "audio_projection", "logit_scale_head", "logit_bias_head", "log_temperature_inverse"],
        losses={"clips": 1.0, "scenes": 1.0, "class": 0.5},
        optim={"kind": "adamw", "lr": 1e-2, "steps": 120, "schedule": "one_cycle", "text_lr_share": 0.03},
        ema_decay=0.0,
    )
    trainer.train(recipe, work / "head")
    return work / "head"


def frames(work, head_run, path, **settings):
    copying = {"distill": 1.0, "tag": 1.0, "joint": 1.0, "class": 1.0, "clip": 1.0}
    of_labels = {"event": 1.0, "near": 1.0, "frame": 20.0, "prior": 1.0, "text_pull": 1.0}
    stages = [
        {"name": "distil", "steps": 6, "lr": 3e-3, "losses": copying, "text_lr_share": 0.0},
        {"name": "frames", "steps": 6, "lr": 3e-3, "losses": {**copying, **of_labels}, "text_lr_share": 0.1},
    ]
    task = {"kind": "distill", "scenes": scenes_of(work), "bank": str(work / "bank"), "batch_size": 8}
    defaults = {
        "task": {**task, "crop_windows": 1},
        "start": {"model": str(head_run / "final")},
        "stages": stages,
        "optim": {
            "kind": "adamw",
            "schedule": "cosine",
            "warmup_steps": 2,
            "final_lr_share": 0.05,
            "weight_decay": 0.02,
            "decay_vectors": True,
        },
        "ema_decay": 0.9,
        "ema_warmup": False,
    }
    return stage(work, path, **{**defaults, **settings})


def test_pool_rows_hold_what_was_rendered(pool_folder):
    pool = ScenePool(pool_folder)
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


def test_a_batch_says_what_sounds_and_what_may_sound(pool_folder, label_variants):
    texts = label_variants
    rows = ScenePool(pool_folder).take(np.arange(40))
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


def test_a_mixture_holds_what_both_scenes_hold(pool_folder, label_variants):
    rows = ScenePool(pool_folder).take(np.arange(40))
    rows["logmel"] = np.maximum(rows["logmel"], -90)
    rows["complete"][::4] = False  # nothing can be said to be absent
    alone = make_batch(rows, label_variants, lambda embedding: embedding, None)
    mixed = with_mixtures(alone, 0.5, np.random.default_rng(0))
    chosen = ~mixed.taught
    assert 10 < chosen.sum() < 30
    assert torch.equal(mixed.logmel[~chosen], alone.logmel[~chosen])
    for scene in range(40):
        parts = [scene, (scene + 1) % 40] if chosen[scene] else [scene]
        sounds = {
            (int(label), tuple(active.tolist()))
            for part in parts
            for label, active in zip(alone.label[part], alone.active[part], strict=True)
        }
        assert {
            (int(label), tuple(active.tolist()))
            for label, active in zip(mixed.label[scene], mixed.active[scene], strict=True)
        } | {(-1, (False,) * 32)} == sounds | {(-1, (False,) * 32)}
        labels = alone.labels[parts].any(dim=0)
        assert torch.equal(mixed.labels[scene], labels)
        assert torch.equal(mixed.valid[scene], alone.valid[parts].all(dim=0) | labels.any(dim=0))
        assert mixed.single[scene] == (alone.single[scene] and not chosen[scene])
        if chosen[scene]:
            own, other = (10 ** (alone.logmel[part].double() / 10) for part in parts)
            added = 10 ** (mixed.logmel[scene].double() / 10) - own
            gain = added.mean() / other.mean()
            assert torch.allclose(added, gain * other, rtol=1e-3, atol=1e-4 * float(own.max()))
            assert abs(10 * torch.log10(added.mean() / own.mean())) < 6.1


def test_the_losses_of_the_teacher_leave_out_what_it_has_not_heard(pool_folder, label_variants):
    batch = make_batch(ScenePool(pool_folder).take(np.arange(8)), label_variants, lambda value: value, None)
    n_windows = batch.embedding.shape[1]
    windows, teacher = (torch.nn.functional.normalize(torch.randn(8, n_windows, 16), dim=-1) for _ in range(2))
    half = replace(batch, taught=torch.arange(8) < 4)
    step = replace(step_of(half, label_variants, windows=windows), teacher_features=teacher)
    assert torch.allclose(joint_loss(step), 1 - (windows[:4] * teacher[:4]).sum(dim=-1).mean())


def test_labels_that_are_withheld_are_neither_right_nor_wrong(clips, pool_folder, tokenizer):
    texts = LabelVariants(LABELS, clips, {}, tokenizer, withheld={"siren"})
    siren = LABELS.index("siren")

    def holds_siren(labels):
        return (labels == siren).any(axis=1)

    pool, without, only = (
        ScenePool(pool_folder, wanted) for wanted in (None, lambda labels: ~holds_siren(labels), holds_siren)
    )
    rows = [each.take(np.arange(len(each))) for each in (pool, without, only)]
    assert 0 < len(without) < len(pool)
    assert np.array_equal(rows[1], rows[0][~holds_siren(rows[0]["label"])])
    assert np.array_equal(rows[2], rows[0][holds_siren(rows[0]["label"])])
    assert np.array_equal(without.load(("label",), 7)["label"], rows[1]["label"][:7])
    valid = make_batch(rows[1], texts, lambda embedding: embedding, None).valid
    assert not valid[:, siren].any()
    assert valid[:, :siren].all()


def test_the_event_loss_hears_every_sound_in_its_own_frames(pool_folder, label_variants):
    batch = make_batch(ScenePool(pool_folder).take(np.arange(20)), label_variants, lambda value: value, None)
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
    step = step_of(batch, label_variants, frame_features=frames, text_features=texts)
    assert torch.allclose(event_loss(step), expected, atol=1e-6)


def test_the_near_loss_compares_each_sound_with_its_label_and_its_near_misses(pool_folder, label_variants):
    texts = label_variants
    assert texts.near_misses.ways == [["siren"], ["howling", "wolf howl"]]
    batch = make_batch(ScenePool(pool_folder).take(np.arange(20)), texts, lambda value: value, None)
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
    step = step_of(batch, texts, frame_features=frames, text_features=labels, near_features=near)
    assert torch.allclose(near_loss(step), torch.stack(losses).mean(), atol=1e-6)


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
    ways = class_variants(["Dog bark, woof", "Whistle (steam)"], PHRASES, tokenizer).ways
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


def test_training_resumes_bit_for_bit_in_either_stage(work, head_run, tmp_path):
    recipe = frames(work, head_run, tmp_path / "frames.yaml")
    figures = trainer.train(recipe, tmp_path / "whole")
    assert 0 <= figures["validation_frame_auroc"] <= 1
    assert [entry["stage"] for entry in read_log(tmp_path / "whole")] == ["distil"] * 3 + ["frames"] * 3

    def stop_after(steps):
        def stop(done, total, figures):
            if done == steps:
                raise KeyboardInterrupt

        return stop

    for steps in (5, 10):
        with pytest.raises(KeyboardInterrupt):
            trainer.train(recipe, tmp_path / "stopped", progress=stop_after(steps))
    trainer.train(recipe, tmp_path / "stopped")
    whole, stopped = (load_checkpoint(tmp_path / run / "final").model.state_dict() for run in ("whole", "stopped"))
    for name, value in whole.items():
        assert torch.equal(value, stopped[name]), name


def test_readings_and_head_are_kept_beside_the_model_for_the_next_stretch(work, head_run, tmp_path):
    recipe = frames(work, head_run, tmp_path / "frames.yaml")
    trainer.train(recipe, tmp_path / "first")
    kept = read_beside_model(tmp_path / "first" / "final")
    assert {name.split(".")[0] for name in kept} == {"readings", "teacher_head"}
    stages = [{"name": "next", "steps": 1, "lr": 1e-12, "losses": {"distill": 1.0, "tag": 1.0}}]
    following = frames(work, tmp_path / "first", tmp_path / "next.yaml", stages=stages)
    trainer.train(following, tmp_path / "next")
    for name, value in read_beside_model(tmp_path / "next" / "final").items():
        torch.testing.assert_close(value, kept[name])


def test_the_loss_falls(work, head_run, tmp_path):
    stages = [{"name": "distil", "steps": 120, "lr": 1e-2, "losses": {"clip": 1.0, "distill": 1.0}}]
    record = {"log_every": 40, "validate_every": 120, "validation_batches": 1, "half_precision": True}
    trainer.train(frames(work, head_run, tmp_path / "a.yaml", stages=stages, record=record), tmp_path / "run")
    first, *_, last = read_log(tmp_path / "run")
    assert last["clip_loss"] < 0.97 * first["clip_loss"]
    assert last["distill_loss"] < 0.8 * first["distill_loss"]


def test_a_distillation_without_a_head_is_a_clear_error(work, text_run, tmp_path):
    with pytest.raises(ConfigError, match="holds no head of a teacher; start from a run of task teacher_head"):
        trainer.train(frames(work, text_run, tmp_path / "a.yaml"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("task.scenes.teacher_classes=null",), "loss class needs .* set task.scenes.teacher_classes"),
        (("task.scenes.phrases=null",), "loss near needs .* set task.scenes.phrases"),
        (("task.scenes.training=nowhere",), "task.scenes.training nowhere: is not there"),
        (("task.kind=distil",), "'distil' is unknown; known kinds: .*distill"),
        (("compute.micro_batch_size=2",), "micro_batch_size"),
    ],
)
def test_mistakes_in_a_stage_are_told(work, head_run, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        trainer.train(frames(work, head_run, tmp_path / "a.yaml"), tmp_path / "run", changes)


def test_the_teachers_head_learns_the_labels(head_run):
    log = read_log(head_run)
    assert np.mean([entry["clips_loss"] for entry in log[-5:]]) < 0.95 * log[0]["clips_loss"]
    assert {name.split(".")[0] for name in read_beside_model(head_run / "final")} == {"teacher_head"}


def test_text_pretraining_brings_phrases_of_one_sound_together(text_run):
    log = read_log(text_run)
    assert log[-1]["phrase_loss"] < log[0]["phrase_loss"] / 2
    groups = [("dog bark", "barking dog"), ("rain", "the sound of rain"), ("siren", "a siren wails")]
    model = load_checkpoint(text_run / "final").model
    with torch.no_grad():
        features = model.embed_text([text for group in groups for text in group]).text_features
    cosines = features @ features.T
    assert min(cosines[0, 1], cosines[4, 5]) > max(cosines[0, 4], cosines[1, 5])


def test_a_new_text_tower_says_what_an_earlier_model_says(work, text_run, tmp_path):
    recipe = yaml.safe_load((work / "text.yaml").read_text())
    recipe["task"]["earlier"] = str(text_run / "final")
    recipe["losses"] = {"pair": 1.0, "phrase": 1.0, "copy": 2.0}
    recipe["optim"]["steps"], recipe["seed"] = 120, 7
    trainer.train(stage(work, tmp_path / "text.yaml", **recipe), tmp_path / "run")
    earlier, now = (load_checkpoint(run / "final").model for run in (text_run, tmp_path / "run"))
    with torch.no_grad():
        expected = earlier.embed_text(LABELS)
        for texts in (LABELS, ["barking dog", "the sound of rain", "a siren wails"]):
            said = now.embed_text(texts)
            assert ((said.text_features * expected.text_features).sum(dim=1) > 0.95).all()
            assert torch.allclose(said.logit_scale, expected.logit_scale, rtol=0.2)
            assert torch.allclose(said.logit_bias, expected.logit_bias, atol=0.5)


def twenty_steps(work, tmp_path, monkeypatch):
    """The losses of 8 and 12 steps of two stages, from a head of random weights."""
    copying = {"distill": 1.0, "tag": 1.0, "joint": 1.0, "class": 1.0, "clip": 1.0}
    all_losses = {"distill": 1.0, "tag": 0.5, "joint": 1.0, "class": 0.5, "clip": 1.0, "event": 1.0, "near": 1.0}
    all_losses |= {"frame": 20.0, "prior": 1.0, "text_pull": 1.0}
    stages = [
        {"name": "distil", "steps": 8, "lr": 3e-3, "losses": copying, "text_lr_share": 0.0},
        {"name": "frames", "steps": 12, "lr": 3e-3, "losses": all_losses, "text_lr_share": 0.1},
    ]
    start = {"tokenizer": str(work / "tokenizer.json")}
    recipe = load_recipe(frames(work, tmp_path, tmp_path / "frames.yaml", stages=stages, start=start))
    torch.manual_seed(5)
    head = TeacherHead(2, 16, 8, 0.3).state_dict()
    task = DistillTask(starting_model(recipe), recipe, head)
    task._scenes.phrase_sets = PHRASES
    seen, whole = [], trainer.accumulate_gradients

    def spy(*arguments, **options):
        losses = whole(*arguments, **options)
        seen.append({name: value.item() for name, value in losses.items()})
        return losses

    monkeypatch.setattr(trainer, "accumulate_gradients", spy)
    run = trainer.prepare(recipe, task, tmp_path / "run", World(0, 1, torch.device("cpu")))
    trainer.fit(run, lambda done, total, figures: None)
    return seen


def test_twenty_steps_are_those_of_the_loop_that_was_here_before(work, tmp_path, monkeypatch):
    golden = json.loads((Path(__file__).parent / "twenty_steps.json").read_text())
    seen = twenty_steps(work, tmp_path, monkeypatch)
    assert len(seen) == len(golden) == 20
    for ours, theirs in zip(seen, golden, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("recipe", STAGES, ids=lambda path: path.stem)
def test_a_stage_loads_and_says_how_it_is_run(recipe, monkeypatch):
    monkeypatch.chdir(FOLDER.parents[1])
    assert load_recipe(recipe).wanted
    assert recipe.read_text(encoding="utf-8").startswith(f"# flam train recipes/flam_mini/{recipe.name} -o runs/")


def test_the_data_recipe_loads():
    assert load_yaml(DataRecipe, FOLDER / "data.yaml").pool.recorder
