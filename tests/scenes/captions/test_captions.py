"""Captions: by rule, and scenes told from their events."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from flam.core import ConfigError, Event
from flam.library.gather import plain_words
from flam.library.source_library import SourceClip
from flam.scenes.captions.answers import caption_problem, tidied
from flam.scenes.captions.clips import rule_caption
from flam.scenes.captions.english import base_verb, clause, is_gerund, third_person
from flam.scenes.captions.mixture import label_phrases, missing_sound, mixture_caption

PHRASES = {
    "dog bark": "a dog barking",
    "glass": "glass breaking",
    "rain": "rain falling",
    "siren": "a siren wailing",
    "bells": "church bells ringing",
    "can": "a can being opened",
    "crowd": "a crowd",
}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("DogBark_03-final (48kHz).wav", "dog bark"),
        ("freesound_123456__someone__rain-on-roof", "someone rain on roof"),
        ("2-118072-A-0", ""),
        ("20210304_a3f9c2", ""),
        ("footstep07 mp3", "footstep"),
        ("hi-hat open 01", "hi hat open"),
        ("Türknarren 2.flac", "türknarren"),
    ],
)
def test_words_of_file_names(name, words):
    assert plain_words(name) == words


@pytest.mark.parametrize(
    ("clip_id", "label", "about", "caption"),
    [
        ("esc/1-100-A-3", "dog bark", "", "dog bark"),
        ("a/AmbulanceSiren_x7f3", "siren", "", "ambulance siren"),
        ("a/x7f3", "siren", "", "the sound of a siren"),
        ("a/dog_bark_02", "dogs", "", "dog bark"),
        ("a/glass_door", "wind", "", "the sound of wind"),
        ("a/x7f3", "footsteps", "", "the sound of footsteps"),
        ("a/x7f3", "hammering", "", "the sound of hammering"),
        ("a/dog_bark", "", "Two dogs in a yard; dog; yard", "Two dogs in a yard"),
        ("a/dog_bark", "", "See http://example.org/dog_bark.wav", "dog bark"),
        ("a/dog_bark", "", " ".join(["word"] * 30), "dog bark"),
        ("a/0001", "", "", None),
    ],
)
def test_captions_by_rule(clip_id, label, about, caption):
    assert rule_caption(clip_id, label, about) == caption


def test_every_caption_by_rule_is_a_caption():
    rng = random.Random(0)
    pieces = ["dog", "Bark", "_", "-", "03", "48kHz", ".wav", " ", "rain", "in", "Tokyo2", "ü", "x", "(", "take"]
    for _ in range(2000):
        texts = ["".join(rng.choices(pieces, k=rng.randrange(12))) for _ in range(3)]
        caption = rule_caption(*texts)
        assert caption is None or caption_problem(caption) is None


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("thunder", "1 word"),
        (" ".join(["dog"] * 14), "14 words"),
        ("dog_bark_01.wav", "'_'"),
        ("bark 01.wav", "'.'"),
        ("a dog barking 3 times", "'3'"),
        ("sound a3f9c2b1 heard", "a3f9c2b1"),
        ("Sure, here is a caption", "Sure"),
        ("I'm sorry, I can't hear it", "I'm sorry"),
        ("a dog: barking", "':'"),
        ("a dog barking\u200b", "u200b"),
        ("a " + "r" * 30, "no word"),
    ],
)
def test_what_is_no_caption(answer, word):
    assert word in caption_problem(answer)


def test_answers_are_tidied():
    assert tidied('"A dog barking."') == "A dog barking"
    assert tidied("Caption: **rain falling**\n") == "rain falling"
    assert tidied("<think>\nlet me see\n</think>\n\nrain falling") == "rain falling"


def test_verbs_and_their_third_person():
    told = {
        "barking": "barks",
        "dripping": "drips",
        "rattling": "rattles",
        "closing": "closes",
        "passing": "passes",
        "crying": "cries",
        "flying": "flies",
        "buzzing": "buzzes",
        "sneezing": "sneezes",
        "rolling": "rolls",
        "pedalling": "pedals",
        "operating": "operates",
        "eating": "eats",
        "opening": "opens",
        "typing": "types",
        "whirring": "whirs",
        "squeezing": "squeezes",
        "mooing": "moos",
        "exploding": "explodes",
        "breathing": "breathes",
        "sawing": "saws",
        "being": "is",
    }
    assert {word: third_person(base_verb(word)) for word in told} == told
    assert not any(is_gerund(word) for word in ("string", "ring", "ceiling", "morning", "dog"))


@pytest.mark.parametrize(
    ("phrase", "told"),
    [
        ("a dog barking", "a dog barks twice"),
        ("dog barking", "a dog barks twice"),
        ("birds chirping at night", "birds chirp twice at night"),
        ("a pig grunting and squealing", "a pig grunts and squeals twice"),
        ("a hand saw cutting wood", "a hand saw cuts wood twice"),
        ("a box of nails being shaken", "a box of nails is shaken twice"),
        ("footsteps of a person walking", "footsteps of a person walking are heard twice"),
        ("typing on a keyboard", "typing on a keyboard is heard twice"),
        ("keyboard typing", "keyboard typing is heard twice"),
        ("wind chimes", "wind chimes are heard twice"),
        ("thunder rumbles", "thunder rumbles twice"),
        ("a glass falls to the floor", "a glass falls twice to the floor"),
        ("inside a train", "the sound inside a train is heard twice"),
        ("an automatic bagging machine", "an automatic bagging machine is heard twice"),
        ("An old engine.", "an old engine is heard twice"),
    ],
)
def test_a_sound_with_its_count(phrase, told):
    assert clause(phrase).told(2) == told


def at(*spans, label="dog bark"):
    return [Event(onset_s, offset_s, label) for onset_s, offset_s in spans]


@pytest.mark.parametrize(
    ("events", "background", "told"),
    [
        (at((1, 2), (4, 5)), "rain", "a dog barks twice while rain falls"),
        (at((1, 2)), "crowd", "a dog barks with a crowd in the background"),
        (at((1, 2)), None, "a dog barks"),
        ([], "rain", "rain falls"),
        (at((1, 2), (2.2, 3)), None, "a dog barks"),  # a gap of 0.2 s: one occurrence
        ([*at((5, 6)), *at((1, 2), label="glass")], None, "glass breaks, then a dog barks"),
        ([*at((0, 9), label="siren"), *at((2, 3), (5, 6))], None, "a siren wails while a dog barks twice"),
        (
            [*at((1, 2), (7, 8)), *at((4, 5), label="glass")],
            "rain",
            "a dog barks, then glass breaks, then the dog barks again, with rain falling in the background",
        ),
        (
            [*at((1, 2)), *at((3, 4), label="glass"), *at((5, 6), label="can"), *at((8, 9), label="bells")],
            None,
            "a dog barks, then glass breaks, then a can is opened, and finally church bells ring",
        ),
        (
            [*at((0, 1), (2, 3), (4, 5)), *at((1.2, 1.8), (3.2, 3.8), label="glass")],
            None,
            "a dog barks three times while glass breaks twice",
        ),
        (at((1, 2), (4, 5), label="never described"), None, "a never described is heard twice"),
    ],
)
def test_scenes_are_told_with_counts_and_order(events, background, told):
    assert mixture_caption(events, background, PHRASES) == told


def test_a_scene_names_every_sound_and_does_not_depend_on_the_order_of_the_list():
    rng = random.Random(0)
    for _ in range(300):
        labels = rng.sample(sorted(PHRASES), rng.randrange(1, 6))
        events = []
        for label in labels:
            for _ in range(rng.randrange(1, 4)):
                onset_s = rng.uniform(0, 9)
                events.append(Event(onset_s, onset_s + rng.uniform(0.1, 3), label))
        background = rng.choice([None, "rain"])
        text = mixture_caption(events, background, PHRASES)
        wanted = [PHRASES[label] for label in labels] + ([PHRASES["rain"]] if background else [])
        assert missing_sound(text, wanted) is None
        rng.shuffle(events)
        assert mixture_caption(events, background, PHRASES) == text


def test_a_scene_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="no caption"):
        mixture_caption([])


def test_phrases_of_labels_are_their_commonest_captions():
    clip = SourceClip("1", Path("1"), "dog", "a dog barking", "event", "", "", "", "")
    clips = [clip, replace(clip, clip_id="2"), replace(clip, clip_id="3", caption="woof"), replace(clip, label="")]
    assert label_phrases([*clips, replace(clip, label="cat", caption="")]) == {"dog": "a dog barking"}
