"""The recipe in small: three sounds, a tagger that hears their loudness, and a pool of scenes of theirs."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from flam.audio import write_audio
from flam.data.phrases import PhraseSet
from flam.data.texts import LabelVariants
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip, read_manifest
from flam.procedural import generate
from flam.scenes.effects import EffectsConfig
from recipes.flam_mini.clip_windows import embed_clips
from recipes.flam_mini.pool import MINI_SCENES, PoolConfig, build_pool
from recipes.flam_mini.teacher import TeacherOutput

LABELS = ["dog bark", "rain", "siren"]
SCENE = replace(MINI_SCENES, duration_s=2.56, background_share=0.0, effects=EffectsConfig())
POOL = PoolConfig(scene=SCENE, shard_scenes=30)
PHRASES = {
    "dog bark": PhraseSet("dog bark", ("barking dog",), ("siren", "wolf howl"), ("dog",)),
    "wolf howl": PhraseSet("wolf howl", ("howling",), (), ()),
}
PHRASE_FILE = """
dog bark: {phrases: [barking dog], near: [siren, wolf howl], parents: [dog]}
wolf howl: {phrases: [howling], near: [], parents: []}
siren: {phrases: [a siren wails], near: [], parents: []}
rain: {phrases: [the sound of rain], near: [], parents: []}
"""
WORDS = [
    *("a", "the", "of", "sound", "dog", "bark", "barking", "rain", "siren"),
    *("wails", "loud", "noise", "quiet", "wolf", "howl", "howling"),
]


class LoudnessTeacher:
    """Stands in for a tagger: its embedding is the level of each window, its classes whether it is loud or quiet."""

    def __call__(self, waveform, sample_rate, starts_s):
        levels = [np.abs(waveform[round(s * sample_rate) :][: round(0.975 * sample_rate)]).mean() for s in starts_s]
        column = np.array(levels, dtype=np.float32)[:, None]
        embedding = np.hstack([np.log(column + 1e-6), column])
        level = np.exp(embedding[:, :1])
        scores = np.hstack([np.minimum(level * 5, 1), np.minimum(0.02 / level, 1)])
        return TeacherOutput(embedding, scores.astype(np.float32))


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """Working folder of the recipe with everything that comes before the training, in small."""
    folder = tmp_path_factory.mktemp("work")
    clips = []
    for label in LABELS:
        for take in range(2):
            path = folder / f"{label}{take}.wav"
            write_audio(path, generate(label, seed=take, duration_s=1.5), 48_000)
            clips.append(SourceClip(path.stem, path, label, f"the {label}", "event", path.stem, "", "made", "CC0"))
    write_audio(folder / "silent.wav", np.zeros(48_000, dtype=np.float32), 48_000)
    (folder / "broken.wav").write_text("not audio")
    unusable = [
        SourceClip(name, folder / f"{name}.wav", "rain", "", "event", name, "", "made", "CC0")
        for name in ("silent", "broken")
    ]
    assert WaveformBank.build([*clips, *unusable], folder / "bank") == ["silent", "broken"]
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("id", "file", "label", "caption", "kind", "group", "source", "licence"))
        table.writerows((c.clip_id, c.path.name, c.label, c.caption, c.kind, c.group, c.source, "CC0") for c in clips)
    (folder / "phrases").mkdir()
    (folder / "phrases" / "sounds.yaml").write_text(PHRASE_FILE)
    (folder / "classes.txt").write_text("Loud, noise\nQuiet\n")
    (folder / "pairs.tsv").write_text("rain\tsiren\nbarking dog\tdog bark\n")
    vocabulary = {"[PAD]": 0, "[UNK]": 1, **{word: row + 2 for row, word in enumerate(WORDS)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    bank = WaveformBank(folder / "bank")
    embed_clips(clips, bank, LoudnessTeacher()).save(folder / "windows.npz")
    finished: list[int] = []
    build_pool(clips, LABELS, bank, LoudnessTeacher(), folder / "pool", range(2), POOL, finished.append)
    assert finished == [0, 1]
    # a second run makes only what is missing, and makes it the same
    kept, lost = (folder / "pool" / f"{shard:06d}.npy" for shard in range(2))
    stamp, content = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    build_pool(clips, LABELS, bank, LoudnessTeacher(), folder / "pool", range(2), POOL)
    assert kept.stat().st_mtime_ns == stamp
    assert lost.read_bytes() == content
    return folder


@pytest.fixture(scope="session")
def pool_folder(work):
    return work / "pool"


@pytest.fixture(scope="session")
def clips(work):
    return read_manifest(work / "manifest.csv")


@pytest.fixture(scope="session")
def tokenizer(work):
    return Tokenizer.from_file(str(work / "tokenizer.json"))


@pytest.fixture(scope="session")
def label_variants(clips, tokenizer):
    return LabelVariants(LABELS, clips, PHRASES, tokenizer, classes=["Loud, noise", "Quiet"])


@pytest.fixture(scope="session")
def sound_labels():
    return LABELS


@pytest.fixture(scope="session")
def phrase_sets():
    return PHRASES
