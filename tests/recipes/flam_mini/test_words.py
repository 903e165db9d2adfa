"""Word pieces without endings, and texts made harder."""

import numpy as np
import pytest
from tokenizers import Tokenizer

from flam.data.texts import FILLERS, reworded
from recipes.flam_mini.word_pieces import train_tokenizer


@pytest.mark.parametrize(
    "forms",
    [
        "bark barks barking barked",
        "hiss hisses hissing hissed",
        "drip drips dripping dripped",
        "whistle whistles whistling whistled",
        "fly flies flying",
        "dog dogs dog's",
        "bake bakes baking baked",
        "bell bells",
        "glass glasses",
    ],
)
def test_all_forms_of_a_word_are_one_piece(forms, tmp_path):
    tokenizer = train_tokenizer([forms], 100)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    for each in (tokenizer, Tokenizer.from_file(str(tmp_path / "tokenizer.json"))):
        first, *others = (each.encode(form).tokens for form in forms.split())
        assert len(first) == 1
        assert all(other == first for other in others)


@pytest.mark.parametrize("pair", ["bus bush", "sing sink", "bee beet", "red reed", "egg eagle", "ring ringtone"])
def test_short_and_different_words_stay_apart(pair):
    tokenizer = train_tokenizer([pair], 100)
    first, second = (tokenizer.encode(word).tokens for word in pair.split())
    assert first != second
    assert "[UNK]" not in first + second


def test_rewording_drops_some_words_and_adds_fillers_but_never_drops_all():
    rng = np.random.default_rng(0)
    texts = [reworded("a dog barks", rng, drop_share=0.5, filled_share=0.5) for _ in range(400)]
    kept = [set(text.split()) & {"dog", "barks"} for text in texts]
    assert {len(words) for words in kept} == {0, 1, 2}
    assert all(texts)
    filled = [text for text in texts if any(text.endswith(f" {filler}") for filler in FILLERS)]
    assert 100 < len(filled) < 300
    assert reworded("rain", rng, drop_share=1.0, filled_share=0.0) == "rain"
