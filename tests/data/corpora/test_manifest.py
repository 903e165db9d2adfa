"""A corpus becomes a source library that scenes can be mixed from, and one table of strong labels."""

import shutil

import pytest

from flam.annotations import read_events
from flam.core import Event
from flam.data.corpora import CORPORA, write_manifest, write_strong_labels
from flam.data.corpora.maestro_real import harden
from flam.data.recordings_source import RecordingsConfig, RecordingsSource
from flam.library.source_library import read_manifest


def items_of(corpus, root):
    return [item for split in corpus.present_splits(root) for item in corpus.items(root, split)]


@pytest.mark.parametrize("name", CORPORA)
def test_manifest_is_a_source_library(replica, name, tmp_path):
    root, corpus = replica(name), CORPORA[name]
    every = items_of(corpus, root)
    items = [item for i, item in enumerate(every) if item.recording not in {earlier.recording for earlier in every[:i]}]
    assert write_manifest(corpus, every, tmp_path / "manifest.csv") == len(items)
    clips = read_manifest(tmp_path / "manifest.csv")
    assert [clip.clip_id for clip in clips] == [f"{name}/{item.recording}" for item in items]
    assert [clip.path.resolve() for clip in clips] == [item.path.resolve() for item in items]
    assert [clip.group for clip in clips] == [item.group for item in items]
    assert [clip.fold for clip in clips] == [item.fold for item in items]
    assert all(clip.licence and clip.source == name for clip in clips)
    assert all(bool(clip.caption) == bool(i.captions or i.labels) for clip, i in zip(clips, items, strict=True))


def test_labels_and_captions_are_prompts(replica, tmp_path):
    corpus = CORPORA["ESC-50"]
    write_manifest(corpus, items_of(corpus, replica("ESC-50")), tmp_path / "manifest.csv")
    clips = read_manifest(tmp_path / "manifest.csv")
    assert [clip.label for clip in clips] == ["dog", "car horn", "knocking on a wooden door"]
    assert [clip.caption for clip in clips] == ["dog", "car horn", "knocking on a wooden door"]


def test_several_labels_have_no_main_one_unless_the_corpus_orders_them(replica, tmp_path):
    fsd50k, desed = CORPORA["FSD50K"], CORPORA["DESED"]
    write_manifest(fsd50k, items_of(fsd50k, replica("FSD50K")), tmp_path / "fsd50k.csv")
    assert [clip.label for clip in read_manifest(tmp_path / "fsd50k.csv")] == [
        "electric guitar",
        "electric guitar",
        "chirp, tweet",
    ]
    root = replica("DESED", "desed")
    write_manifest(desed, desed.items(root, "validation"), tmp_path / "desed.csv")
    first, silent = read_manifest(tmp_path / "desed.csv")
    assert (first.label, first.caption) == ("", "speech, vacuum cleaner")
    assert (silent.label, silent.caption) == ("", "")


def test_missing_recordings_and_repeated_names_are_left_out(replica, tmp_path):
    root, corpus = replica("ESC-50"), CORPORA["ESC-50"]
    items = items_of(corpus, root)
    items[0].path.unlink()
    assert write_manifest(corpus, [*items, items[1]], tmp_path / "manifest.csv") == 2


def test_paths_below_the_manifest_move_with_it_and_others_do_not(replica, tmp_path):
    root, corpus = replica("ESC-50"), CORPORA["ESC-50"]
    items = items_of(corpus, root)
    write_manifest(corpus, items, root / "manifest.csv")
    shutil.move(root, tmp_path / "moved")
    assert all(clip.path.is_file() for clip in read_manifest(tmp_path / "moved/manifest.csv"))
    (tmp_path / "corpus").symlink_to(tmp_path / "moved")
    (tmp_path / "lists").mkdir()
    write_manifest(corpus, items, tmp_path / "lists/manifest.csv")
    assert all(clip.path.is_file() for clip in read_manifest(tmp_path / "lists/manifest.csv"))


