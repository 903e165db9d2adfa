"""The bundled demo recordings: short scenes whose events are known to the sample.

Everything in them comes from ``flam.procedural`` and, for speech, from espeak-ng.
To make the bundled files again::

    python -m flam.scenes.demo src/flam/assets/demo
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flam.annotations import write_events
from flam.audio import a_weighted_rms_db, write_audio
from flam.core import ConfigError, Event, OutputError, RecordingEvents, seconds_to_samples
from flam.procedural import GENERATORS, SAMPLE_RATE
from flam.procedural.speech import speak
from flam.procedural.synthesis import band_noise, low_pass, room

# what the bundled labels call a sound, where the class of the generator has another name
CLASSES = {
    "baby crying": "baby cry",
    "bee buzzing": "bee",
    "church bell": "church bells",
    "knocking": "door knock",
    "telephone ringing": "telephone",
}
SPEECH = "speech"
ROOM_TONE = "room tone"
AUDIBLE_PART = 10 ** (-30 / 20)
PEAK = 0.7


@dataclass(frozen=True)
class DemoSound:
    """One sound of a scene.

    Parameters
    ----------
    onset_s : float
        where it lies; speech takes as long as its words
    duration_s : float, default 0.0
        where it lies; speech takes as long as its words
    label : str
        a key of ``GENERATORS`` or ``CLASSES``, or "speech"
    snr_db : float, default 14.0
        A-weighted level of the sound above the background
    distance_m : float, default 3.0
        farther sounds are duller and more reverberant
    words : str, default ""
        what is said and by whom, for speech
    voice : str, default "en-us"
        what is said and by whom, for speech
    """

    onset_s: float
    label: str
    duration_s: float = 0.0
    snr_db: float = 14.0
    distance_m: float = 3.0
    words: str = ""
    voice: str = "en-us"


@dataclass(frozen=True)
class DemoScene:
    """A background, the place's reverberation, what happens, and the seed of the takes that are bundled."""

    seed: int
    duration_s: float
    background: str
    reverberation_s: float
    placements: tuple[DemoSound, ...]


SCENES = {
    "street": DemoScene(
        seed=4,
        duration_s=32.0,
        background="rain",
        reverberation_s=0.5,
        placements=(
            DemoSound(1.5, "car horn", 1.4, snr_db=17, distance_m=8),
            DemoSound(
                4.0,
                SPEECH,
                snr_db=18,
                distance_m=1.5,
                words="Come on, we have to cross before the light turns red.",
                voice="en-gb+m3",
            ),
            DemoSound(8.0, "siren", 9.0, snr_db=17, distance_m=12),
            DemoSound(12.0, "car horn", 1.8, snr_db=19, distance_m=6),
            DemoSound(17.5, "dog bark", 2.6, snr_db=20, distance_m=2),
            DemoSound(20.7, "bicycle bell", 1.6, snr_db=20, distance_m=2),
            DemoSound(
                23.0,
                SPEECH,
                snr_db=18,
                distance_m=1.5,
                words="Did you hear that? It must be somewhere near the station.",
                voice="en-us+f2",
            ),
            DemoSound(25.5, "reversing beeps", 5.5, snr_db=16, distance_m=6),
        ),
    ),
    "home": DemoScene(
        seed=5,
        duration_s=36.0,
        background=ROOM_TONE,
        reverberation_s=0.35,
        placements=(
            DemoSound(1.0, "alarm clock", 4.0, snr_db=18),
            DemoSound(6.5, "knocking", 1.3, snr_db=24, distance_m=1),
            DemoSound(9.0, SPEECH, snr_db=18, words="Just a moment, I am coming!", voice="en-us+f2"),
            DemoSound(12.0, "door slam", 1.2, snr_db=26, distance_m=1),
            DemoSound(14.0, "telephone ringing", 5.0, snr_db=19),
            DemoSound(16.5, "baby crying", 5.0, snr_db=17, distance_m=5),
            DemoSound(
                22.5,
                SPEECH,
                snr_db=18,
                words="Hello? Yes, this is the right number. No, I can not talk now.",
                voice="en-gb+m3",
            ),
            DemoSound(27.5, "glass breaking", 1.4, snr_db=22, distance_m=4),
            DemoSound(30.0, "smoke alarm", 5.0, snr_db=18),
        ),
    ),
    "nature": DemoScene(
        seed=7,
        duration_s=36.0,
        background="stream",
        reverberation_s=1.0,
        placements=(
            DemoSound(1.0, "birds chirping", 7.0, snr_db=15, distance_m=6),
            DemoSound(6.0, "church bell", 8.0, snr_db=14, distance_m=20),
            DemoSound(14.6, "bee buzzing", 2.6, snr_db=20, distance_m=1),
            DemoSound(17.5, "thunder", 6.5, snr_db=18, distance_m=10),
            DemoSound(22.0, "birds chirping", 5.0, snr_db=16, distance_m=3),
            DemoSound(27.5, "crickets", 7.5, snr_db=18, distance_m=1),
        ),
    ),
}


