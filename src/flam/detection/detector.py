"""The object a user holds: recordings and words in; features, frame scores and events out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from flam.core import Event, FrameScores, ScoreMethod, TimeGrid, from_mapping
from flam.core.progress import Progress
from flam.detection.backends.base import Backend, TextFeatures
from flam.detection.config import DetectionConfig, with_overrides
from flam.detection.frames import stream_frames
from flam.detection.pieces import Piece, PieceMaker
from flam.detection.plan import lowest_latency_s, plan_windows
from flam.detection.question import Prompts, ask, settled
from flam.detection.session import Session
from flam.detection.source import Audio, audio_source
from flam.detection.text_cache import TextCache
from flam.hub.card import ModelCard

if TYPE_CHECKING:
    from flam.detection.backends.torch import Precision
    from flam.model.checkpoint import Checkpoint
    from flam.model.towers import TwoTowers

LIVE_LATENCY_S = 2.0


class Detector:
    """Finds sounds that words describe, in recordings of any length, rate and number of channels.

    A recording is cut into windows, the same ones however it arrives, so that a file, an array, a stream and blocks
    that are pushed give the same numbers. Frame embeddings of neighbouring windows are blended where they overlap, and
    everything else follows from the blended embeddings: scores are exactly what ``embed_frames`` and ``embed_text``
    say. All methods read one stream of pieces, ``stream``; for sound that is still going on there is ``session``.

    ``audio`` is the path of an audio or video file; or its content, as bytes or an open binary file; or an array or
    tensor of shape (N,), (channels, N) or (N, channels); or an iterator of (n,) blocks. Arrays and blocks are at the
    model's sample rate, or in a tuple with their own. ``progress(completed_samples, total_samples)`` is called as work
    goes on, in samples at the model's rate, the total None where it is not known beforehand.

    A detector may be used by several threads at once, pickled for a pool of processes, and used in a forked process.

    Parameters
    ----------
    model : Backend, TwoTowers or Checkpoint
        What computes; a torch model or checkpoint is put into a ``TorchBackend``, and a checkpoint also brings its
        operating point and its card.
    config : DetectionConfig, optional
        None takes the checkpoint's operating point, or the defaults.
    device, precision : str
        See ``TorchBackend``; of a backend they are what they are.
    card : ModelCard, optional
        What is known of the model.

    Attributes
    ----------
    backend, config, card, device
        As given.
    grid : TimeGrid
        The time axis of frames.

    Raises
    ------
    ConfigError
        An operating point with an unknown key or a value out of range.
    ModelError
        Unknown precision, or a device that is not there.

    Examples
    --------
    >>> import flam
    >>> detector = flam.load("flam-mini")
    >>> detector.score((np.zeros(44100), 44100), ["rain"]).scores.shape
    (13, 1)
    >>> detector.detect((np.zeros(44100), 44100), ["rain"])
    []
    """

    def __init__(
        self,
        model: Backend | TwoTowers | Checkpoint,
        config: DetectionConfig | None = None,
        device: Any = "cpu",
        precision: Precision = "auto",
        card: ModelCard | None = None,
    ):
        operating_point: dict[str, Any] = {}
        if isinstance(model, Backend):
            self.backend = model
        else:
            from flam.detection.backends.torch import TorchBackend
            from flam.model.checkpoint import Checkpoint

            if isinstance(model, Checkpoint):
                card = model.card if card is None else card
                operating_point, model = model.detection, model.model
            self.backend = TorchBackend(model, device, precision)
        self.card = ModelCard() if card is None else card
        self.config = from_mapping(DetectionConfig, operating_point, "detection") if config is None else config
        self.grid: TimeGrid = self.backend.grid
        plan_windows(self.backend, replace(self.config, latency_s=None))  # a window that does not fit fails here
        self._texts = TextCache(self.backend.embed_text, self.backend.text_problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return Detector, (self.backend, self.config, self.backend.device, "auto", self.card)

    @property
    def sample_rate(self) -> int:
        """Hz that the model hears at."""
        return self.grid.sample_rate

    @property
    def device(self) -> str:
        """Where the model computes."""
        return self.backend.device

    def embed_text(self, texts: Sequence[str]) -> TextFeatures:
        """Describe K texts by features, scale and bias; texts used before are remembered.

        A text that is longer than the model reads, or of which it knows no word, is logged as a warning, once.

        Returns
        -------
        TextFeatures
            (K, D), (K,) and (K,) float32 arrays.

        Raises
        ------
        ModelError
            An empty text, or one string instead of several.
        """
        return self._texts(texts)

    def embed_audio(self, audio: Audio, progress: Progress | None = None) -> np.ndarray:
        """Make one vector of the whole recording; that of FLAM is the mean of its frame embeddings, projected.

        Returns
        -------
        numpy.ndarray
            (D,) float32, of length 1 for FLAM.

        Raises
        ------
        AudioError
            Audio that can't be read, or holds no sample or one that is not finite.
        """
        pieces = self._pieces(audio, (), progress=progress)
        return self.backend.pool(piece.embeddings for piece in pieces if len(piece.embeddings))

    def embed_frames(self, audio: Audio, progress: Progress | None = None) -> np.ndarray:
        """Make one vector of every frame of the recording.

        Returns
        -------
        numpy.ndarray
            (T, D) float32, rows of length 1 for FLAM; frame t covers ``[t, t + 1) * grid.hop_s`` seconds.

        Raises
        ------
        AudioError
            As ``embed_audio``.
        """
        return np.concatenate([piece.features for piece in self._pieces(audio, (), progress=progress)])

    def stream(
        self,
        audio: Audio,
        prompts: Prompts = (),
        suppress: Sequence[str] = (),
        config: DetectionConfig | None = None,
        progress: Progress | None = None,
        show_suppress: bool = False,
        **overrides: Any,
    ) -> Iterator[Piece]:
        """Analyse a recording piece by piece: features, power, scores and events, each as soon as it is final.

        The pieces are consecutive; joined, their features, power and scores are those of the whole recording. A piece
        holds the events that ended, and the onsets of those that began, with its frames or shortly before: a median
        filter and the joining of close events have to wait for what follows. The last piece holds no frames, only the
        events that the end of the recording makes certain. Memory does not grow with the recording.

        Without prompts there are features and power, no scores (K = 0) and no events: all that an index needs.

        Parameters
        ----------
        audio : path, bytes, binary file, array, tensor, iterator or tuple
            See the class.
        prompts : sequence of str or PromptList
            K texts, the columns of the scores; one given twice has two columns and one set of events. A ``PromptList``
            (from a prompts file) brings alternatives, negatives, thresholds and fitted probabilities.
        suppress : sequence of str
            Sounds that must not be mistaken for a prompt: in a frame where one of them scores higher than a prompt,
            that prompt scores 0.
        config : DetectionConfig, optional
            None takes the detector's own.
        progress : callable, optional
            See the class.
        show_suppress : bool
            True adds the scores of ``suppress`` as further columns, behind those of the prompts.
        **overrides
            Fields of ``DetectionConfig`` to use instead of those of ``config``. ``latency_s=2`` makes pieces come early
            where the audio is an iterator over live sound.

        Returns
        -------
        iterator of Piece
            See ``flam.detection.pieces.Piece``.

        Raises
        ------
        AudioError
            Audio that can't be read, or holds no sample or one that is not finite; some only while reading.
        ModelError
            An empty prompt, one string instead of several, or a prompt that is suppressed as well.
        ConfigError
            An override that is unknown or out of range.

        Examples
        --------
        >>> import flam
        >>> detector = flam.load("flam-mini")
        >>> for piece in detector.stream(np.zeros(20 * 48_000, np.float32), ["siren"]):
        ...     print(piece.start_frame, piece.features.shape, piece.scores.scores.shape, piece.events)
        0 (105, 256) (105, 1) ()
        105 (105, 256) (105, 1) ()
        210 (40, 256) (40, 1) ()
        250 (0, 256) (0, 1) ()
        """
        return self._pieces(audio, prompts, suppress, self._with(overrides, config), progress, show_suppress, True)

    def session(
        self,
        prompts: Prompts,
        suppress: Sequence[str] = (),
        sample_rate: int | None = None,
        latency_s: float | None = None,
        config: DetectionConfig | None = None,
        show_suppress: bool = False,
        **overrides: Any,
    ) -> Session:
        """Begin the analysis of sound that is still going on: push blocks of any length, get pieces.

        ``push(block)`` gives the pieces that became final, mostly none; ``finish()`` ends the recording and gives the
        rest. Joined they are what ``stream`` gives for the whole recording with ``latency_s=session.latency_s``: equal
        events, and scores within 1e-5, however the sound was divided.

        Parameters
        ----------
        prompts, suppress, config, show_suppress, **overrides
            As for ``stream``.
        sample_rate : int, optional
            Hz of the blocks; None is the model's own.
        latency_s : float, optional
            Most seconds from a sound that was pushed to its final scores; shorter costs more computing, because what
            surrounds a frame is encoded again. None takes ``config.latency_s`` or 2 s, or what the model needs where
            that is more: models that hear whole windows need one, 10 s for HTS-AT.

        Returns
        -------
        Session
            Independent of any other session of this detector.

        Raises
        ------
        ModelError
            As for ``stream``.
        ConfigError
            A latency that the model can't keep, or an override that is unknown or out of range.

        Examples
        --------
        >>> import flam
        >>> session = flam.load("flam-mini").session(["siren"], latency_s=2.0)
        >>> block = np.zeros(24_000, np.float32)
        >>> [sum(len(piece.power) for piece in session.push(block)) for _ in range(6)]
        [0, 0, 0, 10, 0, 12]
        >>> [piece.n_samples for piece in session.finish()]
        [59520, 0]
        """
        config = self._with(overrides, config)
        latency_s = config.latency_s if latency_s is None else latency_s
        if latency_s is None:
            latency_s = max(LIVE_LATENCY_S, lowest_latency_s(self.backend))
        config = self._with({"latency_s": latency_s}, config)
        maker = PieceMaker(self.backend, ask(self.embed_text, prompts, suppress, config), show_suppress)
        return Session(self.backend, plan_windows(self.backend, config), maker, latency_s, sample_rate)

    def score(
        self,
        audio: Audio,
        prompts: Prompts,
        suppress: Sequence[str] = (),
        method: ScoreMethod | None = None,
        progress: Progress | None = None,
    ) -> FrameScores:
        """Give a probability for every frame of the recording and every prompt; parameters as ``stream_scores``."""
        return FrameScores.concatenate(self.stream_scores(audio, prompts, suppress, method, progress))

    def stream_scores(
        self,
        audio: Audio,
        prompts: Prompts,
        suppress: Sequence[str] = (),
        method: ScoreMethod | None = None,
        progress: Progress | None = None,
        show_suppress: bool = False,
    ) -> Iterator[FrameScores]:
        """Give the scores of ``stream``, each piece as soon as it is final.

        Parameters
        ----------
        audio, prompts, suppress, progress, show_suppress
            As for ``stream``.
        method : {"posterior", "unbiased", "approximate"}, optional
            Kind of score; None takes ``config.score``.

        Raises
        ------
        AudioError, ModelError, ConfigError
            As ``stream``.
        """
        config = self._with({} if method is None else {"score": method})
        pieces = self._pieces(audio, prompts, suppress, config, progress, show_suppress)
        return (piece.scores for piece in pieces if len(piece.scores.scores))

    def detect(
        self,
        audio: Audio,
        prompts: Prompts,
        suppress: Sequence[str] = (),
        config: DetectionConfig | None = None,
        progress: Progress | None = None,
        **overrides: Any,
    ) -> list[Event]:
        """Find when each sound occurs: events in the order of their onsets; parameters as ``stream``.

        For example ``detector.detect("walk.wav", ["dog barking", "siren"], threshold=0.4)``.
        """
        return sorted(self.stream_events(audio, prompts, suppress, config, progress, **overrides))

    def stream_events(
        self,
        audio: Audio,
        prompts: Prompts,
        suppress: Sequence[str] = (),
        config: DetectionConfig | None = None,
        progress: Progress | None = None,
        **overrides: Any,
    ) -> Iterator[Event]:
        """Give the events of ``detect``, each as soon as nothing that follows can change it; parameters as ``stream``.

        Raises
        ------
        AudioError, ModelError, ConfigError
            As ``stream``.
        """
        pieces = self.stream(audio, prompts, suppress, config, progress, **overrides)
        return (event for piece in pieces for event in piece.events)

    def operating_point(self, prompts: Prompts, config: DetectionConfig | None = None) -> DetectionConfig:
        """Settle thresholds and smoothing for these prompts together, see ``flam.detection.operating_point``.

        Parameters
        ----------
        prompts : sequence of str or PromptList
            What is asked for together; thresholds and durations of a list's entries win over all others.
        config : DetectionConfig, optional
            None takes the detector's own.

        Returns
        -------
        DetectionConfig
            What ``detect`` uses for these prompts.
        """
        return settled(self.embed_text, prompts, self.config if config is None else config)

    def _with(self, overrides: dict[str, Any], config: DetectionConfig | None = None) -> DetectionConfig:
        config = self.config if config is None else config
        return with_overrides(config, overrides)

    def _pieces(
        self,
        audio: Audio,
        prompts: Prompts,
        suppress: Sequence[str] = (),
        config: DetectionConfig | None = None,
        progress: Progress | None = None,
        show_suppress: bool = False,
        find_events: bool = False,
    ) -> Iterator[Piece]:
        """Check everything that can be checked before reading, then hand over to the stream."""
        config = self.config if config is None else config
        question = ask(self.embed_text, prompts, suppress, config)
        maker, plan = PieceMaker(self.backend, question, show_suppress, find_events), plan_windows(self.backend, config)
        source = audio_source(audio, self.sample_rate)
        return maker.stream(stream_frames(self.backend, source, plan, config.batch_windows, progress))
