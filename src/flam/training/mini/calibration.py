"""One threshold for all texts: scales fitted so that every text rises equally high where it does not sound.

What the frame loss makes of the scale depends on how hard a text was to learn: with one threshold, texts of a low scale
are then never found and those of a high one are found everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch.nn import functional

from flam.data.phrases import PhraseSet
from flam.detection.detector import Detector
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.model.flam import FLAM
from flam.model.text import TextTokens, tokenize
from flam.scenes.effects.recorder import RecorderConfig, draw_recorder, record
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import Renderer
from flam.training.mini.judgement import JUDGED_SCENES, heard_in
from flam.training.mini.texts import related_labels

WORDS_PER_LABEL = 3
QUANTILE = 0.9995
MOST_CHANGE = 2.0


def false_heights(
    detector: Detector,
    clips: Sequence[SourceClip],
    bank: WaveformBank,
    phrase_sets: Mapping[str, PhraseSet],
    n_scenes: int = 80,
    seed: int = 7,
) -> tuple[list[str], np.ndarray]:
    """Texts, and how high the cosine of each rises in one of 2,000 frames where it does not sound.

    Scenes are those of the judgement, half of them through a drawn recorder.

    Parameters
    ----------
    clips : training clips

    Returns
    -------
    K texts, and (K,) float64 cosines
    """
    labels = sorted({clip.label for clip in clips if clip.label})
    texts, row_of = [], []
    rng = np.random.default_rng(seed)
    for row, label in enumerate(labels):
        phrases = phrase_sets[label].phrases if label in phrase_sets else ()
        chosen = rng.permutation(len(phrases))[:WORDS_PER_LABEL]
        texts += [label, *(phrases[place] for place in chosen)]
        row_of += [row] * (1 + len(chosen))
    related = related_labels(labels, phrase_sets)
    drawer, by_id = SceneDrawer(clips, bank, JUDGED_SCENES), {clip.clip_id: clip for clip in clips}
    renderer = Renderer(bank, {clip.clip_id: clip.label for clip in clips})
    described = np.asarray(detector.embed_text(texts).text_features)
    cosines, absent = [], []
    for index in range(n_scenes):
        plan = drawer.draw(seed, index)
        waveform = renderer.render(plan).waveform
        if index % 2:
            waveform = record(waveform, bank.sample_rate, draw_recorder(rng, RecorderConfig()))
        frames = detector.embed_frames((waveform, bank.sample_rate))
        background = None if plan.background is None else by_id[plan.background.clip_id]
        present = {by_id[placement.clip_id].label for placement in plan.events}
        sounds = np.array([label in present for label in labels])
        heard = heard_in(background, labels, phrase_sets)
        silent = ~(related[sounds].any(axis=0) | np.array([label in heard for label in labels]))
        cosines.append((frames @ described.T).astype(np.float16))
        absent.append(np.repeat(silent[row_of][None], len(frames), axis=0))
    scored, counted = np.concatenate(cosines), np.concatenate(absent)
    return texts, np.array(
        [np.quantile(scored[counted[:, k], k].astype(np.float64), QUANTILE) for k in range(len(texts))]
    )


def equalise_scales(model: FLAM, texts: Sequence[str], heights: np.ndarray, share: float, steps: int = 600) -> float:
    """Train the scale head, in place, towards scales at which each text's false height is the same logit.

    Parameters
    ----------
    share : of the way from the scales as they are to such ones, in [0, 1]

    Returns
    -------
    correlation of wanted and reached log scales over texts that the head was not trained on, a tenth of them
    """
    with torch.no_grad():
        embedded = _embedded(model, texts)
        before = model.logit_scale_head(embedded).squeeze(-1)
        wanted = -torch.from_numpy(np.log(np.maximum(heights, 0.05))).float()
        wanted += before.mean() - wanted.mean()
        limit = float(np.log(MOST_CHANGE))
        wanted = before + share * (wanted - before).clamp(-limit, limit)
    held_out = torch.arange(len(texts)) % 10 == 9
    optimizer = torch.optim.AdamW(model.logit_scale_head.parameters(), lr=1e-3, weight_decay=0.05)
    for _ in range(steps):
        loss = functional.mse_loss(model.logit_scale_head(embedded[~held_out]).squeeze(-1), wanted[~held_out])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        reached = model.logit_scale_head(embedded[held_out]).squeeze(-1)
    return float(np.corrcoef(reached.numpy(), wanted[held_out].numpy())[0, 1])


def _embedded(model: FLAM, texts: Sequence[str], at_once: int = 512) -> torch.Tensor:
    assert model.tokenizer is not None
    encoder = model.text_encoder
    batches = [
        TextTokens(*tokenize(model.tokenizer, texts[first : first + at_once], encoder.max_tokens, encoder.pad_id))
        for first in range(0, len(texts), at_once)
    ]
    return torch.cat([encoder(tokens) for tokens in batches])
