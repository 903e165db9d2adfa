"""The json beside a stored scene: labels and captions, exact events, levels, plan, and sources."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flam.core import Event
from flam.data.scene_source import scene_sounds
from flam.data.shard_source import sample_facts
from flam.library.source_library import SourceClip
from flam.scenes.captions.mixture import mixture_caption
from flam.scenes.rendered import RenderedScene
from flam.scenes.scene import ScenePlan, plan_to_json


def scene_facts(
    plan: ScenePlan, scene: RenderedScene, clips: Mapping[str, SourceClip], phrases: Mapping[str, str]
) -> dict[str, Any]:
    """Everything that is known of a scene, ready for JSON.

    Parameters
    ----------
    plan : ScenePlan
        of the scene
    scene : RenderedScene
        rendered with clip ids as labels
    clips : Mapping[str, SourceClip]
        by id
    phrases : Mapping[str, str]
        how captions say a label; those that are missing are said as they are

    Returns
    -------
    dict[str, Any]
        ``captions`` and ``sounds``, which training reads; ``events`` where sounds can be heard and ``placed`` where
        they were put; ``levels`` of all sources after ``gain_db``; ``plan``; and ``clips``, what was used and on what
        terms
    """
    captions = _captions(plan, scene.events, clips, phrases)
    used = {placement.clip_id: clips[placement.clip_id] for placement in plan.placements}
    return {
        **sample_facts(captions, scene_sounds(plan, scene.events, clips, scene.duration_s)),
        "duration_s": scene.duration_s,
        "sample_rate": scene.sample_rate,
        "events": _told(scene.events, clips),
        "placed": _told(scene.placed, clips),
        "levels": [
            {
                "clip": level.clip_id,
                "level_db": round(level.level_db, 3),
                "snr_db": None if level.snr_db is None else round(level.snr_db, 3),
            }
            for level in scene.levels
        ],
        "gain_db": round(scene.gain_db, 3),
        "plan": json.loads(plan_to_json(plan)),
        "clips": {
            clip_id: {"label": clip.label, "caption": clip.caption, "source": clip.source, "licence": clip.licence}
            for clip_id, clip in used.items()
        },
    }


def labelled_events(facts: Mapping[str, Any]) -> tuple[Event, ...]:
    """The events of a stored scene as annotations name them, by label.

    Examples
    --------
    >>> labelled_events({"events": [{"clip": "dog/3", "label": "dog bark", "onset_s": 1.0, "offset_s": 1.5}]})[0].prompt
    'dog bark'
    """
    return tuple(sorted(Event(event["onset_s"], event["offset_s"], event["label"]) for event in facts["events"]))


def _told(events: Sequence[Event], clips: Mapping[str, SourceClip]) -> list[dict[str, Any]]:
    return [
        {
            "clip": event.prompt,
            "label": clips[event.prompt].label,
            "onset_s": event.onset_s,
            "offset_s": event.offset_s,
        }
        for event in events
    ]


def _captions(
    plan: ScenePlan, events: Sequence[Event], clips: Mapping[str, SourceClip], phrases: Mapping[str, str]
) -> tuple[str, ...]:
    background = None if plan.background is None else clips[plan.background.clip_id].label or None
    if not events and background is None:
        return ()
    by_label = [replace(event, prompt=clips[event.prompt].label) for event in events]
    return (mixture_caption(by_label, background, phrases),)
