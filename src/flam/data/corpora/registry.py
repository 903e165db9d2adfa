"""The corpora by name."""

from __future__ import annotations

from flam.data.corpora import (
    asfx_sed,
    audiocaps,
    audioset_strong,
    auto_acd,
    clotho,
    desed,
    esc50,
    freesound,
    fsd50k,
    maestro_real,
    urbansed,
    urbansound8k,
    vggsound,
    wavcaps,
)
from flam.data.corpora.corpus import Corpus, CorpusError

_MODULES = (
    desed,
    urbansed,
    audioset_strong,
    maestro_real,
    asfx_sed,
    audiocaps,
    clotho,
    wavcaps,
    auto_acd,
    freesound,
    esc50,
    urbansound8k,
    vggsound,
    fsd50k,
)
CORPORA: dict[str, Corpus] = {module.CORPUS.name: module.CORPUS for module in _MODULES}


def find_corpus(name: str) -> Corpus:
    """The corpus of a name, whatever its capitals, spaces and hyphens.

    Raises
    ------
    CorpusError
        no such corpus

    Examples
    --------
    >>> find_corpus("urbansed").name
    'URBAN-SED'
    """
    for corpus in CORPORA.values():
        if _plain(corpus.name) == _plain(name):
            return corpus
    raise CorpusError(f"corpus {name!r} is not known; choose one of {', '.join(CORPORA)}")


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
