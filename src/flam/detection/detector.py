"""The object a user holds: recordings and words in; features, frame scores and events out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flam.core import Event, FrameScores, ModelError, ScoreMethod, TimeGrid, from_mapping, to_mapping
from flam.detection.binarize import binarize
from flam.detection.config import DetectionConfig, overridden
from flam.detection.embedding import FrameEmbedder, Progress
from flam.detection.silence import power_of_db
from flam.detection.source import Audio, audio_source
from flam.detection.stitch import FramePiece
from flam.detection.text_cache import TextCache
from flam.hub.card import ModelCard
from flam.model.checkpoint import Checkpoint
from flam.model.fast_htsat import Precision
from flam.model.flam import TextFeatures, score
from flam.model.towers import TwoTowers

PROMPTS_AT_ONCE = 2048


class Detector:
    """Finds sounds that words describe, in recordings of any length, rate and number of channels.

    A recording is cut into windows, the same ones however it arrives, so that a file, an array and a stream give the
    same numbers. Frame embeddings of neighbouring windows are blended where they overlap, and everything else follows
    from the blended embeddings: scores are exactly what ``embed_frames`` and ``embed_text`` say.

    ``audio`` is the path of an audio or video file; or an array or tensor of shape (N,), (channels, N) or
    (N, channels); or an iterator of (n,) blocks. All but a path are at the model's sample rate, or in a tuple with
    their own. ``progress(completed_samples, total_samples)`` is called as work goes on, in samples at the model's rate,
    the total None where it is not known beforehand.

    Parameters
    ----------
    model : a model, which is moved to ``device`` and put in evaluation mode; or a checkpoint, which also brings its
        operating point and its card
    config : None takes the checkpoint's operating point, or the defaults
    device : as torch names it
    precision : of the audio tower; "bf16" is faster where the processor knows it, and rounds to about three digits

    Attributes
    ----------
    model, config, card, device : as given
    grid : the time axis of frames

    Raises
    ------
    ConfigError : an operating point with an unknown key or a value out of range
    ModelError : unknown precision, or a device that is not there

    >>> from flam.model.convnet import ConvEncoderConfig
    >>> from flam.model.flam import FLAM, FLAMConfig
    >>> from flam.model.text import LightTextConfig
    >>> from tokenizers import Tokenizer
    >>> from tokenizers.models import WordLevel
    >>> tokenizer = Tokenizer(WordLevel({"rain": 0, "?": 1}, unk_token="?"))
    >>> config = FLAMConfig(audio=ConvEncoderConfig(), text=LightTextConfig(vocab_size=2))
    >>> detector = Detector(FLAM(config, tokenizer))
    >>> detector.score((np.zeros(44100), 44100), ["rain"]).scores.shape
    (13, 1)
    >>> detector.detect((np.zeros(44100), 44100), ["rain"])
    []
    """

    def __init__(
        self,
        model: TwoTowers | Checkpoint,
        config: DetectionConfig | None = None,
        device: str | torch.device = "cpu",
        precision: Precision = "fp32",
    ):
        operating_point: dict[str, Any] = {}
        self.card = ModelCard()
        if isinstance(model, Checkpoint):
            self.card, operating_point, model = model.card, model.detection, model.model
        self.config = from_mapping(DetectionConfig, operating_point, "detection") if config is None else config
        try:
            self.device = torch.device(device)
            self.model = model.to(self.device).eval()
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"device {str(device)!r} can't be used ({reason}); choose cpu") from error
        self.grid: TimeGrid = model.grid
        self._frames = FrameEmbedder(self.model, precision)
        self._texts = TextCache(torch.inference_mode()(self.model.embed_text))

    @property
    def sample_rate(self) -> int:
        """Hz that the model hears at."""
        return self.grid.sample_rate

    def embed_text(self, texts: Sequence[str]) -> TextFeatures:
        """Features, scale and bias of K texts; texts used before are remembered.

        Returns
        -------
        TextFeatures, tensors (K, D), (K,) and (K,) on the detector's device

        Raises
        ------
        ModelError : an empty text, or one string instead of several
        """
        return self._texts(texts)

    @torch.inference_mode()
    def embed_audio(self, audio: Audio, progress: Progress | None = None) -> np.ndarray:
        """One vector for the whole recording; that of FLAM is the mean of its frame embeddings, projected.

        Returns
        -------
        (D,) float32 array of length 1

        Raises
        ------
        AudioError : audio that can't be read, or holds no sample or one that is not finite
        """
        pieces = self._frames.stream(audio_source(audio, self.sample_rate), self.config, progress)
        return self.model.pool_audio(piece.values[:, :-1] for piece in pieces).cpu().numpy()

    @torch.inference_mode()
    def embed_frames(self, audio: Audio, progress: Progress | None = None) -> np.ndarray:
        """One vector for every frame of the recording.

        Returns
        -------
        (T, D) float32 array, rows of length 1; frame t covers ``[t, t + 1) * grid.hop_s`` seconds

        Raises
        ------
        AudioError : as ``embed_audio``
        """
        pieces = self._frames.stream(audio_source(audio, self.sample_rate), self.config, progress)
        return np.concatenate([self._features(piece)[0].cpu().numpy() for piece in pieces])

    def score(
        self,
        audio: Audio,
        prompts: Sequence[str],
        suppress: Sequence[str] = (),
        method: ScoreMethod | None = None,
        progress: Progress | None = None,
    ) -> FrameScores:
        """A probability for every frame of the recording and every prompt; parameters as ``stream_scores``."""
        return FrameScores.concatenate(self.stream_scores(audio, prompts, suppress, method, progress))

    def stream_scores(
        self,
        audio: Audio,
        prompts: Sequence[str],
        suppress: Sequence[str] = (),
        method: ScoreMethod | None = None,
        progress: Progress | None = None,
        show_suppress: bool = False,
    ) -> Iterator[FrameScores]:
        """The pieces of ``score``, each as soon as it is final; memory does not grow with the recording.

        Parameters
        ----------
        audio, progress : see the class
        prompts : K texts, the columns of the scores; K may be 0
        suppress : sounds that must not be mistaken for a prompt: in a frame where one of them scores higher than a
            prompt, that prompt scores 0
        method : kind of score; None takes ``config.score``
        show_suppress : True adds the scores of ``suppress`` as further columns, behind those of the prompts

        Raises
        ------
        AudioError : audio that can't be read, or holds no sample or one that is not finite; some only while reading
        ModelError : an empty prompt, one string instead of several, or a prompt that is suppressed as well
        ConfigError : an unknown method
        """
        overrides = {} if method is None else {"score": method}
        return self._scores(audio, prompts, suppress, self._with(overrides), progress, show_suppress)

    def detect(
        self,
        audio: Audio,
        prompts: Sequence[str],
        suppress: Sequence[str] = (),
        config: DetectionConfig | None = None,
        progress: Progress | None = None,
        **overrides: Any,
    ) -> list[Event]:
        """When each sound happens: events in the order of their onsets; parameters as ``stream_events``.

        For example ``detector.detect("walk.wav", ["dog barking", "siren"], threshold=0.4)``.
        """
        return sorted(self.stream_events(audio, prompts, suppress, config, progress, **overrides))

    def stream_events(
        self,
        audio: Audio,
        prompts: Sequence[str],
        suppress: Sequence[str] = (),
        config: DetectionConfig | None = None,
        progress: Progress | None = None,
        **overrides: Any,
    ) -> Iterator[Event]:
        """The events of ``detect``, each as soon as nothing that follows can change it.

        Parameters
        ----------
        audio, suppress, progress : as for ``stream_scores``
        prompts : texts of the sounds to find; one given twice counts once
        config : how to find events; None takes the detector's own
        overrides : fields of ``DetectionConfig`` to use instead of those of ``config``

        Raises
        ------
        AudioError, ModelError : as ``stream_scores``
        ConfigError : an override that is unknown or out of range
        """
        config = self._with(overrides, config)
        unique_prompts = prompts if isinstance(prompts, str) else list(dict.fromkeys(prompts))
        return binarize(self._scores(audio, unique_prompts, suppress, config, progress), config)

    def _with(self, overrides: dict[str, Any], config: DetectionConfig | None = None) -> DetectionConfig:
        config = self.config if config is None else config
        return from_mapping(DetectionConfig, overridden(to_mapping(config), to_mapping(overrides)), "detection")

    def _scores(
        self,
        audio: Audio,
        prompts: Sequence[str],
        suppress: Sequence[str],
        config: DetectionConfig,
        progress: Progress | None,
        show_suppress: bool = False,
    ) -> Iterator[FrameScores]:
        """Check everything that can be checked before reading, then hand over to the stream."""
        texts, rivals = self.embed_text(prompts), self.embed_text(suppress)
        for prompt in prompts:
            if prompt in suppress:
                raise ModelError(f"prompt {prompt!r} is asked for and suppressed; take it out of one of the two")
        pieces = self._frames.stream(audio_source(audio, self.sample_rate), config, progress)
        shown = (*prompts, *suppress) if show_suppress else tuple(prompts)
        return self._scored(pieces, shown, texts, rivals, config)

    @torch.inference_mode()
    def _scored(
        self,
        pieces: Iterator[FramePiece],
        shown: tuple[str, ...],
        texts: TextFeatures,
        rivals: TextFeatures,
        config: DetectionConfig,
    ) -> Iterator[FrameScores]:
        silence_power = power_of_db(config.silence_db)
        n_prompts = len(texts.logit_bias)
        for piece in pieces:
            features = self._features(piece)
            scores = np.empty((features.shape[1], len(shown)), np.float32)
            highest_rival = None
            if len(rivals.logit_bias):
                rival_scores = score(features, rivals, config.score)[0]
                highest_rival = rival_scores.amax(dim=-1, keepdim=True)
                if len(shown) > n_prompts:
                    scores[:, n_prompts:] = rival_scores.cpu().numpy()
            for start in range(0, n_prompts, PROMPTS_AT_ONCE):
                columns = slice(start, min(start + PROMPTS_AT_ONCE, n_prompts))
                values = score(features, TextFeatures(*(part[columns] for part in texts)), config.score)[0]
                if highest_rival is not None:
                    values = values * (values >= highest_rival)
                scores[:, columns] = values.cpu().numpy()
            scores[piece.values[:, -1].cpu().numpy() < silence_power] = 0
            yield FrameScores(scores, shown, self.grid, piece.start_frame, piece.n_samples)

    def _features(self, piece: FramePiece) -> Tensor:
        """(1, T, D) features of a piece of embeddings."""
        return self.model.project_audio(piece.values[None, :, :-1]).frame_features
