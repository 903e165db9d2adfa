"""A little English grammar: enough to turn "a dog barking" into "a dog barks", and to know what takes an article."""

from __future__ import annotations

import re

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
