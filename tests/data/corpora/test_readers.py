"""What each reader makes of its corpus' published layout."""

import pytest

from flam.core import Event
from flam.data.corpora import CORPORA, find_corpus


def items_of(name, root, split):
    problems = []
    items = {item.recording: item for item in find_corpus(name).items(root, split, problems.append)}
    assert problems == []
    return items


@pytest.mark.parametrize("name", CORPORA)
def test_every_recording_of_every_split_is_found(replica, name):
    root, corpus = replica(name), CORPORA[name]
    for split in corpus.present_splits(root):
        items = items_of(name, root, split)
        assert items
        assert all(item.path.is_file() for item in items.values())
        assert all(item.group for item in items.values())


@pytest.mark.parametrize("name", CORPORA)
def test_labels_are_classes_and_prompts_are_words(replica, name):
    root, corpus = replica(name), CORPORA[name]
    classes = corpus.classes(root)
    for label in {
        label for split in corpus.present_splits(root) for i in corpus.items(root, split) for label in i.labels
    }:
        assert not classes or label in classes
        assert "_" not in corpus.prompt(label)


@pytest.mark.parametrize("name", ["DESED", "URBAN-SED", "UrbanSound8K", "MAESTRO Real"])
def test_fixed_classes_and_their_prompts_agree(replica, name):
    corpus = CORPORA[name]
    classes = corpus.classes(replica(name))
    assert len(set(classes)) == corpus.n_classes
    assert corpus.prompts.keys() <= set(classes)


def test_desed(replica):
    root = replica("DESED")
    items = items_of("DESED", root, "validation")
    first, second = items.values()
    assert first.events == (Event(0.0, 0.25, "Speech"), Event(0.5, 9.971, "Vacuum_cleaner"))
    assert (first.labels, first.group, first.duration_s) == (("Speech", "Vacuum_cleaner"), "youtube:00pbt6aJV8Y", None)
    assert (second.events, second.duration_s, second.group) == ((), 7.0, "youtube:-_x12345678")
    [public] = items_of("DESED", root, "public").values()
    assert public.group == "youtube:-6Vtt4ubkC8"
    [synthetic] = items_of("DESED", root, "synthetic21_train").values()
    assert synthetic.group == "desed:1000"
    [weak] = items_of("DESED", root, "weak").values()
    assert (weak.events, weak.labels, weak.group) == (None, ("Speech", "Dishes"), "youtube:abcdefghijk")


@pytest.mark.parametrize("cells", ["\t\t\t", "\tNaN\tNaN\tNaN", "\tnan\tnan\t", ""])
def test_recordings_without_events_stay_as_such(replica, cells):
    root = replica("DESED")
    path = root / "metadata/validation/validation.tsv"
    path.write_text(path.read_text().replace("7.000.wav\t\t\t", f"7.000.wav{cells}"))
    (root / "metadata/train/weak.tsv").write_text("filename\tevent_labels\nYabcdefghijk_30.000_40.000.wav\tNaN\n")
    problems = []
    _, silent = CORPORA["DESED"].items(root, "validation", problems.append)
    [weak] = CORPORA["DESED"].items(root, "weak", problems.append)
    assert (silent.recording, silent.events, silent.labels) == ("Y-_x12345678_0.000_7.000.wav", (), ())
    assert (weak.events, weak.labels) == (None, ())
    assert not problems


def test_a_file_of_one_recording_may_say_that_nothing_sounds(replica):
    root = replica("URBAN-SED")
    (root / "annotations/test/soundscape_test_bimodal0.txt").write_text("NaN\tNaN\tNaN\n")
    problems = []
    [item] = CORPORA["URBAN-SED"].items(root, "test", problems.append)
    assert (item.events, problems) == ((), [])


