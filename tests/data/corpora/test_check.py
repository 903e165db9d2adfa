"""Missing, damaged and stray files, wrong folders and bad rows: each is counted and named, none stops the rest."""

import json
import os

import pytest

from flam.data.corpora import CORPORA, CorpusError, Tally, check_corpus, find_corpus


def first_present(corpus, root):
    split = corpus.present_splits(root)[0]
    return split, corpus.items(root, split)[0]


@pytest.mark.parametrize("name", CORPORA)
def test_whole_replica_is_sound(replica, name):
    root, calls = replica(name), []
    report = check_corpus(CORPORA[name], root, decode=True, progress=lambda *call: calls.append(call))
    assert report.is_sound
    assert all(split.n_present == split.n_listed > 0 for split in report.splits)
    assert {split.split for split in report.splits} | set(report.absent) == set(CORPORA[name].splits)
    assert report.stray.count == 0
    total = sum(split.n_listed for split in report.splits)
    assert calls == [(done, total) for done in range(1, total + 1)]


@pytest.mark.parametrize("name", [name for name in CORPORA if name != "Freesound"])
def test_missing_audio_is_counted_and_named(replica, name):
    root, corpus = replica(name), CORPORA[name]
    split, gone = first_present(corpus, root)
    gone.path.unlink()
    report = check_corpus(corpus, root, [split])
    assert report.splits[0].missing == Tally(1, (gone.recording,))
    assert report.splits[0].n_listed == report.splits[0].n_present + 1
    assert report.is_sound == corpus.by_link  # a dead link is nobody's fault


@pytest.mark.parametrize("name", CORPORA)
def test_damaged_audio_is_counted_and_named(replica, name):
    root, corpus = replica(name), CORPORA[name]
    split, bad = first_present(corpus, root)
    bad.path.write_bytes(b"not a recording")
    report = check_corpus(corpus, root, [split])
    assert report.splits[0].damaged.count == 1
    assert report.splits[0].damaged.first[0].startswith(f"{bad.recording}: ")
    assert report.splits[0].n_listed == report.splits[0].n_present + 1
    assert not report.is_sound


def test_empty_file_and_file_without_samples(replica):
    import soundfile

    root = replica("ESC-50")
    (root / "audio/1-100032-A-0.wav").write_bytes(b"")
    soundfile.write(root / "audio/1-17124-A-43.wav", [], 8000)
    [split] = check_corpus(CORPORA["ESC-50"], root).splits
    assert split.damaged.first[0].startswith("1-100032-A-0.wav: is empty, 0 bytes")
    assert split.damaged.first[1] == "1-17124-A-43.wav: holds no samples"


def test_only_decoding_finds_a_file_that_was_cut_off(replica):
    root = replica("ESC-50")
    path = root / "audio/1-100032-A-0.wav"
    path.write_bytes(path.read_bytes()[:-200])
    assert check_corpus(CORPORA["ESC-50"], root).is_sound
    [split] = check_corpus(CORPORA["ESC-50"], root, decode=True).splits
    assert "that its header promises" in split.damaged.first[0]


def test_links_that_lead_nowhere_are_missing(replica):
    root = replica("ESC-50")
    path = root / "audio/1-100032-A-0.wav"
    path.unlink()
    path.symlink_to(root / "nowhere.wav")
    report = check_corpus(CORPORA["ESC-50"], root)
    assert report.splits[0].missing.first == ("1-100032-A-0.wav (a link that leads nowhere)",)
    clips = replica("VGGSound", "vgg")
    (clips / "audio/---g-f_I2yQ_000001.wav").unlink()
    (clips / "audio/---g-f_I2yQ_000001.wav").symlink_to(root / "nowhere.wav")
    report = check_corpus(CORPORA["VGGSound"], clips)
    assert {split.split: split.missing.count for split in report.splits} == {"train": 0, "test": 1}


def test_links_that_lead_somewhere_are_followed(replica, tmp_path):
    root = replica("ESC-50")
    (root / "audio").rename(tmp_path / "elsewhere")
    (root / "audio").symlink_to(tmp_path / "elsewhere")
    assert check_corpus(CORPORA["ESC-50"], root).is_sound


