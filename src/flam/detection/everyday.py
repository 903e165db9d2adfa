"""The list of everyday sounds that comes with the package."""

from __future__ import annotations

import importlib.resources


def everyday_prompts() -> tuple[str, ...]:
    """Three hundred sounds of home, street, work, animals, people, weather and music.

    Examples
    --------
    >>> len(everyday_prompts())
    300
    """
    path = importlib.resources.files("flam") / "assets" / "prompts" / "everyday.txt"
    return tuple(line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
