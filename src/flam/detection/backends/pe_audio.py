"""PE-A-Frame, the frame model of Meta's Perception Encoder family: 25 frames a second, computed by transformers.

Vyas et al., "Pushing the Frontier of Audiovisual Perception with Large-Scale Multimodal Correspondence Learning",
arXiv 2512.19687. Weights are Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import PeAudioConfig, PeAudioFrameLevelModel

from flam.core import ModelError, TimeGrid
from flam.detection.backends.base import Backend, TextFeatures
from flam.hub.card import read_config
from flam.hub.tokens import text_problems

WINDOW_S = 10.0
MAX_TOKENS = 77
TEXTS_AT_ONCE = 64


class PeAudioBackend(Backend):
    """A PE-A-Frame model: its logit is one scale times the product of unnormalised embeddings, plus one bias.

    Parameters
    ----------
    folder : str or Path
        A model folder that ``flam models convert`` or ``flam models download`` wrote.
    device : str
        As torch names it; "auto" takes a GPU where there is one.

    Raises
    ------
    ModelError
        The folder holds no such model, weights are missing or of another shape, or the device is not there.
    """

    def __init__(self, folder: str | Path, device: str = "cpu"):
        self.folder = Path(folder)
        # transformers does not say what its configurations hold
        config: Any = PeAudioConfig.from_dict(read_config(self.folder)["model"]["config"])
        codec = config.audio_config.dac_config
        self.grid = TimeGrid(codec.sampling_rate, codec.hop_length)
        self.window_samples = round(WINDOW_S * self.grid.rate_hz) * self.grid.hop_samples
        self.variable_length = True
        self._pad_id = config.text_config.pad_token_id
        self._tokenizer = _tokenizer(self.folder / "tokenizer.json")
        model = _model(self.folder, config)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self._model = model.to(device).eval()
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"device {device!r} can't be used ({reason}); choose cpu") from error
        self.device = device

    @torch.inference_mode()
    def encode(self, waveforms: np.ndarray) -> np.ndarray:
        """(B, N) clips to (B, T, C) states of the audio encoder, see ``Backend``."""
        samples = torch.from_numpy(np.ascontiguousarray(waveforms, np.float32)).to(self.device)
        return self._model.audio_encoder(samples[:, None]).last_hidden_state.float().cpu().numpy()

    @torch.inference_mode()
    def project(self, frames: np.ndarray) -> np.ndarray:
        """(T, C) states to (T, D) features, which keep their lengths."""
        return self._model.audio_head(self._tensor(frames)).cpu().numpy()

    def pool(self, pieces: Iterable[np.ndarray]) -> np.ndarray:
        """Mean of the frame features, of length 1.

        The model's own pooled state belongs to one window and says nothing of a longer recording.
        """
        total, n_frames = 0.0, 0
        for frames in pieces:
            total = total + self.project(frames).sum(axis=0, dtype=np.float64)
            n_frames += len(frames)
        mean = np.asarray(total) / n_frames
        return (mean / np.linalg.norm(mean)).astype(np.float32)

    @torch.inference_mode()
    def embed_text(self, texts: Sequence[str]) -> TextFeatures:
        """Features of K texts, and the model's one scale and bias for each; see ``Backend``."""
        for text in texts:
            if not text.strip():
                raise ModelError(f"prompt {text!r} is empty; write a word or more")
        parts = [self._embed(texts[start : start + TEXTS_AT_ONCE]) for start in range(0, len(texts), TEXTS_AT_ONCE)]
        size = self._model.config.text_config.hidden_size
        features = np.concatenate(parts) if parts else np.zeros((0, size), np.float32)
        scale, bias = self._model.text_audio_logit_scale.item(), self._model.text_audio_logit_bias.item()
        return TextFeatures(features, np.full(len(texts), scale, np.float32), np.full(len(texts), bias, np.float32))

    def text_problems(self, texts: Sequence[str]) -> list[str]:
        """Texts that are cut, or of which the tokenizer knows nothing."""
        return text_problems(self._tokenizer, texts, MAX_TOKENS)

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        rows = [self._tokenizer.encode(text).ids[:MAX_TOKENS] for text in texts]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [self._pad_id] * (longest - len(row)) for row in rows], device=self.device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=self.device)
        output = self._model.text_model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        return self._model.text_audio_head(output.hidden_states[-1][:, 0]).float().cpu().numpy()

    def _tensor(self, frames: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(frames, np.float32)).to(self.device)


def _tokenizer(path: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises nothing narrower for a damaged file
        raise ModelError(f"{path}: no tokenizer can be read ({error}); download the model again") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _model(folder: Path, config: PeAudioConfig) -> Any:
    load: Any = PeAudioFrameLevelModel.from_pretrained
    try:
        model, report = load(
            folder, config=config, output_loading_info=True, local_files_only=True, dtype=torch.float32
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"{folder}: weights can't be read ({str(error).splitlines()[0]}); download them again"
        ) from error
    if report["missing_keys"] or report["mismatched_keys"]:
        absent = sorted({*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])})
        raise ModelError(
            f"{folder}: {len(absent)} weights are missing or of another shape, such as {absent[0]}; download them again"
        )
    return model