def test_stray_recordings_are_named_and_harm_nothing(replica):
    root = replica("ESC-50")
    (root / "audio/extra.wav").write_bytes((root / "audio/1-100032-A-0.wav").read_bytes())
    (root / "audio/notes.txt").write_text("not a recording")
    (root / "audio/._1-100032-A-0.wav").write_bytes(b"what macOS leaves behind")
    report = check_corpus(CORPORA["ESC-50"], root)
    assert report.stray.first == (os.path.join("audio", "extra.wav"),)
    assert report.is_sound


@pytest.mark.parametrize("name", [name for name in CORPORA if name != "Freesound"])
def test_wrong_folder(name, tmp_path):
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CorpusError, match="holds none of the tables"):
            check_corpus(CORPORA[name], root)


def test_freesound_folder_without_sounds_is_not_sound(tmp_path):
    assert not check_corpus(CORPORA["Freesound"], tmp_path).is_sound
    with pytest.raises(CorpusError, match="holds none of the tables"):
        check_corpus(CORPORA["Freesound"], tmp_path / "nowhere")


@pytest.mark.parametrize("name", [name for name, corpus in CORPORA.items() if corpus.unpacks_to])
def test_folder_above_the_archive_will_do(replica, tmp_path, name):
    replica(name, CORPORA[name].unpacks_to[0])
    assert check_corpus(CORPORA[name], tmp_path).is_sound


def test_split_that_is_not_there(replica):
    root = replica("DESED")
    (root / "metadata/validation/validation.tsv").unlink()
    report = check_corpus(CORPORA["DESED"], root)
    assert "validation" in report.absent
    assert report.is_sound
    with pytest.raises(CorpusError, match="split 'validation' of DESED is not there; get it from https"):
        check_corpus(CORPORA["DESED"], root, ["validation"])
    with pytest.raises(CorpusError, match="no split 'valid'; its splits: validation, public"):
        check_corpus(CORPORA["DESED"], root, ["valid"])


def test_one_split_leaves_the_others_alone(replica):
    root = replica("DESED")
    (root / "audio/eval/public/-6Vtt4ubkC8_78_88.wav").unlink()
    report = check_corpus(CORPORA["DESED"], root, ["validation"])
    assert report.is_sound
    assert report.stray.count == 0


TABLES = sorted({(name, table) for name, corpus in CORPORA.items() for table in corpus.tables.values()})
HEADED = [(n, t) for n, t in TABLES if t.endswith((".csv", ".tsv")) and n != "VGGSound"]


@pytest.mark.parametrize(("name", "table"), HEADED)
def test_table_with_other_columns_is_told_and_the_others_are_checked(replica, name, table):
    root = replica(name)
    (root / table).write_text("one,two\n1,2\n")
    report = check_corpus(CORPORA[name], root)
    spoiled = [split for split in report.splits if CORPORA[name].tables[split.split] == table]
    assert all("has no column" in split.problems.first[0] for split in spoiled)
    others = [split for split in report.splits if CORPORA[name].tables[split.split] != table]
    assert all(split.n_present > 0 for split in others)
    assert not report.is_sound


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b'filename,"fold\n1,2\n'])
def test_table_that_cannot_be_read_at_all(replica, content):
    root = replica("ESC-50")
    (root / "meta/esc50.csv").write_bytes(content)
    with pytest.raises(CorpusError, match=r"esc50\.csv"):
        find_corpus("ESC-50").items(root, "all")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Y00pbt6aJV8Y_350.000_360.000.wav\t3\t2\tDog\n", "0 <= onset <= offset"),
        ("Y00pbt6aJV8Y_350.000_360.000.wav\tnan\t2\tDog\n", "0 <= onset <= offset"),
        ("Y00pbt6aJV8Y_350.000_360.000.wav\thalf\t2\tDog\n", "'half' is not a number"),
        ("Y00pbt6aJV8Y_350.000_360.000.wav\t0.5\t2\n", "3 cells where 4"),
        ("Y00pbt6aJV8Y_350.000_360.000.wav\t0.5\t2\t\n", "an event without a label"),
        ("Y00pbt6aJV8Y_350.000_360.000.wav\t0.5\t2\tDog\tCat\n", "5 cells where 4"),
    ],
)
def test_recording_with_a_bad_row_is_left_out_whole(replica, row, message):
    root = replica("DESED")
    with open(root / "metadata/validation/validation.tsv", "a") as file:
        file.write(row)
    problems = []
    items = CORPORA["DESED"].items(root, "validation", problems.append)
    assert [item.recording for item in items] == ["Y-_x12345678_0.000_7.000.wav"]
    [problem] = problems
    assert message in problem
    assert "line 5" in problem
    assert "'Y00pbt6aJV8Y_350.000_360.000.wav' is left out" in problem


