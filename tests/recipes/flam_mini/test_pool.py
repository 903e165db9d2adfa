"""Pools hold what was rendered; batches, mixtures and losses of a distillation say what their definitions say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from flam.core import ConfigError
from flam.data.phrases import PhraseSet
from flam.data.scene_pool import ScenePool
from flam.data.texts import LabelVariants, class_variants, related_labels
from flam.losses import infonce_loss
from flam.training.augment import warped_bands
from flam.training.mixtures import with_mixtures
from flam.training.objectives.distill import class_loss, event_loss, joint_loss, near_loss
from flam.training.tasks.distill import DistillFeatures, DistillStep
from flam.training.teacher_scenes import make_batch


def step_of(batch, texts, **features):
    fields = {name: features.get(name) for name in DistillFeatures._fields}
    fields["log_temperature_inverse"] = torch.tensor(2.0)
    return DistillStep(DistillFeatures(**fields), batch, torch.empty(0), texts)


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


def test_labels_that_are_withheld_are_neither_right_nor_wrong(sound_labels, clips, pool_folder, tokenizer):
    texts = LabelVariants(sound_labels, clips, {}, tokenizer, withheld={"siren"})
    siren = sound_labels.index("siren")

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


def test_the_near_loss_compares_each_sound_with_its_label_and_its_near_misses(
    sound_labels, pool_folder, label_variants
):
    texts = label_variants
    assert texts.near_misses.ways == [["siren"], ["howling", "wolf howl"]]
    batch = make_batch(ScenePool(pool_folder).take(np.arange(20)), texts, lambda value: value, None)
    generator = torch.Generator().manual_seed(0)
    frames, labels, near = (
        torch.nn.functional.normalize(torch.randn(*shape, 16, generator=generator), dim=-1)
        for shape in ((20, 32), (3,), (2,))
    )
    bark, siren = sound_labels.index("dog bark"), sound_labels.index("siren")
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


def test_a_taggers_classes_are_said_in_all_the_ways_of_the_labels_that_they_name(phrase_sets, tokenizer):
    ways = class_variants(["Dog bark, woof", "Whistle (steam)"], phrase_sets, tokenizer).ways
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