def render_demo(name: str, seed: int | None = None) -> tuple[np.ndarray, list[Event]]:
    """Render a demo scene; each seed gives other takes of the same events.

    Parameters
    ----------
    name : str
        a key of ``SCENES``
    seed : int | None, optional
        any integer >= 0; None for the bundled takes

    Returns
    -------
    tuple[np.ndarray, list[Event]]
        (N,) float32 array at 48 kHz, and its events by onset: the background where it is a sound of its own, then each
        placed sound from its first to its last sample within 30 dB of its peak, without the room's echo

    Raises
    ------
    ConfigError
        unknown scene or negative seed
    FlamError
        espeak-ng is not installed

    Examples
    --------
    >>> waveform, events = render_demo("nature")
    >>> len(waveform) / 48000, events[1].prompt
    (36.0, 'birds chirping')
    """
    if name not in SCENES:
        raise ConfigError(f"no demo {name!r}; known demos: {', '.join(SCENES)}")
    scene = SCENES[name]
    if seed is None:
        seed = scene.seed
    if seed < 0:
        raise ConfigError(f"seed {seed} must be 0 or greater")
    streams = np.random.SeedSequence([seed, list(SCENES).index(name)]).spawn(len(scene.placements) + 1)
    background = _background(np.random.default_rng(streams[0]), scene)
    background_db = a_weighted_rms_db(background, SAMPLE_RATE)
    mixture, events = background.astype(np.float64), []
    if scene.background != ROOM_TONE:
        events.append(Event(0.0, scene.duration_s, scene.background))
    for placement, stream in zip(scene.placements, streams[1:], strict=True):
        rng = np.random.default_rng(stream)
        dry = _audible_part(_source(rng, placement))
        gain_db = background_db + placement.snr_db - a_weighted_rms_db(dry, SAMPLE_RATE)
        first = seconds_to_samples(placement.onset_s, SAMPLE_RATE)
        heard = _at_distance(rng, dry, placement.distance_m, scene.reverberation_s)[: len(mixture) - first]
        mixture[first : first + len(heard)] += 10 ** (gain_db / 20) * heard
        end = min(first + len(dry), len(mixture))
        events.append(Event(first / SAMPLE_RATE, end / SAMPLE_RATE, placement.label))
    return (PEAK * mixture / np.abs(mixture).max()).astype(np.float32), sorted(events)


def _background(rng: np.random.Generator, scene: DemoScene) -> np.ndarray:
    if scene.background == ROOM_TONE:
        return band_noise(rng, seconds_to_samples(scene.duration_s, SAMPLE_RATE), SAMPLE_RATE, 60, 5000, -4, order=1)
    return GENERATORS[scene.background](rng, scene.duration_s, SAMPLE_RATE)


def _source(rng: np.random.Generator, placement: DemoSound) -> np.ndarray:
    if placement.label == SPEECH:
        return speak(placement.words, placement.voice)
    return GENERATORS[CLASSES.get(placement.label, placement.label)](rng, placement.duration_s, SAMPLE_RATE)


def _audible_part(waveform: np.ndarray) -> np.ndarray:
    audible = np.flatnonzero(np.abs(waveform) >= AUDIBLE_PART * np.abs(waveform).max())
    return waveform[audible[0] : audible[-1] + 1]


def _at_distance(
    rng: np.random.Generator, waveform: np.ndarray, distance_m: float, reverberation_s: float
) -> np.ndarray:
    """Air takes the treble; the direct sound falls with distance while the reverberation stays."""
    dulled = low_pass(waveform, SAMPLE_RATE, 20000 / (1 + distance_m / 15))
    return room(rng, dulled, SAMPLE_RATE, reverberation_s, min(-4.0, -26 + 20 * np.log10(distance_m)))


def write_demo(folder: str | Path) -> list[Path]:
    """Write every demo as ``<name>.ogg`` with an Audacity label track ``<name>.txt``.

    Parameters
    ----------
    folder : str | Path
        is made where it does not exist

    Returns
    -------
    list[Path]
        the recordings' paths

    Raises
    ------
    OutputError
        the folder can't be made or written to
    FlamError
        espeak-ng is not installed
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't be made ({error.strerror}); choose another folder") from error
    paths = []
    for name, scene in SCENES.items():
        waveform, events = render_demo(name)
        path = folder / f"{name}.ogg"
        write_audio(path, waveform, SAMPLE_RATE)
        write_events(
            [RecordingEvents(path.name, scene.duration_s, tuple(events))], path.with_suffix(".txt"), "audacity"
        )
        paths.append(path)
    return paths


if __name__ == "__main__":
    write_demo(sys.argv[1])