def test_name_that_is_not_unicode_is_told(replica, tmp_path):
    root, corpus, problems = replica("Freesound"), CORPORA["Freesound"], []
    path = root / b"7__me__caf\xe9.wav".decode("utf-8", "surrogateescape")
    try:
        shutil.copy(root / "99__inspectorj__rain.wav", path)
    except OSError:
        pytest.skip("this file system holds only Unicode names")
    assert write_manifest(corpus, items_of(corpus, root), tmp_path / "manifest.csv", problems.append) == 3
    assert len(problems) == 1
    assert len(read_manifest(tmp_path / "manifest.csv")) == 3


def test_long_ambience_is_background(replica, tmp_path):
    root, corpus = replica("WavCaps"), CORPORA["WavCaps"]
    table = root / "json_files/BBC_Sound_Effects/bbc_final.json"
    for caption, seconds, kind in [
        ("Forest ambience.", 138.36, "background"),
        ("Forest ambience.", 9.9, "event"),
        ("A saw.", 138.36, "event"),
    ]:
        table.write_text(f'[{{"id": "07066104", "caption": "{caption}", "duration": {seconds}}}]')
        write_manifest(corpus, corpus.items(root, "BBC_Sound_Effects"), tmp_path / "manifest.csv")
        [clip] = read_manifest(tmp_path / "manifest.csv")
        assert clip.kind == kind


STRONG = ["DESED", "URBAN-SED", "AudioSet-Strong", "MAESTRO Real", "ASFX-SED"]


@pytest.mark.parametrize("name", STRONG)
def test_strong_labels_name_recordings_below_the_root_and_ask_in_words(replica, name, tmp_path):
    root, corpus = replica(name), CORPORA[name]
    items = [item for item in items_of(corpus, root) if item.events is not None]
    assert write_strong_labels(corpus, root, items, tmp_path / "events.tsv") == len(items)
    found = {events.recording: events.events for events in read_events(tmp_path / "events.tsv", "dcase")}
    assert [root / recording for recording in found] == [item.path for item in items]
    for item, events in zip(items, found.values(), strict=True):
        assert {event.prompt for event in events} <= {corpus.prompt(label) for label in item.labels}
        if name != "MAESTRO Real":
            assert [event.onset_s for event in events] == [event.onset_s for event in item.events]


@pytest.mark.parametrize("name", STRONG)
def test_strong_labels_train(replica, name, tmp_path):
    root, corpus = replica(name), CORPORA[name]
    write_strong_labels(corpus, root, items_of(corpus, root), tmp_path / "events.tsv")
    source = RecordingsSource(RecordingsConfig(root, tmp_path / "events.tsv"), 400, 8000, (0,))
    n_strong = sum(item.events is not None for item in items_of(corpus, root))
    assert len(source) == n_strong


def test_soft_labels_are_hardened(replica, tmp_path):
    root, corpus = replica("MAESTRO Real"), CORPORA["MAESTRO Real"]
    write_strong_labels(corpus, root, corpus.items(root, "development"), tmp_path / "events.tsv")
    [found] = read_events(tmp_path / "events.tsv", "dcase")
    assert found.events == (Event(0.0, 2.0, "footsteps"),)


def test_corpus_without_strong_labels_has_no_table(replica, tmp_path):
    root, corpus = replica("ESC-50"), CORPORA["ESC-50"]
    assert write_strong_labels(corpus, root, corpus.items(root, "all"), tmp_path / "events.tsv") == 0
    assert not (tmp_path / "events.tsv").exists()


def test_harden_equals_the_obvious_way():
    """Second by second and class by class, against joining."""
    import numpy as np

    rng = np.random.default_rng(0)
    agreement = rng.random((3, 40)).round(2)
    soft = [
        Event(float(second), second + 1.0, f"class {k}", agreement[k, second], agreement[k, second])
        for k in range(3)
        for second in range(40)
    ]
    rng.shuffle(soft)
    hard = harden(soft, 0.5)
    for k in range(3):
        active = np.zeros(40, bool)
        spans = [event for event in hard if event.prompt == f"class {k}"]
        for event in spans:
            assert not active[int(event.onset_s) : int(event.offset_s)].any()
            active[int(event.onset_s) : int(event.offset_s)] = True
        np.testing.assert_array_equal(active, agreement[k] >= 0.5)
        assert len(spans) == np.count_nonzero(np.diff(np.concatenate([[0], active.astype(int)])) == 1)
