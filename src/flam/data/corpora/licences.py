"""Names of Creative Commons licences, from the addresses that corpora give."""

from __future__ import annotations

import re

_LICENCE = re.compile(
    r"creativecommons\.org/(?:licenses/(?P<kind>[a-z+-]+)|publicdomain/(?P<public>\w+))/(?P<version>[\d.]+)"
)
_PUBLIC = {"zero": "CC0", "mark": "Public Domain Mark"}


def licence_name(address: str) -> str:
    """Short name of a licence; an address that is not of Creative Commons is given back as it is.

    Examples
    --------
    >>> licence_name("http://creativecommons.org/licenses/by-nc/3.0/")
    'CC BY-NC 3.0'
    >>> licence_name("https://creativecommons.org/publicdomain/zero/1.0/"), licence_name("see README")
    ('CC0 1.0', 'see README')
    """
    match = _LICENCE.search(address.lower())
    if not match:
        return address.strip()
    if match["public"]:
        return f"{_PUBLIC.get(match['public'], match['public'])} {match['version']}"
    kind = match["kind"]
    return f"CC {'Sampling+' if kind == 'sampling+' else kind.upper()} {match['version']}"