def test_desed_of_2019_kept_validation_clips_one_folder_higher(replica):
    root = replica("DESED")
    for path in (root / "audio/validation/validation").iterdir():
        path.rename(root / "audio/validation" / path.name)
    (root / "audio/validation/validation").rmdir()
    assert all(item.path.is_file() for item in items_of("DESED", root, "validation").values())


def test_urbansed(replica):
    [item] = items_of("URBAN-SED", replica("URBAN-SED"), "test").values()
    assert item.events == (
        Event(1.265813, 1.6759810000000002, "gun_shot"),
        Event(9.164048, 10.000000000000002, "dog_bark"),
    )
    assert (item.recording, item.duration_s) == ("soundscape_test_bimodal0", 10.0)


def test_audioset_ids_may_begin_and_end_with_anything(replica):
    root = replica("AudioSet-Strong")
    items = items_of("AudioSet-Strong", root, "eval")
    assert {name: item.path.name for name, item in items.items()} == {
        "s9d-2nhuJCQ_30000": "s9d-2nhuJCQ_30000.wav",
        "--0PQM4-hqg_0": "Y--0PQM4-hqg.wav",
        "_0a_b-C_dE__110000": "_0a_b-C_dE__110_120.wav",
    }
    assert items["_0a_b-C_dE__110000"].group == "youtube:_0a_b-C_dE_"
    assert items["s9d-2nhuJCQ_30000"].events == (Event(2.627, 7.237, "Cheering"),)
    assert find_corpus("AudioSet-Strong").classes(root) == ("Cheering", "Speech", "Female speech, woman speaking")
    assert find_corpus("AudioSet-Strong").prompt("Female speech, woman speaking") == "female speech, woman speaking"


def test_maestro_agreement_is_the_score_and_zero_is_no_event(replica):
    [item] = items_of("MAESTRO Real", replica("MAESTRO Real"), "development").values()
    assert [(event.prompt, event.max_score) for event in item.events] == [
        ("cutlery and dishes", 0.22607917138849756),
        ("footsteps", 1.0),
        ("footsteps", 0.7),
    ]
    assert item.fold == "3"


def test_audiocaps_captions_of_one_clip_belong_together(replica):
    root = replica("AudioCaps")
    items = items_of("AudioCaps", root, "test")
    assert items["7fmOlUlwoNg_20"].captions == (
        "Constant rattling noise, and sharp vibrations",
        "A rocket flies by followed by a loud explosion",
    )
    assert items["-AheI8Epim4_30"].path.name == "Y-AheI8Epim4.wav"
    [by_caption_id] = items_of("AudioCaps", root, "train").values()
    assert by_caption_id.path.name == "91139.wav"
    assert "vfY_TJq7n_U_130" in items_of("AudioCaps", root, "val-2.0")


def test_clotho_names_and_licences_in_two_encodings(replica):
    root = replica("Clotho")
    [item] = items_of("Clotho", root, "validation").values()
    assert item.recording == "Pájaros, río (noche) #2..wav"
    assert (item.licence, item.group, len(item.captions)) == ("CC BY 3.0", "freesound:156", 5)
    assert item.captions[0] == "A bird, number 1, sings ."
    [leading_space] = items_of("Clotho", root, "development").values()
    assert leading_space.recording == " Ambience Birds.wav"
    assert leading_space.group == "freesound:156"


def test_clotho_names_that_a_file_system_decomposed(replica):
    root = replica("Clotho")
    [path] = (root / "validation").iterdir()
    decomposed = path.with_name("Pa\u0301jaros, ri\u0301o (noche) #2..wav")
    path.rename(decomposed)
    [item] = items_of("Clotho", root, "validation").values()
    assert item.path == decomposed


def test_clotho_unpacked_beside_its_archives(replica):
    root = replica("Clotho")
    (root / "evaluation").rename(root / "clotho_audio_evaluation")
    [item] = items_of("Clotho", root, "evaluation").values()
    assert item.path.is_file()


