"""The shipped phrase files hold together, and the loader refuses files that do not."""

from pathlib import Path

import pytest

from flam.core import ConfigError
from flam.data.phrases import MAX_PHRASE_WORDS, PhraseSet, ancestors, load_phrases
from flam.procedural import GENERATORS

SHIPPED = Path(__file__).parents[2] / "configs" / "phrases"
GONG = "gong: {phrases: [gong hit], near: [bell], parents: [percussion]}\n"
BELL = "bell: {phrases: [ding dong], near: [gong], parents: []}\n"


@pytest.fixture(scope="module")
def shipped() -> dict[str, PhraseSet]:
    return load_phrases(SHIPPED)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_shipped_phrases_cover_the_everyday_sounds(shipped):
    assert len(shipped) >= 850
    assert sum(len(phrase_set.phrases) for phrase_set in shipped.values()) >= 6000
    for label in ("speech", "footsteps", "cough", "baby cry", "dog bark", "gunshot", "rain", "siren", "piano"):
        assert len(shipped[label].phrases) >= 10


def test_every_built_in_sound_has_a_phrase_set(shipped):
    assert GENERATORS.keys() <= shipped.keys()


def test_shipped_phrases_can_be_told_apart(shipped):
    """No text of a near miss is a text of the label or of anything broader than it."""
    for label, phrase_set in shipped.items():
        correct = {text.casefold() for text in (label, *phrase_set.phrases, *ancestors(shipped, label))}
        for near in phrase_set.near_misses:
            assert not correct & {text.casefold() for text in (near, *shipped[near].phrases)}, (label, near)


def test_shipped_phrases_are_as_typed_by_people(shipped):
    for phrase_set in shipped.values():
        assert phrase_set.near_misses, phrase_set.label
        for phrase in phrase_set.phrases:
            assert phrase == " ".join(phrase.split())
            assert 1 <= len(phrase.split()) <= MAX_PHRASE_WORDS


def test_files_are_merged_in_order(tmp_path):
    sets = load_phrases(write(tmp_path, b=GONG, a=BELL))
    assert list(sets) == ["bell", "gong"]
    assert sets["gong"] == PhraseSet("gong", ("gong hit",), ("bell",), ("percussion",))


def test_a_label_may_share_a_text_with_its_parent(tmp_path):
    child = "church bell: {phrases: [ding dong], near: [gong], parents: [bell]}\n"
    assert set(load_phrases(write(tmp_path, a=GONG + BELL + child))) == {"gong", "bell", "church bell"}


def test_ancestors_climb_to_the_top_and_survive_a_loop():
    sets = {
        "duck": PhraseSet("duck", (), (), ("ducks",)),
        "ducks": PhraseSet("ducks", (), (), ("duck", "bird")),
    }
    assert ancestors(sets, "duck") == {"ducks", "duck", "bird"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GONG, "near miss 'bell' is not a label"),
        (GONG + BELL + GONG, "key 'gong' appears twice"),
        ("gong: {phrases: [a], phrases: [b], near: [], parents: []}", "key 'phrases' appears twice"),
        ("gong: {phrases: [a], nears: [], parents: []}", "unknown key 'nears'"),
        ("gong: {phrases: [a], near: []}", "missing key 'parents'"),
        ("gong: {phrases: [], near: [], parents: []}", "has no phrases"),
        ("gong: {phrases: [no], near: [], parents: []}", "False is not of type str"),
        ("no: {phrases: [a], near: [], parents: []}", "label False is not text"),
        ("gong: {phrases: [Gong], near: [], parents: []}", "repeats the label"),
        ("gong: {phrases: [hit, Hit], near: [], parents: []}", "repeats the label or another phrase"),
        ("gong: {phrases: [a b c d e f g h i j k l m n], near: [], parents: []}", "has 14 words"),
        ("gong: {phrases: [''], near: [], parents: []}", "has 0 words"),
        ("gong: {phrases: [a], near: [], parents: [gong]}", "its own parent"),
        (GONG + BELL.replace("ding dong", "Gong Hit"), "'gong hit' is also a text of 'gong'"),
        (GONG + BELL.replace("parents: []", "parents: [gong]"), "is broader or narrower"),
        (GONG + BELL.replace("parents: []", "parents: [gong hit]"), "is a phrase of 'gong'"),
        ("- gong", "does not hold a mapping"),
        ("gong: [", "can't be read as YAML"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path, text, message):
    with pytest.raises(ConfigError) as caught:
        load_phrases(write(tmp_path, a=text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_near_miss_may_not_share_a_text_through_a_common_parent(tmp_path):
    top = (
        "fire: {phrases: [flames], near: [rain], parents: []}\nrain: {phrases: [drizzle], near: [fire], parents: []}\n"
    )
    campfire = "campfire: {phrases: [flames], near: [rain], parents: [fire]}\n"
    torch = "torch: {phrases: [burning torch], near: [campfire], parents: [fire]}\n"
    with pytest.raises(ConfigError, match="torch: near miss 'campfire' shares the text 'flames'"):
        load_phrases(write(tmp_path, a=top + campfire + torch))


def test_a_label_in_two_files_names_both(tmp_path):
    with pytest.raises(ConfigError, match=r"b\.yaml: label 'gong' is already in .*a\.yaml"):
        load_phrases(write(tmp_path, a=GONG + BELL, b=GONG))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no"):
        load_phrases(tmp_path)
