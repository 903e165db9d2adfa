"""Tiny replicas of public corpora, in the exact layouts they are published in."""

import json

import numpy as np
import pytest
import soundfile

RATE = 8_000
FSD50K_LABELS = "Electric_guitar,Guitar,Plucked_string_instrument,Musical_instrument,Music"


def audio(path, seconds=0.05):
    path.parent.mkdir(parents=True, exist_ok=True)
    waveform = 0.1 * np.sin(np.arange(round(seconds * RATE)))
    soundfile.write(path, waveform, RATE, format="FLAC" if path.suffix == ".flac" else "WAV")


def table(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def desed(root):
    table(
        root / "metadata/validation/validation.tsv",
        "filename\tonset\toffset\tevent_label\n"
        "Y00pbt6aJV8Y_350.000_360.000.wav\t0.5\t9.971\tVacuum_cleaner\n"
        "Y00pbt6aJV8Y_350.000_360.000.wav\t0.0\t0.25\tSpeech\n"
        "Y-_x12345678_0.000_7.000.wav\t\t\t\n",
    )
    table(
        root / "metadata/validation/validation_durations.tsv", "filename\tduration\nY-_x12345678_0.000_7.000.wav\t7.0\n"
    )
    table(
        root / "metadata/eval/public.tsv",
        "filename\tonset\toffset\tevent_label\n-6Vtt4ubkC8_78_88.wav\t1.742\t10.000\tElectric_shaver_toothbrush\n",
    )
    one_dog = "filename\tonset\toffset\tevent_label\n{}\t1.0\t2.0\tDog\n"
    for part, name in (("train", "1000.wav"), ("validation", "7.wav")):
        soundscapes = f"{part}/synthetic21_{part}/soundscapes"
        table(root / f"metadata/{soundscapes}.tsv", one_dog.format(name))
        audio(root / "audio" / soundscapes / name)
    table(root / "metadata/train/audioset_strong.tsv", one_dog.format("Y0b_strong_1_30.000_40.000.wav"))
    audio(root / "audio/train/strong_label_real/Y0b_strong_1_30.000_40.000.wav")
    table(root / "metadata/train/weak.tsv", "filename\tevent_labels\nYabcdefghijk_30.000_40.000.wav\tSpeech,Dishes\n")
    for name in ("Y00pbt6aJV8Y_350.000_360.000.wav", "Y-_x12345678_0.000_7.000.wav"):
        audio(root / "audio/validation/validation" / name)
    audio(root / "audio/eval/public/-6Vtt4ubkC8_78_88.wav")
    audio(root / "audio/train/weak/Yabcdefghijk_30.000_40.000.wav")


def urbansed(root):
    rows = "1.265813\t1.6759810000000002\tgun_shot\n9.164048\t10.000000000000002\tdog_bark\n"
    table(root / "annotations/test/soundscape_test_bimodal0.txt", rows)
    table(root / "annotations/test/soundscape_test_bimodal0.jams", "{}")
    table(root / "annotations/train/soundscape_train_uniform1736.txt", rows)
    table(root / "annotations/validate/soundscape_validate_uniform7.txt", rows)
    audio(root / "audio/test/soundscape_test_bimodal0.wav")
    audio(root / "audio/train/soundscape_train_uniform1736.wav")
    audio(root / "audio/validate/soundscape_validate_uniform7.wav")


def audioset_strong(root):
    header = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
    table(
        root / "audioset_eval_strong.tsv",
        f"{header}s9d-2nhuJCQ_30000\t2.627\t7.237\t/m/053hz1\n--0PQM4-hqg_0\t0.0\t1.0\t/m/09x0r\n"
        "_0a_b-C_dE__110000\t0.1\t0.2\t/m/02zsn\n",
    )
    table(root / "audioset_train_strong.tsv", f"{header}b0RFKhbpFJA_30000\t0.000\t10.000\t/m/09x0r\n")
    table(
        root / "mid_to_display_name.tsv",
        "/m/053hz1\tCheering\n/m/09x0r\tSpeech\n/m/02zsn\tFemale speech, woman speaking\n",
    )
    for name in ("s9d-2nhuJCQ_30000", "Y--0PQM4-hqg", "_0a_b-C_dE__110_120", "Yb0RFKhbpFJA_30.000_40.000"):
        audio(root / "audio" / f"{name}.wav")


def maestro_real(root):
    table(
        root / "development_annotation/soft_labels_cafe_restaurant/cafe_restaurant_14.txt",
        "0.0\t1.0\tcutlery and dishes\t0.22607917138849756\n0.0\t1.0\tfootsteps\t1.0000000002\n"
        "1.0\t2.0\tfootsteps\t0.7\n1.0\t2.0\tcar\t0.0\n",
    )
    audio(root / "development_audio/cafe_restaurant/cafe_restaurant_14.wav")
    table(root / "development_folds/fold3_test.csv", "filename\ncafe_restaurant/cafe_restaurant_14\n")


def asfx_sed(root):
    table(
        root / "metadata.tsv",
        "filename\tonset\toffset\tevent_label\nscene, one.wav\t0\t1.5\tsword pulled out of its sheath\n",
    )
    audio(root / "audio/scene, one.wav")


def audiocaps(root):
    table(
        root / "dataset/test.csv",
        "audiocap_id,youtube_id,start_time,caption\n"
        '103549,7fmOlUlwoNg,20,"Constant rattling noise, and sharp vibrations"\n'
        "103548,7fmOlUlwoNg,20,A rocket flies by followed by a loud explosion\n"
        "103541,-AheI8Epim4,30,A man talks\n",
    )
    for name, row in {
        "dataset/train": "91139,r1nicOVtvkQ,130,A woman talks",
        "dataset/val": "97151,vfY_TJq7n_U,130,Ducks quack",
        "dataset2.0/train": "91139,r1nicOVtvkQ,130,A woman is talking",
        "dataset2.0/val": "97151,vfY_TJq7n_U,130,Ducks are quacking",
        "dataset2.0/test": "103541,-AheI8Epim4,30,A man is talking",
    }.items():
        table(root / f"{name}.csv", f"audiocap_id,youtube_id,start_time,caption\n{row}\n")
    audio(root / "audio/test/7fmOlUlwoNg_20.flac")
    audio(root / "audio/test/Y-AheI8Epim4.wav")
    audio(root / "audio/train/91139.wav")
    audio(root / "audio/val/vfY_TJq7n_U_130_140.wav")


def clotho(root):
    names = {
        "development": " Ambience Birds.wav",
        "validation": "Pájaros, río (noche) #2..wav",
        "evaluation": "_Stream 2 at Krka falls.wav",
    }
    for split, name in names.items():
        captions = ",".join(f'"A bird, number {number}, sings ."' for number in range(1, 6))
        table(
            root / f"clotho_captions_{split}.csv",
            f'file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n"{name}",{captions}\n',
        )
        table(
            root / f"clotho_metadata_{split}.csv",
            "file_name,keywords,sound_id,sound_link,start_end_samples,manufacturer,license\n"
            f'"{name}",birds;río,156,https://freesound.org/people/plagasul/sounds/156,"[0, 882000]",plagasul,'
            "http://creativecommons.org/licenses/by/3.0/\n",
            encoding="cp1252",
        )
        audio(root / split / name)


def wavcaps(root):
    def source(folder, file, entries):
        table(root / "json_files" / folder / file, json.dumps({"num_captions_per_audio": 1, "data": entries}))

    nested = "mnt/scratch"
    source("AudioSet_SL", "as_final.json", [{"id": "Yb0RFKhbpFJA.wav", "caption": "A man speaks.", "duration": 10.0}])
    source("BBC_Sound_Effects", "bbc_final.json", [{"id": "07066104", "caption": "Sawing.", "duration": 138.36}])
    source(
        "FreeSound",
        "fsd_final.json",
        [
            {"id": "2219", "caption": "A tone, ringing.", "duration": "3.2", "tags": ["x"], "author": "Tempouser"},
            {"id": "77", "caption": "A dog.", "duration": 1.0},
        ],
    )
    table(  # as it was released first, without the object around it
        root / "json_files/SoundBible/sb_final.json",
        json.dumps([{"id": "2219", "title": "Airplane", "caption": "An airplane is landing.", "duration": 14.14}]),
    )
    table(
        root / "json_files/blacklist/blacklist_exclude_all_ac.json", json.dumps({"FreeSound": ["77"], "AudioSet": []})
    )
    audio(root / f"Zip_files/AudioSet_SL/{nested}/Yb0RFKhbpFJA.flac")
    audio(root / "BBC_Sound_Effects_flac/07066104.flac")
    audio(root / "Zip_files/FreeSound/2219.flac")
    audio(root / "Zip_files/FreeSound/77.flac")
    audio(root / "Zip_files/SoundBible/2219.flac")


def auto_acd(root):
    table(root / "train.csv", 'youtube_id,caption\noPRC3zComfA_000117,"Music, lively."\n-AheI8Epim4,A man talks\n')
    table(root / "test.csv", "youtube_id,caption\n_0a_b-C_dE_,Rain\n")
    audio(root / "audio/oPRC3zComfA_000117.wav")
    audio(root / "audio/Y-AheI8Epim4_30_40.wav")
    audio(root / "audio/_0a_b-C_dE_.wav")


def freesound(root):
    pack = root / "7926__joedeshon__clocks"
    table(
        pack / "_readme_and_license.txt",
        'Pack downloaded from Freesound\n----------------------------------------\n\n"Clocks"\n\n'
        "This Pack of sounds contains sounds by the following user:\n"
        " - joedeshon ( https://freesound.org/people/joedeshon/ )\n\n"
        "You can find this pack online at: https://freesound.org/people/joedeshon/packs/7926/\n\n\n"
        "Licenses in this Pack (see below for individual sound licenses)\n"
        "---------------------------------------------------------------\n\n"
        "Attribution 4.0: https://creativecommons.org/licenses/by/4.0/\n"
        "Creative Commons 0: http://creativecommons.org/publicdomain/zero/1.0/\n\n\n"
        "Sounds in this Pack\n-------------------\n\n"
        "  * 163372__joedeshon__grandfather-clock-chime.wav\n"
        "    * url: https://freesound.org/s/163372/\n    * license: Attribution 4.0\n"
        "  * 163371__joe_deshon__tick_tock.v2.wav\n"
        "    * url: https://freesound.org/s/163371/\n    * license: Creative Commons 0\n\n",
    )
    audio(pack / "163372__joedeshon__grandfather-clock-chime.wav")
    audio(pack / "163371__joe_deshon__tick_tock.v2.wav")
    audio(root / "99__inspectorj__rain.wav")


def esc50(root):
    table(
        root / "meta/esc50.csv",
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-100032-A-0.wav,1,0,dog,True,100032,A\n1-17124-A-43.wav,1,43,car_horn,False,17124,A\n"
        "5-101336-A-30.wav,5,30,door_wood_knock,False,101336,A\n",
    )
    for name in ("1-100032-A-0", "1-17124-A-43", "5-101336-A-30"):
        audio(root / f"audio/{name}.wav")


def urbansound8k(root):
    table(
        root / "metadata/UrbanSound8K.csv",
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark\n"
        "100263-2-0-117.wav,100263,58.5,62.5,1,10,2,children_playing\n",
    )
    audio(root / "audio/fold5/100032-3-0-0.wav")
    audio(root / "audio/fold10/100263-2-0-117.wav")


def vggsound(root):
    table(
        root / "vggsound.csv",
        '---g-f_I2yQ,1,people marching,test\n--9O4XZOge4,30,"female speech, woman speaking",train\n'
        "-2zHCY2q4DA,139,eletric blender running,train\n",
    )
    audio(root / "audio/---g-f_I2yQ_000001.wav")
    audio(root / "audio/--9O4XZOge4_30.wav")
    audio(root / "audio/Y-2zHCY2q4DA.wav")


def fsd50k(root):
    ground_truth = root / "FSD50K.ground_truth"
    mids = "/m/02sgy,/m/0342h,/m/0fx80y,/m/04szw,/m/04rlf"
    table(
        ground_truth / "dev.csv",
        f'fname,labels,mids,split\n64760,"{FSD50K_LABELS}","{mids}",train\n345111,"{FSD50K_LABELS}","{mids}",val\n',
    )
    table(ground_truth / "eval.csv", 'fname,labels,mids\n99,"Chirp_and_tweet,Music","/m/07pggtn,/m/04rlf"\n')
    vocabulary = [*FSD50K_LABELS.split(","), "Chirp_and_tweet"]
    table(ground_truth / "vocabulary.csv", "".join(f"{i},{name},/m/{i}\n" for i, name in enumerate(vocabulary)))
    clip = {"title": "a", "description": "b", "tags": [], "uploader": "c"}
    by = {**clip, "license": "http://creativecommons.org/licenses/by/3.0/"}
    nc = {**clip, "license": "http://creativecommons.org/licenses/by-nc/3.0/"}
    table(root / "FSD50K.metadata/dev_clips_info_FSD50K.json", json.dumps({"64760": by, "345111": nc}))
    table(root / "FSD50K.metadata/eval_clips_info_FSD50K.json", json.dumps({"99": by}))
    audio(root / "FSD50K.dev_audio/64760.wav")
    audio(root / "FSD50K.dev_audio/345111.wav")
    audio(root / "FSD50K.eval_audio/99.wav")


BUILDERS = {
    "DESED": desed,
    "URBAN-SED": urbansed,
    "AudioSet-Strong": audioset_strong,
    "MAESTRO Real": maestro_real,
    "ASFX-SED": asfx_sed,
    "AudioCaps": audiocaps,
    "Clotho": clotho,
    "WavCaps": wavcaps,
    "Auto-ACD": auto_acd,
    "Freesound": freesound,
    "ESC-50": esc50,
    "UrbanSound8K": urbansound8k,
    "VGGSound": vggsound,
    "FSD50K": fsd50k,
}


@pytest.fixture
def replica(tmp_path):
    """Build a replica of a corpus, all of its audio in place, and give its folder."""

    def build(name, folder="corpus"):
        root = tmp_path / folder
        root.mkdir()
        BUILDERS[name](root)
        return root

    return build