def test_label_that_is_no_class(replica):
    root = replica("DESED")
    with open(root / "metadata/eval/public.tsv", "a") as file:
        file.write("-6Vtt4ubkC8_78_88.wav\t0\t1\tdog\n")
    report = check_corpus(CORPORA["DESED"], root, ["public"])
    assert report.splits[0].problems.first == ("-6Vtt4ubkC8_78_88.wav: 'dog' is none of the corpus' 10 classes",)
    assert not report.is_sound


@pytest.mark.parametrize(
    ("name", "table", "split", "row"),
    [
        ("ESC-50", "meta/esc50.csv", "all", "1-1-A-1.wav,1,1\n"),
        ("UrbanSound8K", "metadata/UrbanSound8K.csv", "all", "1-0-0-0.wav,1,a,b,1,5,0,siren\n"),
        ("AudioCaps", "dataset/test.csv", "test", "1,abcdefghijk,soon,A man, a plan\n"),
        ("AudioCaps", "dataset/test.csv", "test", "1,abcdefghijk,-30,A man\n"),
        ("VGGSound", "vggsound.csv", "train", "abcdefghijk,soon,skiing,train\n"),
        ("VGGSound", "vggsound.csv", "train", "abcdefghijk,30,skiing,validation\n"),
        ("FSD50K", "FSD50K.ground_truth/dev.csv", "train", "12,Music,/m/1,test\n"),
        ("Auto-ACD", "train.csv", "train", "short,A caption\n"),
        ("Auto-ACD", "train.csv", "train", "abcdefghijk_30,A caption\n"),
        ("AudioSet-Strong", "audioset_eval_strong.tsv", "eval", "abcdefghijk\t0\t1\t/m/09x0r\n"),
        ("AudioSet-Strong", "audioset_eval_strong.tsv", "eval", "abcdefghijk_30000\t0\t1\t/m/unheard\n"),
    ],
)
def test_bad_row_is_told_and_the_others_stay(replica, name, table, split, row):
    root, corpus, problems = replica(name), CORPORA[name], []
    good = corpus.items(root, split)
    with open(root / table, "a") as file:
        file.write(row)
    assert corpus.items(root, split, problems.append) == good
    [problem] = problems
    assert os.path.basename(table) in problem


def test_recording_listed_twice_counts_once(replica):
    root, problems = replica("ESC-50"), []
    with open(root / "meta/esc50.csv", "a") as file:
        file.write("1-100032-A-0.wav,2,1,rooster,False,100032,A\n")
    items = CORPORA["ESC-50"].items(root, "all", problems.append)
    assert [item.fold for item in items if item.recording == "1-100032-A-0.wav"] == ["1"]
    assert problems == [f"{root / 'meta/esc50.csv'}: '1-100032-A-0.wav' is listed again; the first one counts"]


@pytest.mark.parametrize(
    "rows", ["0\t1\n", "0\t1\tcar\t0.5\t1\n", "0\t1\tcar\tnan\n", "0\t1\tcar\t-1\n", "0\t1\tcar\t7\n"]
)
def test_maestro_file_with_a_bad_row_is_left_out(replica, rows):
    root, problems = replica("MAESTRO Real"), []
    (root / "development_annotation/soft_labels_cafe_restaurant/cafe_restaurant_03.txt").write_text(rows)
    [item] = CORPORA["MAESTRO Real"].items(root, "development", problems.append)
    assert item.recording == "cafe_restaurant_14"
    assert "'cafe_restaurant_03' is left out" in problems[0]


def test_urbansed_file_with_a_bad_row_is_left_out_and_one_without_rows_is_silent(replica):
    root, problems = replica("URBAN-SED"), []
    (root / "annotations/test/bad.txt").write_text("1.0 2.0 siren\n")
    (root / "annotations/test/silent.txt").write_text("")
    (root / "annotations/test/._silent.txt").write_bytes(b"\x00\xff")
    items = {item.recording: item for item in CORPORA["URBAN-SED"].items(root, "test", problems.append)}
    assert items["silent"].events == ()
    assert "bad" not in items
    assert len(problems) == 1


