"""Texts made harder while the text tower learns: words go missing, and words that say nothing of the sound come in."""

from __future__ import annotations

import numpy as np

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

    >>> reworded("a dog barks", np.random.default_rng(0), drop_share=0.0, filled_share=1.0)
    'a dog barks low'
    """
    words = text.split()
    kept = [word for word in words if rng.random() >= drop_share] or words
    if rng.random() < filled_share:
        kept += [str(filler) for filler in rng.choice(FILLERS, size=rng.integers(1, 3))]
    return " ".join(kept)
