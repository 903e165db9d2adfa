"""One sound as a clause: "a dog barking" becomes "a dog barks twice", "siren" becomes "a siren is heard"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flam.scenes.captions.english import base_verb, indefinite, is_gerund, is_mass, is_plural, third_person

_ARTICLE_WORDS = "a an the some several many two three four five his her its their someone's"
_SOMEBODY_WORDS = "someone somebody something everyone"
_PREPOSITION_WORDS = """
    of in on at behind with without from near against into under through inside outside across along to for between by
    about over around
"""
_CONJUNCTION_WORDS = "and or while as then before after"
_ADJECTIVE_WORDS = """
    big small little large loud soft heavy light old young long short high low fast slow quick deep distant near far wet
    dry hard gentle strong wild angry happy evil single many female male very cute busy wooden metal electric electronic
    electrical automatic mechanical hydraulic
"""
_PLACE_WORDS = "underwater indoors outdoors inside outside"
_FINITE_WORDS = "falls rumbles blows howls plays crackles flows drips rustles roars whistles breaks hisses"
_OBJECT_FIRST_WORDS = "cleaning washing brushing cutting typing writing chopping sawing"
_ARTICLES, _SOMEBODY = frozenset(_ARTICLE_WORDS.split()), frozenset(_SOMEBODY_WORDS.split())
_PREPOSITIONS, _CONJUNCTIONS = frozenset(_PREPOSITION_WORDS.split()), frozenset(_CONJUNCTION_WORDS.split())
_ADJECTIVES, _PLACES = frozenset(_ADJECTIVE_WORDS.split()), frozenset(_PLACE_WORDS.split())
_FINITE, _OBJECT_FIRST = frozenset(_FINITE_WORDS.split()), frozenset(_OBJECT_FIRST_WORDS.split())
_COUNTS = {2: "twice", 3: "three times", 4: "four times", 5: "five times", 6: "six times"}
_MORE = {1: "again", 2: "twice more", 3: "three times more", 4: "four times more"}


@dataclass(frozen=True)
class Clause:
    """A sound that can be told with a count.

    Parameters
    ----------
    subject : str
        with its article
    action : tuple[str, str]
        finite verb and what follows, split where a count goes
    participle : str
        the same as a phrase after "with": "rain falling"
    """

    subject: str
    action: tuple[str, str]
    participle: str

    def told(self, count: int = 1, again: bool = False) -> str:
        """The clause with how often it happens; ``again`` where it was told before."""
        times = _MORE.get(count, "many times more") if again else _COUNTS.get(count, "many times" if count > 1 else "")
        subject = re.sub(r"^(?:an?|some) ", "the ", self.subject) if again else self.subject
        return " ".join(part for part in (subject, self.action[0], times, self.action[1]) if part)


def clause(phrase: str) -> Clause:
    """The clause of a phrase.

    Parameters
    ----------
    phrase : str
        a label or caption: "dog barking", "a can being opened", "church bells", "rain falls"

    Examples
    --------
    >>> clause("dog barking behind a fence").told(2)
    'a dog barks twice behind a fence'
    >>> clause("a can being opened").told(), clause("church bells").told(3), clause("rain falls").told(again=True)
    ('a can is opened', 'church bells are heard three times', 'rain falls again')
    """
    words = phrase.strip(" .").split()
    words[0] = words[0] if words[0].isupper() and len(words[0]) > 1 else words[0].lower()
    first = next((place for place, word in enumerate(words) if word in _PREPOSITIONS | _CONJUNCTIONS), len(words))
    place = _gerund(words, first)
    if place is not None:
        subject = _with_article(words[:place])
        plural = _is_plural(words[: min(place, first)])
        return Clause(subject, _split(_conjugated(words[place:], plural)), " ".join([subject, *words[place:]]))
    place = _finite_verb(words, first)
    if place is not None:
        subject = " ".join(words[:place])
        return Clause(subject, _split(words[place:]), f"{subject} that {' '.join(words[place:])}")
    subject = _named(words)
    plural = _is_plural(words[: max(first, 1)]) and (not is_gerund(words[0]) or words[-1] in ("noises", "sounds"))
    return Clause(subject, ("are heard" if plural else "is heard", ""), subject)


def _gerund(words: list[str], end: int) -> int | None:
    """Where the -ing form is that the subject before it does; "being" may stand behind a preposition too."""
    passive = next((place for place in range(1, len(words)) if words[place] == "being" and end > 0), None)
    if is_gerund(words[0]) or (len(words) == 2 and words[1] in _OBJECT_FIRST):  # "keyboard typing": no keyboard types
        return passive
    return next((place for place in range(1, end) if is_gerund(words[place]) and _may_act(words[place - 1])), passive)


def _may_act(word: str) -> bool:
    return word not in _ARTICLES | _ADJECTIVES and not is_gerund(word)


def _finite_verb(words: list[str], end: int) -> int | None:
    """After "a" and a noun, a word in -s is a verb; after "rain", one that rain does: wind chimes are none."""
    if words[0] in ("a", "an") or words[0] in _SOMEBODY:
        first = 1 if words[0] in _SOMEBODY else 2
        return next((place for place in range(first, end) if is_plural(words[place]) and "'" not in words[place]), None)
    return 1 if is_mass(words[0]) and end > 1 and words[1] in _FINITE else None


def _conjugated(words: list[str], plural: bool) -> list[str]:
    """The -ing form at the start as a finite verb, and so those that "and" joins to it."""
    told: list[str] = []
    for place, word in enumerate(words):
        joined = place == 0 or (place > 0 and words[place - 1] == "and")
        of_another = place > 1 and words[place - 2] == "and"
        if is_gerund(word) and (joined or of_another):
            is_many = is_plural(words[place - 1]) if of_another and not joined else plural
            verb = base_verb(word)
            told.append(("are" if verb == "be" else verb) if is_many else third_person(verb))
        else:
            told.append(word)
    return told


def _split(words: list[str]) -> tuple[str, str]:
    """Before and after the place of a count, which is before the first preposition that something follows."""
    ends = _PREPOSITIONS | _CONJUNCTIONS - {"and", "or"}
    place = next((place for place in range(1, len(words) - 1) if words[place] in ends), len(words))
    return " ".join(words[:place]), " ".join(words[place:])


def _is_plural(subject: list[str]) -> bool:
    if subject[0] in ("a", "an", *_SOMEBODY):
        return False
    return is_plural(subject[-1]) or "and" in subject


def _named(words: list[str]) -> str:
    """A sound without a verb as the subject of "is heard"."""
    text = " ".join(words)
    if words[0] in ("sound", "sounds"):
        return f"the {text}"
    if words[0].rstrip(",") in _PREPOSITIONS or (words[0] in _PLACES and len(words) == 1):
        return f"the sound {text}"
    return text if is_gerund(words[0]) else _with_article(words)


def _with_article(words: list[str]) -> str:
    text = " ".join(words)
    end = next((place for place, word in enumerate(words) if word in _PREPOSITIONS | _CONJUNCTIONS), len(words))
    head = words[max(end - 1, 0)]
    bare = words[0] in _ARTICLES | _SOMEBODY or is_plural(head) or is_mass(head) or head.endswith("ing")
    return text if bare or "'s" in words[0] else indefinite(text)