@pytest.mark.parametrize(
    "content", ["{", '{"data": 3}', '{"AudioSet": []}', "[{}]", '[{"id": 7, "caption": "x"}]', '[{"id": "7"}]', "[4]"]
)
def test_wavcaps_json_that_is_not_what_it_should_be(replica, content):
    root = replica("WavCaps")
    (root / "json_files/SoundBible/sb_final.json").write_text(content)
    report = check_corpus(CORPORA["WavCaps"], root)
    by_split = {split.split: split for split in report.splits}
    assert "sb_final.json" in by_split["SoundBible"].problems.first[0]
    assert by_split["FreeSound"].n_present == 2


@pytest.mark.parametrize("content", ["[", "[]", '{"FreeSound": 3}'])
def test_wavcaps_blacklist_that_cannot_be_read_stops_its_source(replica, content):
    root = replica("WavCaps")
    (root / "json_files/blacklist/blacklist_exclude_test_ac.json").write_text(content)
    with pytest.raises(CorpusError, match="blacklist"):
        CORPORA["WavCaps"].items(root, "FreeSound")
    assert CORPORA["WavCaps"].items(root, "SoundBible")


def test_optional_tables_are_missed_but_not_needed(replica):
    root, problems = replica("FSD50K"), []
    (root / "FSD50K.metadata/dev_clips_info_FSD50K.json").unlink()
    [item] = CORPORA["FSD50K"].items(root, "train", problems.append)
    assert item.licence == ""
    assert "no clip has a licence" in problems[0]
    root, problems = replica("Clotho", "clotho"), []
    (root / "clotho_metadata_validation.csv").unlink()
    [item] = CORPORA["Clotho"].items(root, "validation", problems.append)
    assert item.group == "clotho:Pájaros, río (noche) #2..wav"
    assert "is missing" in problems[0]


def test_needed_names_are_missed(replica):
    root = replica("FSD50K")
    (root / "FSD50K.ground_truth/vocabulary.csv").unlink()
    report = check_corpus(CORPORA["FSD50K"], root)
    assert "vocabulary.csv" in report.splits[0].problems.first[0]
    assert report.splits[0].n_present == 1
    root = replica("AudioSet-Strong", "audioset")
    (root / "mid_to_display_name.tsv").unlink()
    report = check_corpus(CORPORA["AudioSet-Strong"], root)
    assert "mid_to_display_name.tsv" in report.splits[0].problems.first[0]


def test_freesound_list_without_sounds(replica):
    root, problems = replica("Freesound"), []
    [readme] = root.rglob("_readme_and_license.txt")
    readme.write_text("lost\n")
    items = CORPORA["Freesound"].items(root, "all", problems.append)
    assert [item.licence for item in items] == ["", "", ""]
    assert "lists no sounds" in problems[0]


def test_freesound_listed_sound_that_is_not_there(replica):
    root = replica("Freesound")
    next(root.rglob("163372__*")).unlink()
    [split] = check_corpus(CORPORA["Freesound"], root).splits
    assert (split.n_listed, split.n_present, split.missing.count) == (3, 2, 1)


def test_only_the_first_names_are_kept(replica):
    root = replica("ESC-50")
    with open(root / "meta/esc50.csv", "a") as file:
        file.writelines(f"2-{i}-A-0.wav,2,0,dog,True,{i},A\n" for i in range(25))
    [split] = check_corpus(CORPORA["ESC-50"], root).splits
    assert split.missing.count == 25
    assert len(split.missing.first) == 10


def test_name_with_a_null_character_is_missing(replica):
    root = replica("WavCaps")
    entry = {"id": "a\x00b", "caption": "A caption.", "duration": "long"}
    (root / "json_files/SoundBible/sb_final.json").write_text(json.dumps({"data": [entry]}))
    report = check_corpus(CORPORA["WavCaps"], root, ["SoundBible"])
    assert report.splits[0].missing.count == 1
    assert CORPORA["WavCaps"].items(root, "SoundBible")[0].duration_s is None
