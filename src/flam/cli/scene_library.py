"""The library that ``flam synth`` draws from, as its options name it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from flam.library.source_library import SourceClip
    from flam.library.stores import ClipStore

BUILT_IN = "builtin"


@dataclass(frozen=True)
class LibraryOptions:
    """Which clips scenes are made of."""

    clips_from: Annotated[
        str,
        Parameter(
            name="--library",
            help="A table of flam library scan, a manifest with --bank, or builtin: synthesised sounds.",
        ),
    ] = BUILT_IN
    bank: Annotated[
        Path | None, Parameter(help="Folder for all clips decoded, which makes rendering faster; built once.")
    ] = None
    takes: Annotated[int, Parameter(help="Takes of each builtin sound.")] = 20
    part: Annotated[
        Literal["all", "training", "held_out"], Parameter(help="Part of the library to make scenes from.")
    ] = "all"
    held_out_share: Annotated[float, Parameter(help="Share of the groups that is held out, 0 to 1.")] = 0.0
    held_out_folds: Annotated[
        tuple[str, ...], Parameter(help="Published folds that are held out.", negative="", show_default=False)
    ] = ()


@contextlib.contextmanager
def opened(options: LibraryOptions) -> Iterator[tuple[list[SourceClip], ClipStore]]:
    """The clips, and where their waveforms come from; what is measured of builtin sounds is kept for later runs.

    Raises
    ------
    ConfigError
        the library can't be read, or the options don't fit together
    """
    from flam.core import ConfigError, from_mapping
    from flam.data.clip_source import ManifestConfig, ProceduralConfig
    from flam.data.scene_source import ScenesConfig, named_clips
    from flam.hub.hub import cache_folder
    from flam.procedural.built_in import ProceduralSource, kept_measures

    if options.clips_from == BUILT_IN:
        if options.bank is not None or options.part != "all":
            raise ConfigError("the builtin library takes neither --bank nor --part; leave them out, or name a table")
        config = ScenesConfig(procedural=ProceduralConfig(options.takes))
    else:
        if not Path(options.clips_from).is_file():
            raise ConfigError(f"--library {options.clips_from}: no such table; name one, or {BUILT_IN}")
        split = {
            "path": options.clips_from,
            "part": options.part,
            "held_out_share": options.held_out_share,
            "held_out_folds": options.held_out_folds,
        }
        config = ScenesConfig(manifest=from_mapping(ManifestConfig, split, "library"), bank=options.bank)
    clips, waveforms = config.clips_and_waveforms()
    with contextlib.ExitStack() as stack:
        if isinstance(waveforms, ProceduralSource):
            stack.enter_context(kept_measures(waveforms, cache_folder() / "takes"))
        yield named_clips(clips), waveforms


def format_skipped(skipped: dict[str, int], clips: Sequence[SourceClip]) -> str:
    """A line about the clips that no scene can use."""
    return f"{sum(skipped.values())} of {len(clips)} clips can't be drawn: " + ", ".join(
        f"{count} {reason}" for reason, count in sorted(skipped.items())
    )
