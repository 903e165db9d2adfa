"""Labels against every text, beside a slow and obvious account of what is true."""

import numpy as np
import pytest
import torch

from flam.core import TimeGrid
from flam.data.clip import Sound
from flam.data.labels import PADDING_ID, LabelTexts, choose_texts, label_frames, normalised, text_id
from flam.data.phrases import PhraseSet
from flam.losses import dense_labels

SETS = {
    "dog bark": PhraseSet("dog bark", ("barking dog", "woof"), (), ("dog",)),
    "dog": PhraseSet("dog", ("a hound",), (), ("animal",)),
    "siren": PhraseSet("siren", ("alarm",), ("dog",), ()),
    "rain": PhraseSet("rain", ("raining",), (), ("weather",)),
}
CAPTIONS = {"siren": {"a fire engine", "police car"}, "glass": {"a glass breaks"}}
GRID, N_FRAMES = TimeGrid(100, 10), 20
TEXTS = LabelTexts(SETS, CAPTIONS)


def sound(label, *texts, spans_s=((0.0, 1.0),)):
    return Sound(label, texts, spans_s)


def is_true(text, of):
    said = {of.label, *of.texts, *(SETS[of.label].phrases if of.label in SETS else ())}
    return normalised(text) in {normalised(way) for way in said}


def is_unsure(text, of):
    """Broader and narrower labels with their phrases, written out by hand for the sets above; captions of the label."""
    kin = {
        "dog bark": {"dog", "a hound", "animal"},
        "dog": {"dog bark", "barking dog", "woof", "animal"},
        "rain": {"weather"},
    }
    return text in kin.get(of.label, set()) | CAPTIONS.get(of.label, set()) and not is_true(text, of)


def covered(frame, spans_s):
    """At least half of the frame lies in a span; or the span is too short for that and lies in it most."""
    start, end, half = frame * 0.1, (frame + 1) * 0.1, 0.05
    overlap = [max(0.0, min(end, offset_s) - max(start, onset_s)) for onset_s, offset_s in spans_s]
    return any(part >= half - 1e-9 for part in overlap)


def random_clips(rng, n_clips):
    labels = [*SETS, "glass", "Thunder"]
    clips = []
    for _ in range(n_clips):
        sounds = []
        for _ in range(rng.integers(0, 5)):
            spans_s = []
            for _ in range(rng.integers(1, 4)):
                onset_s = float(rng.uniform(0, 1.8))
                spans_s.append((onset_s, onset_s + float(rng.uniform(0.11, 0.9))))  # each covers half of some frame
            label = labels[rng.integers(len(labels))]
            captions = [*sorted(CAPTIONS.get(label, ())), "it rains"]
            sounds.append(sound(label, captions[rng.integers(len(captions))], spans_s=tuple(spans_s)))
        clips.append(None if rng.random() < 0.1 else sounds)
    return clips


def test_labels_equal_the_obvious_account():
    texts = sorted(
        {text for s in SETS.values() for text in (s.label, *s.phrases, *s.parents)}
        | {text for captions in CAPTIONS.values() for text in captions}
        | {"glass", "thunder", "it rains", "never said"}
    )
    ids = torch.tensor([text_id(text) for text in texts])
    for seed in range(10):
        clips = random_clips(np.random.default_rng(seed), 6)
        labels = label_frames(clips, TEXTS, GRID, N_FRAMES)
        active, unsure = dense_labels(labels, ids, N_FRAMES)
        assert labels.clip_valid.tolist() == [clip is not None for clip in clips]
        for row, clip in enumerate(clips):
            for column, text in enumerate(texts):
                fitting = [s for s in clip or () if is_true(text, s)]
                expected = [any(covered(frame, s.spans_s) for s in fitting) for frame in range(N_FRAMES)]
                assert active[row, :, column].tolist() == expected, (clip, text)
                doubtful = not fitting and any(is_unsure(text, s) for s in clip or ())
                assert bool(unsure[row, column]) == doubtful, (clip, text)


def test_a_text_of_another_clip_gets_the_true_label():
    clips = [[sound("dog bark")], [sound("siren", spans_s=((0.0, 0.3),)), sound("dog bark", spans_s=((1.0, 2.0),))]]
    rngs = [np.random.default_rng(seed) for seed in (0, 1)]
    texts, ids = choose_texts([clips[0], []], TEXTS, 5, rngs)
    active, _ = dense_labels(label_frames(clips, TEXTS, GRID, N_FRAMES), ids[:1], N_FRAMES)
    assert is_true(texts[0], clips[0][0])
    assert active[1, :, 0].tolist() == [False] * 10 + [True] * 10


def test_clips_without_sounds_have_labels_too():
    labels = label_frames([[], None], TEXTS, GRID, N_FRAMES)
    assert labels.active.shape == (0, N_FRAMES)
    assert labels.clip_valid.tolist() == [True, False]


def test_texts_fill_the_slots_clip_by_clip():
    many = [sound(label) for label in ("a", "b", "c", "d", "e", "f", "g")]
    clips = [many, None, [sound("A"), sound("z")]]
    rngs = [np.random.default_rng(seed) for seed in range(3)]
    texts, ids = choose_texts(clips, LabelTexts({}, {}), 5, rngs)
    assert len(texts) == len(ids) == 15
    assert len(set(texts[:5])) == 5
    assert set(texts[:5]) <= set("abcdefg")
    expected_new = {"z"} if "a" in texts[:5] else {"A", "z"}
    n_used = 5 + len(expected_new)
    assert set(texts[5:n_used]) == expected_new
    assert texts[n_used:] == [""] * (15 - n_used)
    assert ids.tolist() == [text_id(text) for text in texts]
    assert ids[n_used:].eq(PADDING_ID).all()


def test_what_is_drawn_for_a_clip_does_not_depend_on_the_others():
    clips = random_clips(np.random.default_rng(5), 6)

    def chosen(rows):
        rngs = [np.random.default_rng(row) for row in rows]
        return set(choose_texts([clips[row] for row in rows], TEXTS, 2, rngs)[0]) - {""}

    assert chosen(range(6)) == chosen(range(3)) | chosen(range(3, 6))


def test_every_way_to_say_a_sound_is_drawn_and_its_name_most_often():
    rng = np.random.default_rng(0)
    drawn = [TEXTS.draw(sound("siren", "a fire engine"), rng) for _ in range(3000)]
    share = {text: drawn.count(text) / 3000 for text in set(drawn)}
    assert share == pytest.approx({"siren": 0.5, "alarm": 0.25, "a fire engine": 0.25}, abs=0.04)


def test_a_phrase_used_as_a_label_has_the_phrases_of_its_set():
    assert TEXTS.true_texts(sound("Woof")) == ("Woof", "dog bark", "barking dog")
    assert text_id("animal") in TEXTS.unsure_ids(sound("woof"))


def test_ids_ignore_case_and_spaces_and_nothing_else():
    assert text_id("A dog\tbarks ") == text_id("a  dog barks") != text_id("a dog, barks")
    assert text_id("a dog barks") == 5_070_216_098_622_259_608  # the same on every machine, for ever
    assert text_id("") == text_id(" \n") == PADDING_ID
