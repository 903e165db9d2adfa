"""Scenes a second of flam and of Scaper (Salamon et al., 2017), side by side on one core.

    apt-get install libsox-dev sox && pip install "scaper==1.6.5" flam-audio
    python benchmarks/scenes_scaper.py [events in a scene] [scenes]

Both make soundscapes of 10 s at 48 kHz from the same files, the built-in sounds of flam: a background, so many events
of any label, 0.5 to 4 s long, anywhere, 6 to 30 dB above the background, fades of 10 ms, no change of pitch or speed,
no reverberation. Both draw a plan, mix it in memory, and give audio and labels; neither writes them. Scaper sets levels
by LUFS, flam by A-weighted active RMS, and flam also corrects the labels to what can be heard. They take turns, and the
time is that of the processor, children included, so that what else runs on the machine matters little.

flam is shown three times: it reads each clip from its file whenever a scene needs it, as Scaper does; it keeps decoded
clips in memory, as `flam synth render` does; it takes them from a bank of decoded clips, as training does.
"""

import resource
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scaper
import soundfile

from flam.core import round_half_up
from flam.library.bank import WaveformBank
from flam.library.scan import scan_library
from flam.library.stores import DiskStore
from flam.procedural.built_in import built_in_library
from flam.scenes.distributions import Constant, Uniform
from flam.scenes.scene_config import RepeatConfig, SceneConfig, SplitConfig
from flam.scenes.stream import SceneStream

RATE, DURATION_S, BACKGROUND_DB = 48_000, 10.0, -50.0
N_TAKES = 2
EVENT_S, SNR_DB = (0.5, 4.0), (6.0, 30.0)
N_FIRST, N_BETWEEN, N_TURNS = 20, 300, 4


def write_library(folder: Path) -> Path:
    """The built-in sounds as Scaper wants them, ``foreground/LABEL/TAKE.wav`` and ``background/LABEL/TAKE.wav``.

    Returns
    -------
    the manifest that flam wants
    """
    clips, source = built_in_library(N_TAKES, 0)
    rows = ["id,file,label,caption,kind,group,source,licence"]
    for number, clip in enumerate(clips):
        kind = "background" if clip.kind == "background" else "foreground"
        path = folder / kind / clip.label / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = source.waveform(clip.clip_id)
        if kind == "background":  # Scaper can't use shorter ones
            samples = np.resize(samples, max(len(samples), round_half_up(DURATION_S * RATE)))
        soundfile.write(path, samples, RATE)
        rows.append(f"{number},{path},{clip.label},,{clip.kind},{number},made,CC0")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return manifest


def scaper_scene(folder: Path, n_events: int) -> Callable[[int], None]:
    def make(index: int) -> None:
        scene = scaper.Scaper(DURATION_S, str(folder / "foreground"), str(folder / "background"), random_state=index)
        scene.sr, scene.ref_db, scene.fade_in_len, scene.fade_out_len = RATE, BACKGROUND_DB, 0.01, 0.01
        scene.add_background(label=("choose", []), source_file=("choose", []), source_time=("const", 0))
        for _ in range(n_events):
            scene.add_event(
                label=("choose", []),
                source_file=("choose", []),
                source_time=("const", 0),
                event_time=("uniform", 0, DURATION_S - EVENT_S[1]),
                event_duration=("uniform", *EVENT_S),
                snr=("uniform", *SNR_DB),
                pitch_shift=None,
                time_stretch=None,
            )
        audio, *_ = scene.generate(fix_clipping=True)
        assert len(audio) == DURATION_S * RATE

    return make


def flam_scene(source: DiskStore | WaveformBank, clips: list, n_events: int) -> Callable[[int], None]:
    config = SceneConfig(
        duration_s=DURATION_S,
        background_db=Constant(BACKGROUND_DB),
        n_events=Constant(n_events),
        max_polyphony=n_events,
        label_power=0.0,
        snr_db=Uniform(SNR_DB),
        source_s=Constant(0.0),
        event_s=Uniform(EVENT_S),
        split=SplitConfig(share=0.0),
        repeat=RepeatConfig(share=0.0),
    )
    scenes = SceneStream(clips, source, config, seed=0)

    def make(index: int) -> None:
        assert len(scenes[index].rendered.waveform) == DURATION_S * RATE

    return make


def spent_s(make: Callable[[int], None], indices: range) -> float:
    """Processor time of this process and its children."""
    start_s = processor_s()
    for index in indices:
        make(index)
    return processor_s() - start_s


def processor_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main(n_events: int = 5, n_scenes: int = 120) -> None:
    warnings.simplefilter("ignore")
    np.Inf = np.inf  # Scaper 1.6.5 asks numpy for a name that version 2 dropped
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table = scan_library([write_library(folder / "sounds")], folder / "library.csv")
        WaveformBank.build(table.clips, folder / "bank")
        systems = {
            "scaper": scaper_scene(folder / "sounds", n_events),
            "flam, from files": flam_scene(DiskStore(table, cache_bytes=0), table.clips, n_events),
            "flam, files kept": flam_scene(DiskStore(table), table.clips, n_events),
            "flam, from a bank": flam_scene(WaveformBank(folder / "bank"), table.clips, n_events),
        }
        first = {name: spent_s(make, range(N_FIRST)) for name, make in systems.items()}
        for name, make in systems.items():
            if name != "scaper":
                spent_s(make, range(N_FIRST, N_FIRST + N_BETWEEN))
        later: dict[str, list[float]] = {name: [] for name in systems}
        for turn in range(N_TURNS):
            start = N_FIRST + N_BETWEEN + turn * n_scenes // N_TURNS
            for name, make in systems.items():
                later[name].append(spent_s(make, range(start, start + n_scenes // N_TURNS)))
    print(f"scenes of {n_events} events from {len(table.clips)} files, a second of one core; ratio to scaper")
    print(f"{'':18} {f'first {N_FIRST}':>15} {f'later {n_scenes}':>15}   ratios in single turns")
    for name in systems:
        rates = N_FIRST / first[name], n_scenes / sum(later[name])
        ratios = first["scaper"] / first[name], sum(later["scaper"]) / sum(later[name])
        turns = [theirs / ours for theirs, ours in zip(later["scaper"], later[name], strict=True)]
        columns = " ".join(f"{rate:8.1f} {ratio:5.1f}x" for rate, ratio in zip(rates, ratios, strict=True))
        print(f"{name:18} {columns}   {min(turns):.1f}x to {max(turns):.1f}x")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
