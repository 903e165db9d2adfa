"""Pairs of texts that mean the same, and texts made harder, for a text tower that has not met a sound yet."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

from flam.core import ConfigError, read_text

# of places, people, manners and recordings
_FILLERS = (
    "in the background|in the distance|nearby|far away|outside|inside|outdoors|indoors|at night|in the morning|"
    "in a room|in a house|in the kitchen|in a shop|in a garage|in a large hall|in the street|in the city|in the garden|"
    "in a park|in a field|in the woods|on a hill|on the road|by the river|at the coast|at home|next door|from above|"
    "behind a wall|through a window|somewhere|here|there|on the left|"
    "somebody|someone|a man|a woman|a child|people|two people|his|her|it|he|she|they|"
    "loudly|softly|quietly|slowly|quickly|suddenly|again and again|repeatedly|several times|once|twice|for a while|"
    "then stops|starts|begins|goes on|happens|passes by|comes closer|and goes|is heard|can be heard|we hear|muffled|"
    "clear|with echo|with reverb|big|small|little|old|new|very|loud|quiet|soft|heavy|light|short|long|single|many|some|"
    "a lot of|one|three|various|continuous|constant|intermittent|low|high|deep|"
    "recording of|sound of|the noise of|sounds like|close up|high quality|stereo|field recording|sound effect|recorded|"
    "is|are|being|was|with|and|of|the|a|an"
)
FILLERS = tuple(_FILLERS.split("|"))


def reworded(text: str, rng: np.random.Generator, drop_share: float = 0.1, filled_share: float = 0.3) -> str:
    """A text, its words left out at ``drop_share`` but never all, and at ``filled_share`` one or two fillers more.

    The tower does not see the order of words, so fillers go to the end.

    Examples
    --------
    >>> reworded("a dog barks", np.random.default_rng(0), drop_share=0.0, filled_share=1.0)
    'a dog barks low'
    """
    words = text.split()
    kept = [word for word in words if rng.random() >= drop_share] or words
    if rng.random() < filled_share:
        kept += [str(filler) for filler in rng.choice(FILLERS, size=rng.integers(1, 3))]
    return " ".join(kept)


def read_pairs(path: str | Path) -> list[tuple[str, str]]:
    """Pairs of texts from a tab-separated file, gzipped or not: the first two columns of each line.

    Raises
    ------
    ConfigError
        the file can't be read or a line has fewer than two columns
    """
    opener = gzip.open if str(path).endswith(".gz") else open
    pairs = []
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                columns = line.rstrip("\n").split("\t")
                if len(columns) < 2:
                    raise ConfigError(f"{path}, line {number}: {line!r} has no second column")
                pairs.append((columns[0], columns[1]))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as pairs of texts ({error})") from error
    return pairs


def ontology_pairs(path: str | Path) -> list[tuple[str, str]]:
    """Pairs from an ontology in the form of AudioSet's JSON: name and description, name and its parts, kind and parent.

    Raises
    ------
    ConfigError
        the file can't be read or lacks a key
    """
    try:
        kinds = {kind["id"]: kind for kind in json.loads(read_text(path, ConfigError))}
        pairs = []
        for kind in kinds.values():
            name = _plain(kind["name"])
            pairs += [(name, sentence.strip(" .")[:200]) for sentence in kind["description"].split(". ")]
            first, *others = (part.strip() for part in name.split(","))
            pairs += [pair for other in others for pair in ((first, other), (name, other))]
            if "abstract" not in kind["restrictions"]:
                pairs += [(_plain(kinds[child]["name"]), name) for child in kind["child_ids"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not an ontology like AudioSet's: {type(error).__name__} {error}") from error
    return [pair for pair in pairs if all(pair)]


def _plain(name: str) -> str:
    return name.replace("(", "").replace(")", "").lower()
