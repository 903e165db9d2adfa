"""English for captions: grammar enough to turn "a dog barking" into "a dog barks twice"."""

from __future__ import annotations

import re
from dataclasses import dataclass

_IRREGULAR_VERBS = """
    being be, dying die, lying lie, tying tie, adding add, purring purr, inhaling inhale, exhaling exhale,
    breathing breathe, bathing bathe, soothing soothe, sheathing sheathe, unsheathing unsheathe, changing change,
    plunging plunge, lunging lunge, exploring explore, igniting ignite, reciting recite, exciting excite,
    competing compete, escaping escape, cascading cascade, waltzing waltz, focusing focus, murmuring murmur,
    controlling control, propelling propel, baaing baa, whizzing whiz, hiccuping hiccup, rewriting rewrite,
    creating create, repeating repeat, monitoring monitor, dialling dial, refilling refill
"""
_NOT_VERBS = """
    awning bling boing bowstring building casing ceiling clothing crossing ding during evening everything gatling
    hatchling herring king lightning morning nothing ping plaything railing ring shing sling something spring sting
    string swing thing ting wedding wing
"""
_PLURALS = "people children men women cattle police geese mice feet teeth oxen hooves fish deer dice"
_SINGULARS_IN_S = "bus gas lens chess tennis news bagpipes"
_MASS = """
    thunder wind rain speech music laughter applause traffic water noise static ambience ambiance surf hail snow ice
    fire steam smoke sand mud lava glass metal wood paper cloth fabric plastic gravel chatter machinery gunfire silence
    weather air oil gas conversation leather chalk food slime liquid electricity artillery cutlery foliage grass dust
    debris hair armor armour birdsong nature radio breath fur rubble popcorn silverware pottery underwater
"""

_IRREGULAR = dict(pair.split() for pair in _IRREGULAR_VERBS.split(","))
_NO_GERUND, _PLURAL = frozenset(_NOT_VERBS.split()), frozenset(_PLURALS.split())
_SINGULAR, _NO_ARTICLE = frozenset(_SINGULARS_IN_S.split()), frozenset(_MASS.split())
_VOWELS = "aeiou"
_SOUNDS_LIKE_YOU = ("uni", "use", "usual", "eu", "one", "uku", "ute")
_SILENT_H = ("hour", "honest", "honour", "heir")

# Stems to which -ing was added in place of an e: "rumbl", "clos", "driv"; then those of several syllables, "explod".
_LOST_E = re.compile(r"([vcu]|[^z]z|[^s]s|[dlr]g|[bcdfgkptz]l)$")
_LOST_E_AFTER_TWO_VOWELS = re.compile(r"[^aeiou]([aio]d|in|[auio]r|ag|at)$|(i|e)at$|[^o]or$")
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


def is_gerund(word: str) -> bool:
    """Whether a word is the -ing form of a verb.

    Examples
    --------
    >>> is_gerund("barking"), is_gerund("string")
    (True, False)
    """
    return word.endswith("ing") and len(word) > 4 and word not in _NO_GERUND


def base_verb(gerund: str) -> str:
    """The verb of an -ing form.

    Examples
    --------
    >>> [base_verb(w) for w in ("barking", "dripping", "rumbling", "closing", "firing", "hissing", "exploding")]
    ['bark', 'drip', 'rumble', 'close', 'fire', 'hiss', 'explode']
    """
    if gerund in _IRREGULAR:
        return _IRREGULAR[gerund]
    stem = gerund.removesuffix("ing")
    n_syllables = len(re.findall(r"[aeiouy]+", stem[1:] if stem.startswith("y") else stem))
    if len(stem) > 2 and stem[-1] == stem[-2]:
        keeps_both = stem[-1] in "szfeo" or (stem[-1] == "l" and n_syllables == 1)
        return stem if keeps_both else stem[:-1]
    if _LOST_E.search(stem) or (n_syllables > 1 and _LOST_E_AFTER_TWO_VOWELS.search(stem)):
        return f"{stem}e"
    # a short vowel before one consonant would have doubled it: "scrap" + ing is scrapping, "scrape" + ing scraping
    if n_syllables == 1 and re.search(r"(^|[^aeiou]|qu)[aeiouy][^aeiouwxy]$", stem):
        return f"{stem}e"
    return stem


def third_person(verb: str) -> str:
    """How a single subject does it.

    Examples
    --------
    >>> [third_person(verb) for verb in ("bark", "hiss", "be", "cry", "play", "go", "have")]
    ['barks', 'hisses', 'is', 'cries', 'plays', 'goes', 'has']
    """
    if verb in ("be", "have"):
        return {"be": "is", "have": "has"}[verb]
    if verb.endswith("z") and not verb.endswith("zz"):
        return f"{verb}zes" if verb != "waltz" else "waltzes"
    if verb.endswith(("s", "x", "z", "ch", "sh", "o")) and not verb.endswith("oo"):
        return f"{verb}es"
    if verb.endswith("y") and verb[-2] not in _VOWELS:
        return f"{verb[:-1]}ies"
    return f"{verb}s"


def is_plural(noun: str) -> bool:
    """Whether a noun that has no article before it is a plural.

    Examples
    --------
    >>> is_plural("footsteps"), is_plural("people"), is_plural("glass"), is_plural("thunder")
    (True, True, False, False)
    """
    if noun in _PLURAL:
        return True
    return noun.endswith("s") and not noun.endswith(("ss", "us", "is")) and noun not in _SINGULAR | _NO_ARTICLE


def is_mass(noun: str) -> bool:
    """Whether a noun takes no "a": thunder, rain, music.

    Examples
    --------
    >>> is_mass("thunder"), is_mass("dog")
    (True, False)
    """
    return noun in _NO_ARTICLE


def indefinite(words: str) -> str:
    """The words with "a" or "an" before them.

    Examples
    --------
    >>> [indefinite(words) for words in ("dog bark", "engine", "hour bell", "ukulele")]
    ['a dog bark', 'an engine', 'an hour bell', 'a ukulele']
    """
    low = words.lower()
    vowel = low.startswith(tuple(_VOWELS)) and not low.startswith(_SOUNDS_LIKE_YOU)
    return f"{'an' if vowel or low.startswith(_SILENT_H) else 'a'} {words}"


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
