"""Training examples of a fine-tuning: texts and anchors, and clips, each embedded once by the frozen audio tower."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save
from tokenizers import Tokenizer
from torch import Tensor

from flam.audio import mono_blocks, windows
from flam.core import AudioError, TimeGrid, atomic_path
from flam.core.progress import Progress
from flam.data.clip import Sound, cut_sounds
from flam.data.labels import normalised
from flam.data.scene_source import SceneSource
from flam.hub.tokens import TEXTS_AT_ONCE
from flam.model.flam import FLAM
from flam.model.text import TextTokens, tokenize
from flam.procedural import GENERATORS
from flam.training.finetune.folder import LabelledRecording
from flam.training.tasks.finetune import Examples, TextEmbeddings, usual_texts

WAYS = ("{}", "the sound of {}", "{} sound", "a {}")
SHARE_OF_WORDS = 0.4
SCENES_AT_ONCE = 8
SHARE_WITHOUT_EVENTS = 0.25


def anchor_texts(
    tokenizer: Tokenizer, known: Iterable[str], learnt: Iterable[str], n_texts: int, seed: int
) -> list[str]:
    """Texts that are none of ``learnt``: first all ``known``, then words of the tokenizer, alone and in pairs.

    The words that a tokenizer keeps whole are those its model read most, whatever the language. Pairs stand for all
    the phrases that nobody can list.

    Parameters
    ----------
    known, learnt : Iterable[str]
        texts
    n_texts : int
        how many to give, where the tokenizer has words enough

    Examples
    --------
    >>> from tokenizers.models import WordLevel
    >>> tokenizer = Tokenizer(WordLevel({"owl": 0, "seal": 1, "##rl": 2, "zorblat": 3}))
    >>> texts = anchor_texts(tokenizer, ["rain"], ["zorblat"], n_texts=5, seed=0)
    >>> texts[0], sorted(texts[1:3])
    ('rain', ['owl', 'seal'])
    """
    rng = np.random.default_rng([seed, n_texts])
    forbidden = {normalised(text) for text in learnt}
    texts = [text for text in dict.fromkeys(known) if normalised(text) not in forbidden]
    words = sorted(_words(tokenizer) - forbidden - set(texts))
    n_left = max(n_texts - len(texts), 0)
    n_words = min(len(words), max(round(SHARE_OF_WORDS * n_left), 2))
    texts += [words[place] for place in rng.permutation(len(words))[:n_words]]
    n_pairs = max(n_texts - len(texts), 0) if len(words) >= 2 else 0
    pairs = (" ".join(words[place] for place in rng.integers(len(words), size=2)) for _ in range(n_pairs))
    return texts + [pair for pair in pairs if normalised(pair) not in forbidden]


@torch.no_grad()  # not inference mode: learning computes gradients through what is made of these
def text_embeddings(
    model: FLAM, learnt: Sequence[str], others: Sequence[str], n_anchors: int, seed: int
) -> TextEmbeddings:
    """Embed the texts to learn, each in all its ways, and the anchors.

    Parameters
    ----------
    model : FLAM
        Its text tower is used as it is.
    learnt, others : sequence of str
        Texts to learn, and names of procedural sounds, which are anchors.
    n_anchors, seed : int
        See ``anchor_texts``.
    """
    assert model.tokenizer is not None  # comparing has embedded texts already
    known = [*others, *(GENERATORS[name].caption for name in others)]
    anchors = _embedded(model, anchor_texts(model.tokenizer, known, learnt, n_anchors, seed))
    said = _embedded(model, [way.format(text) for way in WAYS for text in learnt])
    before = model.project_text(anchors)
    return TextEmbeddings(said.reshape(len(WAYS), len(learnt), -1), anchors, before, usual_texts(before.text_features))


def _words(tokenizer: Tokenizer) -> set[str]:
    """What the tokenizer keeps in one piece, of three letters or more."""
    stripped = {piece.lstrip("\u2581\u0120") for piece in tokenizer.get_vocab()}  # marks of where a word begins
    candidates = sorted(piece for piece in stripped if re.fullmatch(r"[^\W\d_]{3,}", piece))
    encodings = tokenizer.encode_batch(candidates, add_special_tokens=False)
    return {word for word, encoding in zip(candidates, encodings, strict=True) if len(encoding.ids) == 1}


def _embedded(model: FLAM, texts: Sequence[str]) -> Tensor:
    """(K, E) what the text tower says of K texts."""
    assert model.tokenizer is not None
    encoder, device = model.text_encoder, model.log_temperature_inverse.device
    parts = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        batch = texts[start : start + TEXTS_AT_ONCE]
        ids, mask = tokenize(model.tokenizer, batch, encoder.max_tokens, encoder.pad_id)
        parts.append(encoder(TextTokens(ids.to(device), mask.to(device))))
    return torch.cat(parts)


class HeardClip(NamedTuple):
    """Audio to embed: ``waveform (N,)``, what sounds in it, and how many samples are no filling."""

    waveform: np.ndarray
    sounds: tuple[Sound, ...]
    n_samples: int


Job = Callable[[], Sequence[HeardClip]]


@dataclass(frozen=True)
class ExampleCache:
    """Clips to examples, kept in a folder part by part, so that after an interruption nothing is heard twice.

    Parameters
    ----------
    model : FLAM
        its audio tower and projection are used as they are
    texts : tuple[str, ...]
        K labels, the columns of ``Examples.labels``
    folder : Path
        of the parts that are done
    """

    model: FLAM
    texts: tuple[str, ...]
    folder: Path

    def embed(self, name: str, jobs: Sequence[Job], progress: Progress) -> Examples:
        """Do jobs that an earlier run has not done, and give the examples of all.

        Parameters
        ----------
        name : str
            of the parts in the folder
        progress : Progress
            told how many jobs are done, and how many there are
        """
        parts = []
        for number, job in enumerate(jobs):
            path = self.folder / f"{name}_{number:05d}.safetensors"
            if not path.exists():
                with atomic_path(path) as unfinished:
                    unfinished.write_bytes(save(self._embedded(job())._asdict()))
            parts.append(Examples(**load_file(path)))
            progress(number + 1, len(jobs))
        return Examples(*(torch.cat(tensors) for tensors in zip(self._embedded(()), *parts, strict=True)))

    @torch.inference_mode()
    def _embedded(self, clips: Sequence[HeardClip]) -> Examples:
        encoder, grid = self.model.audio_encoder, self.model.grid
        n_frames = grid.n_frames(encoder.window_samples)
        features = torch.zeros(len(clips), n_frames, self.model.config.joint_dim, dtype=torch.float16)
        labels = torch.zeros(len(clips), n_frames, len(self.texts), dtype=torch.bool)
        valid = torch.zeros(len(clips), n_frames, dtype=torch.bool)
        device = self.model.log_temperature_inverse.device
        for row, clip in enumerate(clips):
            waveform = torch.from_numpy(clip.waveform)[None].to(device)
            features[row] = self.model.embed_audio(waveform).frame_features[0].half().cpu()
            labels[row] = torch.from_numpy(frame_labels(clip.sounds, self.texts, grid, n_frames))
            valid[row, : grid.n_frames(clip.n_samples)] = True
        return Examples(features, labels, valid)


def frame_labels(sounds: Sequence[Sound], texts: Sequence[str], grid: TimeGrid, n_frames: int) -> np.ndarray:
    """(T, K) bool array, True where a text sounds; several sounds may have one text.

    Examples
    --------
    >>> sounds = [Sound("owl", (), ((0.0, 1.0),)), Sound("owl", (), ((2.0, 3.0),))]
    >>> frame_labels(sounds, ["owl", "seal"], TimeGrid(10, 10), 3).tolist()
    [[True, False], [False, False], [True, False]]
    """
    spans_s: dict[str, list[tuple[float, float]]] = {}
    for sound in sounds:
        spans_s.setdefault(sound.label, []).extend(sound.spans_s)
    return grid.label_matrix(spans_s, texts, n_frames)


def scene_jobs(source: SceneSource, n_scenes: int) -> list[Job]:
    """The first scenes of a source, a few in each job."""

    def scenes(start: int) -> list[HeardClip]:
        clips = [
            source.clip(number, np.random.default_rng(number))
            for number in range(start, min(start + SCENES_AT_ONCE, n_scenes))
        ]
        return [HeardClip(clip.waveform, clip.sounds or (), len(clip.waveform)) for clip in clips]

    return [partial(scenes, start) for start in range(0, n_scenes, SCENES_AT_ONCE)]


def window_jobs(
    recordings: Sequence[LabelledRecording], sample_rate: int, n_samples: int, most: int, seed: int
) -> list[Job]:
    """Windows of the recordings with times, one recording in each job: some with events, some without.

    Parameters
    ----------
    sample_rate, n_samples : int
        of a window
    most : int
        windows of all recordings together
    """
    timed = [recording for recording in recordings if recording.label is None]
    share, window_s = most / max(len(timed), 1), n_samples / sample_rate

    def job(number: int) -> list[HeardClip]:
        recording = timed[number]
        rng = np.random.default_rng([seed, number])
        # at least `most` windows in all, so that no recording is left without
        wanted = _window_numbers(recording, window_s, max(round(share), 1), rng)
        sounds = [Sound(label, (), spans_s) for label, spans_s in recording.events.items()]
        found = []
        try:
            # problems of a recording were reported when its sounds were cut
            blocks = mono_blocks(recording.path, sample_rate, on_problem=lambda line: None)
            for place, window in enumerate(windows(blocks, n_samples, n_samples)):
                if place in wanted:
                    inside = cut_sounds(sounds, place * window_s, window.n_valid / sample_rate)
                    found.append(HeardClip(window.waveform, inside, window.n_valid))
                if place >= max(wanted):
                    break
        except AudioError:
            pass
        return found

    return [partial(job, number) for number in range(len(timed))]


def _window_numbers(recording: LabelledRecording, window_s: float, n_wanted: int, rng: np.random.Generator) -> set[int]:
    """Places of windows with an event, and of some between them and after the last."""
    spans_s = [span for spans in recording.events.values() for span in spans]
    with_events = {
        place for start_s, end_s in spans_s for place in range(int(start_s / window_s), int(end_s / window_s) + 1)
    }
    others = sorted(set(range(max(with_events, default=0) + 2)) - with_events)
    n_others = min(len(others), max(round(SHARE_WITHOUT_EVENTS * n_wanted), n_wanted - len(with_events)))
    chosen = rng.permutation(sorted(with_events))[: max(n_wanted - n_others, 1)]
    return {*map(int, chosen), *map(int, rng.permutation(others)[:n_others])} or {0}
