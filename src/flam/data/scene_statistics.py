"""What a set of scenes holds, in lines of text, beside what its recipe asks for."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from flam.core import ConfigError
from flam.core.progress import Reporter
from flam.data.scene_shards import stored_remarks
from flam.data.stored_scenes import stored_config, stored_scenes
from flam.scenes.distributions import Distribution
from flam.scenes.scene import Placement, ScenePlan
from flam.scenes.scene_config import SceneConfig

QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
COMMONEST = 15
ASKED_DRAWS = 20_000


@dataclass
class _Counts:
    """What is gathered of all scenes; a few numbers for each event, none of the audio."""

    n_scenes: int = 0
    n_rendered: int = 0
    duration_s: float = 0.0
    n_left_out: int = 0
    n_silent: int = 0
    with_: Counter[str] = field(default_factory=Counter)
    wanted: array[float] = field(default_factory=lambda: array("f"))
    placed: array[float] = field(default_factory=lambda: array("f"))
    planned_snr_db: array[float] = field(default_factory=lambda: array("f"))
    snr_db: array[float] = field(default_factory=lambda: array("f"))
    planned_s: array[float] = field(default_factory=lambda: array("f"))
    heard_s: array[float] = field(default_factory=lambda: array("f"))
    at_once_s: Counter[int] = field(default_factory=Counter)
    heard_at_once_s: Counter[int] = field(default_factory=Counter)
    gain_db: array[float] = field(default_factory=lambda: array("f"))
    placed_labels: Counter[str] = field(default_factory=Counter)
    heard_labels: Counter[str] = field(default_factory=Counter)
    heard_labels_s: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)


def set_statistics(path: Path, reporter: Reporter) -> Iterator[str]:
    """Lines that tell of a folder of scenes or of a plan file.

    Parameters
    ----------
    path : Path
        what ``flam synth`` wrote
    reporter : Reporter
        told how far reading is, and of damaged shards

    Raises
    ------
    ConfigError
        it holds no scenes
    """
    config, counts = stored_config(path), _Counts()
    for plan, facts in stored_scenes(path, reporter):
        _count_plan(counts, plan)
        if facts is not None:
            _count_facts(counts, plan, facts)
    if counts.n_scenes == 0:
        raise ConfigError(f"{path}: holds no scene that can be read; make them again")
    yield f"{counts.n_scenes} scenes, {counts.duration_s / 3600:.2f} hours"
    if path.is_dir():
        yield f"{len(stored_remarks(path)['left_out'])} scenes could not be rendered"
    yield f"{counts.n_left_out} pieces of events found no room"
    if counts.n_rendered:
        yield f"{counts.n_silent} events can nowhere be heard"
    yield from _shares(counts, config)
    yield from _distributions(counts, config)
    yield from _polyphony(counts, config)
    yield from _labels(counts)


def _count_plan(counts: _Counts, plan: ScenePlan) -> None:
    counts.n_scenes += 1
    counts.duration_s += plan.duration_s
    counts.n_left_out += plan.left_out
    counts.with_["background"] += plan.background is not None
    counts.with_["overlay"] += bool(plan.overlays)
    counts.wanted.append(plan.n_wanted)
    counts.placed.append(len(plan.events))
    for event in plan.events:
        counts.with_["events"] += 1
        counts.with_[_form(event)] += 1
        counts.planned_snr_db.append(event.level_db - plan.background_db)
        counts.planned_s.extend(piece.duration_s for piece in event.pieces)
    spans_s = [(piece.onset_s, piece.offset_s) for event in plan.events for piece in event.pieces]
    counts.at_once_s.update(_at_once(spans_s, plan.duration_s))


def _count_facts(counts: _Counts, plan: ScenePlan, facts: dict[str, Any]) -> None:
    counts.n_rendered += 1
    counts.gain_db.append(facts["gain_db"])
    first = 0 if plan.background is None else 1
    counts.snr_db.extend(level["snr_db"] for level in facts["levels"][first : first + len(plan.events)])
    heard = facts["events"]
    counts.n_silent += len({event.clip_id for event in plan.events} - {event["clip"] for event in heard})
    counts.heard_s.extend(event["offset_s"] - event["onset_s"] for event in heard)
    # an overlay comes on top of the polyphony that the recipe bounds
    over = {placement.clip_id for placement in plan.overlays}
    spans_s = [(event["onset_s"], event["offset_s"]) for event in heard if event["clip"] not in over]
    counts.heard_at_once_s.update(_at_once(spans_s, plan.duration_s))
    for event in facts["placed"]:
        counts.placed_labels[event["label"]] += 1
    for event in heard:
        counts.heard_labels[event["label"]] += 1
        counts.heard_labels_s[event["label"]] += event["offset_s"] - event["onset_s"]
    counts.licences.update(clip["licence"] or "(none)" for clip in facts["clips"].values())


def _form(event: Placement) -> str:
    if len(event.pieces) == 1:
        return "whole"
    return "repeated" if len({piece.source_s for piece in event.pieces}) == 1 else "split"


def _at_once(spans_s: Sequence[tuple[float, float]], duration_s: float) -> dict[int, float]:
    """For how long so many of the spans overlap.

    Examples
    --------
    >>> _at_once([(0.0, 2.0), (1.0, 3.0)], 4.0)
    {1: 2.0, 2: 1.0, 0: 1.0}
    """
    # times are sums of floats: rounded, so that what ends where another begins does not overlap it
    changes = [(round(onset_s, 6), 1) for onset_s, _ in spans_s] + [(round(offset_s, 6), -1) for _, offset_s in spans_s]
    changes.sort()
    found: dict[int, float] = {}
    before_s, active = 0.0, 0
    for at_s, change in [*changes, (duration_s, 0)]:
        if at_s > before_s:
            found[active] = found.get(active, 0.0) + at_s - before_s
        before_s, active = at_s, active + change
    return found


def _shares(counts: _Counts, config: SceneConfig | None) -> Iterator[str]:
    yield ""
    yield f"{'share of':24} {'asked':>8} {'planned':>8}"
    mixed = None if config is None else 1 - config.single_share
    for title, name, total, asked in (
        ("scenes: background", "background", counts.n_scenes, None if config is None else config.background_share),
        ("scenes: overlay", "overlay", counts.n_scenes, None if config is None else config.overlay.share),
        (
            "events: repeated",
            "repeated",
            counts.with_["events"],
            config.repeat.share if config and mixed == 1 else None,
        ),
        ("events: split", "split", counts.with_["events"], config.split.share if config and mixed == 1 else None),
    ):
        told = "" if asked is None else f"{100 * asked:.1f} %"
        yield f"{title:24} {told:>8} {100 * counts.with_[name] / max(total, 1):6.1f} %"


def _distributions(counts: _Counts, config: SceneConfig | None) -> Iterator[str]:
    yield ""
    yield f"{'':34} " + " ".join(f"{title:>8}" for title in ("least", "10 %", "median", "90 %", "most", "mean"))
    n_events = None if config is None or config.single_share else config.n_events
    for title, values in (
        ("events a scene, asked", _drawn(n_events)),
        ("events a scene, drawn", counts.wanted),
        ("events a scene, with room", counts.placed),
        ("SNR asked, dB", _drawn(None if config is None else config.snr_db)),
        ("SNR planned, dB", counts.planned_snr_db),
        ("SNR measured, dB", counts.snr_db),
        ("length asked, s", _drawn(None if config is None else config.event_s)),
        ("length of pieces planned, s", counts.planned_s),
        ("length of events heard, s", counts.heard_s),
        ("gain of a whole scene, dB", counts.gain_db),
    ):
        if len(values):
            shown = [*np.quantile(values, QUANTILES), np.mean(values)]
            yield f"{title:34} " + " ".join(f"{value:8.2f}" for value in shown)


def _drawn(distribution: Distribution | None) -> Sequence[float]:
    if distribution is None:
        return ()
    rng = np.random.default_rng(0)
    return [distribution.draw(rng) for _ in range(ASKED_DRAWS)]


def _polyphony(counts: _Counts, config: SceneConfig | None) -> Iterator[str]:
    yield ""
    limit = "" if config is None else f", at most {config.max_polyphony} asked"
    yield f"{f'events at once{limit}':34} " + " ".join(f"{n:8}" for n in range(max(counts.at_once_s, default=0) + 1))
    for title, at_once_s in (("planned", counts.at_once_s), ("heard", counts.heard_at_once_s)):
        total_s = sum(at_once_s.values())
        if total_s:
            shares = (100 * at_once_s[n] / total_s for n in range(max(counts.at_once_s, default=0) + 1))
            yield f"{f'share of time, {title}':34} " + " ".join(f"{share:6.1f} %" for share in shares)


def _labels(counts: _Counts) -> Iterator[str]:
    if counts.n_rendered == 0:
        return
    yield ""
    yield f"{f'{len(counts.placed_labels)} labels':40} {'placed':>8} {'heard':>8} {'heard, s':>9}"
    ranked = sorted(counts.placed_labels.items(), key=lambda item: (-item[1], item[0]))
    for label, n_placed in ranked[:COMMONEST]:
        yield f"{label:40.40} {n_placed:8} {counts.heard_labels[label]:8} {counts.heard_labels_s[label]:9.1f}"
    if len(ranked) > COMMONEST:
        rest = [label for label, _ in ranked[COMMONEST:]]
        placed, heard, heard_s = (
            sum(of[label] for label in rest)
            for of in (counts.placed_labels, counts.heard_labels, counts.heard_labels_s)
        )
        fewest = ranked[-1]
        yield f"{f'{len(rest)} more':40} {placed:8} {heard:8} {heard_s:9.1f}"
        yield f"fewest: {fewest[0]}, {fewest[1]}"
    yield ""
    yield f"{'licence':40} {'clips used':>10}"
    yield from (f"{name:40.40} {count:10}" for name, count in counts.licences.most_common())
