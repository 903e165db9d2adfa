"""The interface of the OpenFLAM release: a script written for it runs here after changing its import, on any length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from flam.core import AudioError, ModelError, ScoreMethod
from flam.detection.backends.torch import TorchBackend
from flam.detection.detector import Detector
from flam.detection.load import load
from flam.model.flam import TextFeatures, score
from flam.plots import detection as plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["OpenFLAM", "plot_sed_heatmap"]

RELEASED_NAMES = {"v1-base": "openflam"}


class OpenFLAM:
    """The methods of the release. Audio is a (B, N) array or tensor of mono clips at 48 kHz, N is free.

    Frames last ``grid.hop_s`` of the model, 0.3125 s for the released one; a clip has as many as it takes to cover it.
    The release always gives 32, as if every clip lasted 10 s; here a clip of 7 s has 23, each where it sounds.
    For long recordings, files, events and prompts in large numbers, ``flam.load`` is the better way.

    Parameters
    ----------
    model_name : str, default "v1-base"
        "v1-base" for the released weights, or any name or folder that ``flam.load`` takes
    default_ckpt_path : str | Path | None, optional
        folder of a checkpoint of this package to use instead of ``model_name``; another folder, such as the one where
        the release kept its download, is not looked at
    device : str | torch.device, default "cpu"
        as torch names it

    Raises
    ------
    ModelError
        the model can't be found or loaded

    Examples
    --------
    ``OpenFLAM("flam-mini").get_local_similarity(torch.randn(1, 480_000), ["dog barking"])`` has shape (1, 1, T).
    """

    def __init__(
        self,
        model_name: str = "v1-base",
        default_ckpt_path: str | Path | None = None,
        device: str | torch.device = "cpu",
    ):
        name: str | Path = RELEASED_NAMES.get(model_name, model_name)
        if default_ckpt_path is not None and (Path(default_ckpt_path) / "config.json").exists():
            name = default_ckpt_path
        self._detector = load(name, str(device), precision="fp32", backend="torch")

    def to(self, device: str | torch.device) -> OpenFLAM:
        """Move to a device; gives the same object."""
        self._detector = Detector(self._backend.model, self._detector.config, device, "fp32", self._detector.card)
        return self

    def sanity_check(self) -> None:
        """Run every method on noise.

        Raises
        ------
        ModelError
            a result of the wrong shape, or numbers that are not finite
        """
        noise = torch.randn(2, self._detector.sample_rate, generator=torch.Generator().manual_seed(0))
        texts = ["rain", "dog barking"]
        frames = self.get_local_audio_features(noise)
        dim = frames.shape[-1]
        results = {
            "get_local_audio_features": (frames, (2, self._detector.grid.n_frames(noise.shape[1]), dim)),
            "get_global_audio_features": (self.get_global_audio_features(noise), (2, dim)),
            "get_text_features": (self.get_text_features(texts), (2, dim)),
            "get_local_similarity": (self.get_local_similarity(noise, texts), (2, 2, frames.shape[1])),
        }
        for method, (result, shape) in results.items():
            if result.shape != shape or not torch.isfinite(result).all():
                raise ModelError(
                    f"{method} gave shape {tuple(result.shape)}, {int(torch.isfinite(result).sum())} values of it "
                    f"finite; it must be {shape} and all finite; fetch or convert the model again"
                )

    def get_global_audio_features(self, audio: np.ndarray | Tensor) -> Tensor:
        """(B, N) clips to (B, D) features of whole clips."""
        return self._stacked([self._detector.embed_audio(clip) for clip in _clips(audio)])

    def get_local_audio_features(self, audio: np.ndarray | Tensor) -> Tensor:
        """(B, N) clips to (B, T, D) features of their frames."""
        return self._stacked([self._detector.embed_frames(clip) for clip in _clips(audio)])

    def get_text_features(self, text: Sequence[str]) -> Tensor:
        """K texts to (K, D) features."""
        return torch.from_numpy(self._detector.embed_text(text).text_features).to(self._backend.device)

    def get_local_similarity(
        self,
        audio: np.ndarray | Tensor,
        text: Sequence[str],
        method: ScoreMethod = "unbiased",
        cross_product: bool = True,
    ) -> Tensor:
        """Score frames against texts.

        Parameters
        ----------
        audio : np.ndarray | Tensor
            (B, N) clips
        text : Sequence[str]
            K texts
        method : ScoreMethod, default "unbiased"
            "unbiased", "approximate" or "posterior"
        cross_product : bool, default True
            True scores every text in every clip; False text k in clip k only, K = B

        Returns
        -------
        Tensor
            (B, K, T) tensor in [0, 1], or (B, T) without the cross product

        Raises
        ------
        AudioError
            clips that are not (B, N), or hold no sample or one that is not finite
        ModelError
            an empty text, unknown method, or other than one text a clip where they go in pairs
        """
        frames = self.get_local_audio_features(audio)
        if not cross_product and len(text) != len(frames):
            raise ModelError(
                f"{len(text)} texts for {len(frames)} clips: without the cross product each clip needs one text; "
                "set cross_product=True"
            )
        texts = TextFeatures(*(torch.from_numpy(part).to(frames.device) for part in self._detector.embed_text(text)))
        scores = score(frames, texts, method).transpose(1, 2)
        return scores if cross_product else torch.diagonal(scores).T

    @property
    def _backend(self) -> TorchBackend:
        return cast(TorchBackend, self._detector.backend)

    def _stacked(self, rows: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(rows)).to(self._backend.device)


def plot_sed_heatmap(
    audio: np.ndarray | Tensor,
    sr: int,
    post_similarity: Mapping[str, np.ndarray | Tensor],
    duration: float | None = None,
    negative_class: Sequence[str] = (),
    figsize: tuple[float, float] = (14, 8),
    save_path: str | Path | None = None,
) -> Figure:
    """Draw similarities under the spectrogram of a clip, by the names that the release gives its parameters.

    Parameters
    ----------
    audio : np.ndarray | Tensor
        (N,) or (1, N) samples
    sr : int
        Hz
    post_similarity : Mapping[str, np.ndarray | Tensor]
        text to (T,) values in [0, 1]; they span the picture
    duration : float | None, optional
        seconds to show, from the start; None shows all
    negative_class : Sequence[str], default ()
        those of the texts that are drawn below the others in another colour
    figsize : tuple[float, float], default (14, 8)
        width and height, inches
    save_path : str | Path | None, optional
        where to write the picture; None writes nothing

    Raises
    ------
    AudioError, ConfigError, OutputError
        as ``flam.plots.detection.plot_sed_heatmap``

    Examples
    --------
    >>> figure = plot_sed_heatmap(np.zeros(48000), 48000, post_similarity={"rain": np.linspace(0, 1, 32)}, duration=1)
    """
    waveform = np.atleast_2d(np.asarray(audio, np.float32)).reshape(-1)
    if duration is not None:
        waveform = waveform[: round(duration * sr)]
    rows = {text: np.asarray(values, np.float32).reshape(-1) for text, values in post_similarity.items()}
    return plots.plot_sed_heatmap((waveform, sr), rows, None, save_path, tuple(negative_class), figsize)


def _clips(audio: np.ndarray | Tensor) -> list[np.ndarray | Tensor]:
    if not isinstance(audio, (np.ndarray, Tensor)) or audio.ndim != 2 or 0 in audio.shape:
        shape = tuple(getattr(audio, "shape", ()))
        raise AudioError(
            f"audio of type {type(audio).__name__} and shape {shape} must be an array or tensor of (B, N) clips, "
            "B and N at least 1; add an axis with audio[None]"
        )
    return list(audio)
