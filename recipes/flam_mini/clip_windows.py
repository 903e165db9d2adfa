"""The teacher's embedding of every clip of the library, unmixed: the cleanest answers to what a label sounds like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flam.core.progress import Progress
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.training.tasks.teacher_head import ClipWindows
from recipes.flam_mini.teacher import Teacher

HOP_S = 0.48
WINDOW_S = 1.2  # a little more than the teacher's, so that its last sample exists
MOST_WINDOWS = 16
PEAK = 0.5


def embed_clips(
    clips: Sequence[SourceClip],
    bank: WaveformBank,
    teacher: Teacher,
    progress: Progress | None = None,
) -> ClipWindows:
    """Run the teacher over the active part of every clip in the bank, at most 16 windows of each, at one peak level."""
    clip_ids: list[str] = []
    embeddings = []
    for done, clip in enumerate(clips, start=1):
        if clip.clip_id in bank:
            waveform, spans_s = bank.waveform(clip.clip_id), bank.spans_s(clip.clip_id)
            first_s, last_s = spans_s[0][0], spans_s[-1][1]
            starts_s = np.arange(first_s, max(last_s - WINDOW_S / 2, first_s + 1e-6), HOP_S)
            if len(starts_s) > MOST_WINDOWS:
                starts_s = starts_s[np.linspace(0, len(starts_s) - 1, MOST_WINDOWS).astype(int)]
            missing = int((starts_s[-1] + WINDOW_S) * bank.sample_rate) - len(waveform)
            waveform = np.pad(waveform * (PEAK / np.abs(waveform).max()), (0, max(missing, 0)))
            embeddings.append(teacher(waveform, bank.sample_rate, starts_s).embedding.astype(np.float16))
            clip_ids += [clip.clip_id] * len(starts_s)
        if progress is not None:
            progress(done, len(clips))
    return ClipWindows(np.array(clip_ids), np.concatenate(embeddings))
