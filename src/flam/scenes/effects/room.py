"""Reverberation: a drawn room, or impulse responses of real ones from a folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from flam.audio import find_recordings, read_audio
from flam.core import AudioError, ConfigError, round_half_up
from flam.scenes.distributions import Distribution, Uniform, check_bounds, check_share

SPEED_OF_SOUND_M_S = 343.0
Position = tuple[float, float, float]


@dataclass(frozen=True)
class RoomConfig:
    """How rooms are drawn; a scene has one, in which every sound but the background has its own place.

    Parameters
    ----------
    share : float, default 0.0
        part of the scenes with a room
    length_m, width_m, height_m : Distribution, optional
        of the room
    reverberation_s : Distribution, optional
        time in which the reverberation falls by 60 dB (Sabine)
    wall_distance_m : float, default 0.4
        microphone and sounds keep this far from the walls
    max_reflections : int, default 25
        walls that a path may meet; more make long reverberation truer, and slower
    impulse_responses : Path | None, optional
        folder of recorded responses that are drawn instead of computed ones; None for computed
    """

    share: float = 0.0
    length_m: Distribution = Uniform((3.0, 12.0))
    width_m: Distribution = Uniform((3.0, 8.0))
    height_m: Distribution = Uniform((2.4, 4.0))
    reverberation_s: Distribution = Uniform((0.2, 0.8))
    wall_distance_m: float = 0.4
    max_reflections: int = 25
    impulse_responses: Path | None = None

    def __post_init__(self) -> None:
        check_share("share", self.share)
        for name in ("length_m", "width_m", "height_m"):
            check_bounds(name, getattr(self, name), 2 * self.wall_distance_m + 0.1, 100.0)
        check_bounds("reverberation_s", self.reverberation_s, 0.05, 10.0)
        if self.max_reflections < 1 or self.wall_distance_m <= 0:
            raise ValueError("max_reflections must be at least 1 and wall_distance_m positive")


@dataclass(frozen=True)
class Room:
    """A drawn room and the places of one sound and the microphone in it.

    Parameters
    ----------
    size_m : Position
        length, width, height
    reverberation_s : float
        time in which the reverberation falls by 60 dB
    microphone_m, source_m : Position
        from the corner
    max_reflections : int
        walls that a path may meet
    """

    size_m: Position
    reverberation_s: float
    microphone_m: Position
    source_m: Position
    max_reflections: int


class RoomDrawer:
    """Draws the rooms of scenes.

    Raises
    ------
    ConfigError
        the folder of impulse responses holds no recording
    """

    def __init__(self, config: RoomConfig):
        self._config = config
        self._names: list[str] = []
        folder = config.impulse_responses
        if folder is not None:
            self._names = sorted(str(path.relative_to(folder)) for path in find_recordings([folder]))
            if not self._names:
                raise ConfigError(f"{folder}: no impulse response; name a folder with recordings, or null for none")

    def draw(self, rng: np.random.Generator, n_sounds: int) -> list[Room | str] | None:
        """A room for each sound, or the name of a response, or None for a scene without."""
        config = self._config
        if rng.random() >= config.share:
            return None
        if self._names:
            return [self._names[rng.integers(len(self._names))] for _ in range(n_sounds)]
        distributions = (config.length_m, config.width_m, config.height_m)
        length_m, width_m, height_m = (round(distribution.draw(rng), 2) for distribution in distributions)
        size_m = (length_m, width_m, height_m)
        reverberation_s = round(config.reverberation_s.draw(rng), 3)
        microphone_m = self._place(rng, size_m)
        return [
            Room(size_m, reverberation_s, microphone_m, self._place(rng, size_m), config.max_reflections)
            for _ in range(n_sounds)
        ]

    def _place(self, rng: np.random.Generator, size_m: Position) -> Position:
        margin = self._config.wall_distance_m
        x, y, z = (round(float(rng.uniform(margin, side - margin)), 2) for side in size_m)
        return x, y, z


def room_response(room: Room, sample_rate: int) -> np.ndarray:
    """The impulse response from sound to microphone by mirror images of the room; sample 0 is the direct sound.

    Parameters
    ----------
    room : Room
        the room and the places in it
    sample_rate : int
        Hz

    Returns
    -------
    np.ndarray
        (N,) float32 array

    Raises
    ------
    ConfigError
        pyroomacoustics is not installed, or no wall can be so dead as this reverberation time asks

    Examples
    --------
    >>> room = Room((5.0, 4.0, 3.0), 0.3, (1.0, 1.0, 1.2), (2.0, 1.5, 1.2), 4)
    >>> response = room_response(room, 48000)
    >>> int(np.argmax(np.abs(response)))
    0
    """
    return _room_response(room, sample_rate).copy()


@lru_cache(maxsize=64)
def _room_response(room: Room, sample_rate: int) -> np.ndarray:
    try:
        import pyroomacoustics
    except ImportError as error:
        raise ConfigError(
            "rooms need pyroomacoustics: pip install 'flam-audio[synth]', or set room.share to 0"
        ) from error
    try:
        absorption, order = pyroomacoustics.inverse_sabine(room.reverberation_s, room.size_m, c=SPEED_OF_SOUND_M_S)
    except ValueError:  # even walls that swallow everything reverberate longer
        absorption, order = 0.99, 1
    box = pyroomacoustics.ShoeBox(
        room.size_m,
        fs=sample_rate,
        materials=pyroomacoustics.Material(absorption),
        max_order=min(order, room.max_reflections),
    )
    box.add_source(list(room.source_m))
    box.add_microphone(list(room.microphone_m))
    box.compute_rir()
    distance_m = float(np.linalg.norm(np.subtract(room.source_m, room.microphone_m)))
    filter_delay = pyroomacoustics.constants.get("frac_delay_length") // 2
    first = round_half_up(distance_m / box.c * sample_rate) + filter_delay
    return np.asarray(box.rir[0][0][first:], np.float32)


@lru_cache(maxsize=64)
def recorded_response(path: Path, sample_rate: int) -> np.ndarray:
    """A recorded impulse response from its loudest sample on, which is taken for the direct sound.

    Parameters
    ----------
    path : Path
        the recording
    sample_rate : int
        Hz

    Returns
    -------
    np.ndarray
        (N,) float32 array

    Raises
    ------
    AudioError
        the recording can't be read, or is silent
    """
    response = read_audio(path, sample_rate)
    if not np.any(response):
        raise AudioError(f"{path}: is silent; an impulse response needs at least one sample that is not 0")
    return response[int(np.argmax(np.abs(response))) :]


def reverberate(waveform: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Convolve, the tail of the reverberation included.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float32 array
    response : np.ndarray
        (M,) float32 array, sample 0 is the direct sound

    Returns
    -------
    np.ndarray
        (N + M - 1,) float32 array

    Examples
    --------
    >>> reverberate(np.array([1, 2], np.float32), np.array([1, 0, 1], np.float32)).round(3).tolist()
    [1.0, 2.0, 1.0, 2.0]
    """
    n_samples = len(waveform) + len(response) - 1
    size = 1 << (n_samples - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(waveform, size) * np.fft.rfft(response, size), size)[:n_samples]