def test_wavcaps_ids_are_unique_only_within_a_source(replica):
    root = replica("WavCaps")
    tone = items_of("WavCaps", root, "FreeSound")["FreeSound/2219"]
    plane = items_of("WavCaps", root, "SoundBible")["SoundBible/2219"]
    assert (tone.path.parent.name, plane.path.parent.name) == ("FreeSound", "SoundBible")
    assert (tone.group, plane.group) == ("freesound:2219", "soundbible:2219")
    assert (tone.captions, tone.duration_s) == (("A tone, ringing.",), 3.2)
    [clip] = items_of("WavCaps", root, "AudioSet_SL").values()
    assert (clip.recording, clip.group) == ("AudioSet_SL/Yb0RFKhbpFJA", "youtube:b0RFKhbpFJA")


def test_wavcaps_marks_what_other_corpora_test_with(replica):
    items = items_of("WavCaps", replica("WavCaps"), "FreeSound")
    assert {name: item.fold for name, item in items.items()} == {"FreeSound/2219": "", "FreeSound/77": "evaluation"}


def test_auto_acd_with_and_without_a_start(replica):
    root = replica("Auto-ACD")
    items = items_of("Auto-ACD", root, "train")
    assert items["oPRC3zComfA_000117"].path.name == "oPRC3zComfA_000117.wav"
    assert items["-AheI8Epim4"].path.name == "Y-AheI8Epim4_30_40.wav"
    assert items["oPRC3zComfA_000117"].captions == ("Music, lively.",)
    [under_scores] = items_of("Auto-ACD", root, "test").values()
    assert under_scores.group == "youtube:_0a_b-C_dE_"


def test_freesound_packs_and_single_sounds(replica):
    items = items_of("Freesound", replica("Freesound"), "all")
    by_id = {item.group: item for item in items.values()}
    assert by_id["freesound:163372"].licence == "CC BY 4.0"
    assert by_id["freesound:163371"].licence == "CC0 1.0"
    assert by_id["freesound:163371"].captions == ("tick tock.v2",)
    assert (by_id["freesound:99"].licence, by_id["freesound:99"].captions) == ("", ("rain",))


def test_esc50(replica):
    root = replica("ESC-50")
    items = items_of("ESC-50", root, "all")
    assert items["1-100032-A-0.wav"].licence == "CC BY 3.0"
    assert items["1-17124-A-43.wav"].licence == "CC BY-NC 3.0"
    assert items["5-101336-A-30.wav"].fold == "5"
    corpus = find_corpus("ESC-50")
    assert corpus.classes(root) == ("dog", "door_wood_knock", "car_horn")
    assert corpus.prompt("door_wood_knock") == "knocking on a wooden door"


def test_urbansound8k(replica):
    items = items_of("UrbanSound8K", replica("UrbanSound8K"), "all")
    slice_ = items["100263-2-0-117.wav"]
    assert (slice_.labels, slice_.fold, slice_.duration_s) == (("children_playing",), "10", 4.0)


def test_vggsound(replica):
    root, corpus = replica("VGGSound"), find_corpus("VGGSound")
    items = items_of("VGGSound", root, "train")
    assert items["--9O4XZOge4_000030"].labels == ("female speech, woman speaking",)
    assert corpus.prompt("eletric blender running") == "electric blender running"
    assert "people marching" in corpus.classes(root)


def test_fsd50k_has_several_labels_and_a_licence_per_clip(replica):
    root = replica("FSD50K")
    [train] = items_of("FSD50K", root, "train").values()
    [val] = items_of("FSD50K", root, "val").values()
    assert train.labels[0] == "Electric_guitar"
    assert len(train.labels) == 5
    assert (train.licence, val.licence) == ("CC BY 3.0", "CC BY-NC 3.0")
    [evaluation] = items_of("FSD50K", root, "eval").values()
    assert [find_corpus("FSD50K").prompt(label) for label in evaluation.labels] == ["chirp, tweet", "music"]
