"""A set of scenes on disk is the same however it is made, and says of each scene what the renderer said."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from flam.annotations import read_events
from flam.core import ConfigError, OutputError, seconds_to_samples
from flam.data.audio_bytes import decode_audio
from flam.data.scene_facts import labelled_events
from flam.data.scene_settings import SceneSetSettings
from flam.data.scene_shards import SceneSet, stored_remarks
from flam.data.scene_source import SceneSource
from flam.data.shard_source import ShardsConfig, ShardSource
from flam.data.tar_shards import Shard
from flam.library.clip_table import read_library
from flam.library.stores import DiskStore
from flam.scenes.plan import SceneDrawer
from flam.scenes.plan_lists import DrawnPlans
from flam.scenes.render import Renderer
from flam.scenes.scene import plan_from_json
from flam.scenes.scene_config import SceneConfig

RATE, N_SCENES = 48_000, 7
RECIPE = SceneConfig(duration_s=1.0)


def scene_set(table, folder, recipe=RECIPE, **changes):
    library = read_library(table)
    source = DiskStore(library)
    known = {"clips_from": str(table), "clips_sha256": "", "n_scenes": N_SCENES, "seed": 3, "scene": recipe}
    settings = SceneSetSettings(**{**known, "shard_scenes": 3, **changes})
    plans = DrawnPlans(SceneDrawer(library.clips, source, recipe), 3, settings.n_scenes)
    return SceneSet(folder, plans, library.clips, source, settings)


def make(scenes):
    scenes.prepare()
    for path in scenes.missing():
        assert not isinstance(scenes.make(path), Exception)
    scenes.write_index()


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def samples(folder):
    shards = [Shard(path) for path in sorted(folder.glob("*.tar"))]
    return {shard.key(row): shard[row] for shard in shards for row in range(len(shard))}


@pytest.fixture(scope="module")
def made(scene_table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    make(scene_set(scene_table, folder, stems=True))
    return folder


def test_neither_order_nor_process_changes_a_byte(scene_table, made, tmp_path):
    scenes = scene_set(scene_table, tmp_path, stems=True)
    scenes.prepare()
    for path in reversed(scenes.paths):
        pickle.loads(pickle.dumps(scenes)).make(path)  # as another process has it
    scenes.write_index()
    assert contents(tmp_path) == contents(made)


def test_what_was_cut_off_is_made_again_and_what_is_finished_is_kept(scene_table, made, tmp_path):
    scenes = scene_set(scene_table, tmp_path, stems=True)
    make(scenes)
    first, second, third = scenes.paths
    kept = first.stat().st_mtime_ns
    second.write_bytes(second.read_bytes()[:5000])
    third.with_name("scenes-000002.scenes.json").unlink()
    again = scene_set(scene_table, tmp_path, stems=True)
    assert again.missing() == [second, third]
    make(again)
    assert contents(tmp_path) == contents(made)
    assert first.stat().st_mtime_ns == kept


def test_a_folder_of_other_scenes_is_refused_by_what_differs(scene_table, made, tmp_path):
    for changes, told in (
        ({"format": "opus"}, "format flac, not opus"),
        ({"recipe": replace(RECIPE, max_polyphony=2)}, "scene.max_polyphony 3, not 2"),
    ):
        with pytest.raises(ConfigError, match=told):
            scene_set(scene_table, made, **{"stems": True, **changes}).prepare()
    (tmp_path / "scenes-000000.tar").touch()
    with pytest.raises(ConfigError, match="unknown settings"):
        scene_set(scene_table, tmp_path).prepare()


def test_two_runs_do_not_meet_in_a_folder(scene_table, tmp_path):
    with (
        scene_set(scene_table, tmp_path).reserved(),
        pytest.raises(OutputError, match="writes there; wait until it is done"),
        scene_set(scene_table, tmp_path).reserved(),
    ):
        pass


def test_shards_train_like_the_same_scenes_on_the_fly(scene_table, made):
    stored = ShardSource(ShardsConfig(str(made)), "sounds", RATE, RATE, (0,))
    library = read_library(scene_table)
    source = SceneSource(library.clips, DiskStore(library), RECIPE, RATE, RATE, seed=3)
    rng = np.random.default_rng(0)
    on_the_fly = {clip.sounds: clip.waveform for clip in (source.clip(i, rng) for i in range(N_SCENES))}
    found = [stored.clip(ordinal, rng) for ordinal in range(N_SCENES)]
    assert {clip.sounds for clip in found} == on_the_fly.keys()
    for clip in found:
        assert np.abs(clip.waveform - on_the_fly[clip.sounds]).max() < 2**-15
        assert "with" in clip.captions[0] or "while" in clip.captions[0]
        assert {text for sound in clip.sounds for text in sound.texts} <= {clip.caption for clip in library.clips}


def test_the_json_says_what_was_rendered_and_stems_sum_to_the_mixture(scene_table, made):
    library = read_library(scene_table)
    source = DiskStore(library)
    drawer = SceneDrawer(library.clips, source, RECIPE)
    renderer = Renderer(source, {clip.clip_id: clip.label for clip in library.clips})
    stored = samples(made)
    assert len(stored) == N_SCENES
    for number in range(N_SCENES):
        sample, plan = stored[f"{number:09d}"], drawer.draw(3, number)
        facts, scene = sample.facts, renderer.render(plan)
        assert plan_from_json(json.dumps(facts["plan"])) == plan
        assert labelled_events(facts) == scene.events
        pieces = [piece for event in plan.events for piece in event.pieces]
        assert sorted(seconds_to_samples(piece.onset_s, RATE) for piece in pieces) == [
            round(event["onset_s"] * RATE) for event in facts["placed"]
        ]
        assert [level["clip"] for level in facts["levels"]] == [one.clip_id for one in plan.placements]
        wanted_db = [event.level_db - plan.background_db for event in plan.events]
        np.testing.assert_allclose([level["snr_db"] for level in facts["levels"][1:]], wanted_db, atol=0.05)
        assert {clip["licence"] for clip in facts["clips"].values()} == {"CC0"}


def test_stems_lie_beside_the_mixture_and_sum_to_it(made):
    import tarfile

    with tarfile.open(made / "scenes-000000.tar") as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}
    waveforms = {name: decode_audio(data, name)[0] for name, data in files.items() if name.endswith(".flac")}
    for key in ("000000000", "000000001", "000000002"):
        stems = [waveform for name, waveform in waveforms.items() if name.startswith(f"{key}.stem")]
        assert len(stems) == len(json.loads(files[f"{key}.json"])["levels"])
        assert np.abs(sum(stems) - waveforms[f"{key}.flac"]).max() < (len(stems) + 1) * 2**-16


def test_scenes_that_fail_are_left_out_and_named(scene_table, tmp_path):
    scenes = scene_set(scene_table, tmp_path / "some")
    clip = next(clip for clip in read_library(scene_table).clips if clip.clip_id == "pop")
    plans = [scenes._plans[number] for number in range(N_SCENES)]
    strange = replace(plans[1].events[0], clip_id="nobody")
    plans[1] = replace(plans[1], events=(strange,))
    scenes._plans = plans
    lacking = [i for i, plan in enumerate(plans) if "pop" in [one.clip_id for one in plan.placements]]
    assert lacking
    clip.path.rename(clip.path.with_suffix(".gone"))
    try:
        make(scenes)
    finally:
        clip.path.with_suffix(".gone").rename(clip.path)
    left_out = stored_remarks(tmp_path / "some")["left_out"]
    assert left_out.keys() == {str(i) for i in {1, *lacking}}
    assert left_out["1"] == "the library has no clip 'nobody'"
    assert "pop.wav" in left_out[str(lacking[0])]
    assert samples(tmp_path / "some").keys() == {f"{i:09d}" for i in range(N_SCENES)} - {
        f"{i:09d}" for i in {1, *lacking}
    }
    assert scenes.missing() == []


def test_a_set_without_a_single_scene_is_an_error(scene_table, tmp_path):
    scenes = scene_set(scene_table, tmp_path, n_scenes=1)
    plan = scenes._plans[0]
    scenes._plans = [replace(plan, background=replace(plan.background, clip_id="nobody"))]
    with pytest.raises(OutputError, match="no scene could be made"):
        make(scenes)


def test_scenes_in_files_are_plain_files_with_event_lists(scene_table, made, tmp_path):
    make(scene_set(scene_table, tmp_path, files="dcase"))
    stored = samples(made)
    for number in range(N_SCENES):
        folder, key = tmp_path / f"scenes-{number // 3:06d}", f"{number:09d}"
        assert (folder / f"{key}.flac").read_bytes() == stored[key].audio
        [listed] = read_events(folder / f"{key}.events.tsv", "dcase")
        exact = labelled_events(stored[key].facts)
        assert [event.prompt for event in listed.events] == [event.prompt for event in exact]
        np.testing.assert_allclose([e.onset_s for e in listed.events], [e.onset_s for e in exact], atol=1e-3)
    assert stored_remarks(tmp_path) == {"n_scenes": N_SCENES, "left_out": {}}
    assert scene_set(scene_table, tmp_path, files="dcase").missing() == []


def test_opus_and_wav_hold_the_same_scenes(scene_table, made, tmp_path):
    for format in ("opus", "wav"):
        make(scene_set(scene_table, tmp_path / format, n_scenes=2, format=format))
        for key, sample in samples(tmp_path / format).items():
            waveform, _ = decode_audio(sample.audio, key)
            exact, _ = decode_audio(samples(made)[key].audio, key)
            assert len(waveform) == len(exact)
            # a lossy codec keeps noise in level only
            assert abs(20 * np.log10(np.std(waveform) / np.std(exact))) < 1.0
    assert soundfile.info(next(iter_files(tmp_path / "wav"))).subtype == "FLOAT"


def iter_files(folder):
    import io

    return (io.BytesIO(sample.audio) for sample in samples(folder).values())


def test_settings_that_make_no_sense_are_refused():
    for changes, told in (
        ({"n_scenes": 0}, "n_scenes is 0"),
        ({"shard_scenes": 0}, "shard_scenes is 0"),
        ({"files": "table"}, "must be one of .*dcase"),
    ):
        with pytest.raises(ValueError, match=told):
            SceneSetSettings(**{"clips_from": "", "clips_sha256": "", "n_scenes": 1, **changes})
