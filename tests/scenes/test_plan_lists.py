"""Plans in a file: each is found by its number, and their number costs no memory."""

import gc
import pickle
import tracemalloc
from dataclasses import replace

import pytest

from flam.core import ConfigError
from flam.scenes.plan import SceneDrawer
from flam.scenes.plan_lists import DrawnPlans, PlanFile, PlanSettings, clips_sha256, write_plans
from flam.scenes.scene import ScenePlan, plan_to_json
from flam.scenes.scene_config import SceneConfig


def test_plans_come_back_by_number_with_what_they_were_drawn_from(library, tmp_path):
    plans = DrawnPlans(SceneDrawer(library.clips, library, SceneConfig()), seed=4, n_scenes=20)
    settings = PlanSettings("made", clips_sha256(library.clips, library), 4, 20, SceneConfig())
    write_plans([plans[number] for number in range(len(plans))], tmp_path / "plans.jsonl", settings)
    stored = pickle.loads(pickle.dumps(PlanFile(tmp_path / "plans.jsonl")))
    assert len(stored) == 20
    assert stored.settings == settings
    for number in (7, 19, 0):
        assert stored[number] == plans[number]


def test_a_bad_line_is_named_and_the_others_are_read(library, tmp_path):
    plan = SceneDrawer(library.clips, library, SceneConfig()).draw(0, 0)
    (tmp_path / "plans.jsonl").write_text(f"{plan_to_json(plan)}\n\n{{broken\n{plan_to_json(plan)}\n")
    plans = PlanFile(tmp_path / "plans.jsonl")
    assert (plans[0], plans[2]) == (plan, plan)
    with pytest.raises(ConfigError, match=r"plans.jsonl, plan 1: .*not valid JSON"):
        plans[1]


def test_the_library_checksum_sees_what_scenes_depend_on(library):
    clips = library.clips
    known = clips_sha256(clips, library)
    assert clips_sha256(clips[::-1], library) == known
    assert clips_sha256([replace(clips[0], path="elsewhere"), *clips[1:]], library) == known
    for changed in (replace(clips[0], label="x"), replace(clips[0], licence="x")):
        assert clips_sha256([changed, *clips[1:]], library) != known
    library.waveforms["click"] = library.waveforms["click"][:-1]
    assert clips_sha256(clips, library) != known


def test_memory_does_not_grow_with_the_number_of_plans(tmp_path):
    def plans(n_plans):
        for number in range(n_plans):
            if number % 100 == 0:
                gc.collect()  # json's encoders are cycles, which otherwise go in their own time
            yield ScenePlan(10.0, None, (), index=number)

    def peak_bytes(n_plans):
        tracemalloc.start()
        write_plans(plans(n_plans), tmp_path / "plans.jsonl")
        assert len(PlanFile(tmp_path / "plans.jsonl")) == n_plans
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    gc.freeze()  # collections need not look at what all other tests left
    try:
        peak_bytes(200)
        # where each line begins, 8 bytes, is all that is kept
        assert peak_bytes(2000) - peak_bytes(200) < 16 * 1800
    finally:
        gc.unfreeze()
