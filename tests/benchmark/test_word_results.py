"""Other words for sounds and near misses, by hand; the shipped paraphrases."""

from pathlib import Path

import numpy as np
import pytest

from flam.benchmark import Item
from flam.benchmark.benchmark import OtherTexts
from flam.benchmark.word_results import near_miss_result, paraphrase_result
from flam.core import ConfigError, Event, FrameScores, TimeGrid
from flam.data.phrases import load_phrases, read_paraphrases

ROOT = Path(__file__).parents[2]
GRID = TimeGrid(48_000, 3_840)
PLACES = {"dog": np.array([1.0, 0.0]), "hound": np.array([0.8, 0.6]), "cat": np.array([0.0, 1.0])}


def scored(texts, prompts_of_events=("dog",), not_judged=()):
    """Two recordings of two frames; a dog in the first half of both, unless other events are given."""
    frames = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]])
    scores = frames @ np.stack([PLACES[text] for text in texts]).T
    items = [
        Item(name, Path(name), 0.16, tuple(Event(0.0, 0.08, p) for p in prompts_of_events), not_judged=frozenset(doubt))
        for name, doubt in (("a", not_judged), ("b", ()))
    ]
    return items, {
        name: FrameScores(rows.astype(np.float32), tuple(texts), GRID, 0, 2 * GRID.hop_samples)
        for name, rows in (("a", scores[:2]), ("b", scores[2:]))
    }


def test_other_words_are_judged_by_the_events_of_their_label():
    texts = OtherTexts({"dog": ("hound",), "cat": ("dog",)})  # no cat sounds, so nothing is said of it
    result = paraphrase_result(*scored(("dog", "hound", "cat")), texts)
    # where it sounds a hound scores 0.8, else 0.6 and 0.96: half of the four pairs are in order
    assert {key: figure.value for key, figure in result.figures.items()} == {
        "label_auroc": 1.0,
        "paraphrase_auroc": 0.5,
    }
    assert result.per_prompt["dog"].value == 0.5
    assert list(result.per_prompt) == ["dog"]
    assert "1 of 2 labels sound here, with 1 other texts" in result.notes


def test_labels_weigh_alike_however_many_words_they_have():
    texts = OtherTexts({"dog": ("hound",), "cat": ("dog", "hound")})
    result = paraphrase_result(*scored(("dog", "hound", "cat"), ("dog", "cat")), texts)
    assert result.per_prompt["cat"].value == pytest.approx((1.0 + 0.5) / 2)
    assert result.figures["paraphrase_auroc"].value == pytest.approx((0.5 + 0.75) / 2)


def test_other_words_are_not_judged_where_their_label_is_not():
    items, scores = scored(("dog", "hound"), not_judged=("dog",))
    items[0] = Item("a", Path("a"), 0.16, (), not_judged=frozenset({"dog"}))
    result = paraphrase_result(items, scores, OtherTexts({"dog": ("hound",)}))
    assert result.figures["paraphrase_auroc"].value == 0.0  # of the second recording alone, 0.8 against 0.96


def test_near_misses_are_counted_by_pair_by_label_and_by_number_of_training_clips():
    items = [Item(name, Path(name), prompt=label) for name, label in (("1", "dog"), ("2", "dog"), ("3", "cat"))]
    heard = np.array([PLACES["dog"]] * 3)  # this system hears a dog in every clip
    texts = OtherTexts({"dog": ("cat", "hound"), "cat": ("dog",)}, {"dog": 7})
    result = near_miss_result(items, heard, PLACES, texts)
    figures = {key: figure.value for key, figure in result.figures.items()}
    assert figures["near_miss_right"] == pytest.approx(4 / 5)
    assert figures["near_miss_right_by_label"] == pytest.approx(1 / 2)
    assert figures["near_miss_right_0_clips"] == 0.0
    assert figures["near_miss_right_5_to_14_clips"] == 1.0
    assert np.isnan(figures["near_miss_right_from_15_clips"])
    assert result.notes == ("5 pairs of 2 labels; by number of training clips: 1, 0, 4, 0",)


def test_a_file_of_other_words_maps_labels_to_texts(tmp_path):
    path = tmp_path / "ways.yaml"
    path.write_text("dog: [hound]\ncat: [dog]\n")
    assert read_paraphrases(path) == {"dog": ("hound",), "cat": ("dog",)}
    for text in ("- dog\n", "dog: hound\n", "dog: []\n", "dog: [1]\n", "1: [dog]\n"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="map each label"):
            read_paraphrases(path)


@pytest.mark.parametrize("name", ["paraphrases.yaml", "more_paraphrases.yaml"])
@pytest.mark.slow
def test_the_shipped_paraphrases_are_in_no_phrase_set(name):
    known = {
        text.lower()
        for phrases in load_phrases(ROOT / "configs" / "phrases").values()
        for text in (phrases.label, *phrases.phrases, *phrases.parents)
    }
    ways = read_paraphrases(ROOT / "configs" / "paraphrases" / name)
    assert len(ways) == 50
    assert not known & {text.lower() for texts in ways.values() for text in texts}
