"""Several models on the same scenes, as they are and through recorders: what bandwidth, codecs and noise cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flam.core import Event
from flam.data.phrases import PhraseSet
from flam.detection.binarize import binarize
from flam.detection.config import DetectionConfig
from flam.detection.detector import Detector
from flam.evaluation.auroc import auroc
from flam.evaluation.detections import DetectionCounts, count_detections, joined
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.scenes.effects.codec import Codec
from flam.scenes.effects.recorder import Recorder, record
from recipes.flam_mini.judgement import JudgedRecording, _frames, _judged_scenes, heard_in

CONDITIONS: dict[str, Recorder] = {
    "as it is": Recorder(),
    "16 kHz": Recorder(sample_rate_hz=16_000),
    "8 kHz": Recorder(sample_rate_hz=8_000),
    "opus 16 kbit/s": Recorder(codec=Codec("opus", 16.0)),
    "-30 dB": Recorder(peak_db=-36.0),
    "clipped +12 dB": Recorder(gain_db=12.0),
    "room": Recorder(reverberation_s=0.5, direct_db=3.0, seed=1),
    "pink noise 10 dB": Recorder(noise_db=10.0, seed=1),
}
EVENT_LENGTHS_S = (0.6, 1.5, 5.0)


@dataclass(frozen=True)
class Operating:
    """What a model finds at one threshold.

    Parameters
    ----------
    counts : found, missed, false alarms
    found_by_prompt : prompt to (events found, events there)
    found_by_length : (found, there) for events below 0.6 s, to 1.5 s, to 5 s, and longer
    count_error : mean distance of the number of detections and of events, over recordings and prompts that sound
    """

    counts: DetectionCounts
    found_by_prompt: dict[str, tuple[int, int]]
    found_by_length: list[tuple[int, int]]
    count_error: float

    @property
    def figures(self) -> dict[str, Any]:
        """Ready to be written as JSON."""
        errors_s = self.counts.onset_errors_s
        return {
            "recall": round(self.counts.recall, 3),
            "false_alarms_per_minute": round(self.counts.false_alarms_per_minute, 2),
            "median_onset_error_s": round(float(np.median(errors_s)), 3) if errors_s else None,
            "prompts_found": sum(found > 0 for found, _ in self.found_by_prompt.values()),
            "prompts_asked": len(self.found_by_prompt),
            "recall_by_length": [round(found / max(there, 1), 3) for found, there in self.found_by_length],
            "n_by_length": [there for _, there in self.found_by_length],
            "count_error": round(self.count_error, 3),
        }


def scored(
    detector: Detector,
    scenes: Sequence[tuple[np.ndarray, tuple[Event, ...], SourceClip | None]],
    prompts: Sequence[str],
    sample_rate: int,
    phrase_sets: Mapping[str, PhraseSet],
    recorder: Recorder,
) -> list[JudgedRecording]:
    """Frame scores of scenes through a recorder; each scene has noise and a room of its own."""
    return [
        JudgedRecording(
            detector.score(
                (record(waveform, sample_rate, dataclasses.replace(recorder, seed=number)), sample_rate), prompts
            ),
            events,
            heard_in(background, prompts, phrase_sets),
        )
        for number, (waveform, events, background) in enumerate(scenes)
    ]


def macro_frame_auroc(recordings: Sequence[JudgedRecording], prompts: Sequence[str]) -> float:
    """Mean area under the curve over the prompts that sound somewhere, not everywhere."""
    frames = [_frames(recordings, prompt) for prompt in prompts]
    return float(np.mean([auroc(scores, truth) for scores, truth in frames if truth.any() and not truth.all()]))


def operating(
    config: DetectionConfig, recordings: Sequence[JudgedRecording], prompts: Sequence[str] | None = None
) -> Operating:
    """Counts at the configuration's thresholds, over all prompts or some of them.

    Events that the detector's rule would join count as one; for the number of events they count as they are.
    """
    total = DetectionCounts(0, 0, 0, (), 0.0)
    by_prompt: dict[str, list[int]] = {}
    by_length = [[0, 0] for _ in range(len(EVENT_LENGTHS_S) + 1)]
    differences: list[int] = []
    for recording in recordings:
        asked = set(prompts if prompts is not None else recording.scores.prompts) - recording.unsure
        detections = [event for event in binarize([recording.scores], config) if event.prompt in asked]
        there = [event for event in recording.events if event.prompt in asked]
        events = joined(there, lambda prompt: config.rule(prompt).merge_gap_s)
        total += count_detections(detections, events, recording.scores.end_s)
        for event in events:
            found = any(
                d.prompt == event.prompt
                and min(d.offset_s, event.offset_s) - max(d.onset_s, event.onset_s)
                >= 0.3 * min(d.offset_s - d.onset_s, event.offset_s - event.onset_s)
                for d in detections
            )
            place = int(np.searchsorted(EVENT_LENGTHS_S, event.offset_s - event.onset_s, side="right"))
            for tally in (by_prompt.setdefault(event.prompt, [0, 0]), by_length[place]):
                tally[0] += found
                tally[1] += 1
        for prompt in {event.prompt for event in there}:
            n_there = sum(event.prompt == prompt for event in there)
            differences.append(abs(sum(d.prompt == prompt for d in detections) - n_there))
    return Operating(
        total,
        {prompt: (found, there) for prompt, (found, there) in by_prompt.items()},
        [(found, there) for found, there in by_length],
        float(np.mean(differences)) if differences else 0.0,
    )


def at_false_alarms(
    config: DetectionConfig, recordings: Sequence[JudgedRecording], per_minute: float, n_steps: int = 9
) -> tuple[float, Operating]:
    """The threshold, and what is found, at which all prompts together have so many false alarms a minute."""
    low, high = 2.0, 12.0  # logits
    for _ in range(n_steps):
        middle = (low + high) / 2
        found = operating(_at(config, middle), recordings)
        if found.counts.false_alarms_per_minute > per_minute:
            low = middle
        else:
            high = middle
    return 1 / (1 + np.exp(-high)), operating(_at(config, high), recordings)


def _at(config: DetectionConfig, logit: float) -> DetectionConfig:
    bare = {
        prompt: dataclasses.replace(own, threshold=None, low_threshold=None) for prompt, own in config.prompts.items()
    }
    return dataclasses.replace(config, threshold=1 / (1 + float(np.exp(-logit))), low_threshold=None, prompts=bare)


def side_by_side(
    detectors: Mapping[str, Detector],
    clips: Sequence[SourceClip],
    bank: WaveformBank,
    phrase_sets: Mapping[str, PhraseSet],
    n_scenes: int,
    n_prompts: int,
    seed: int,
    per_minute: float = 2.5,
    conditions: Mapping[str, Recorder] = CONDITIONS,
) -> dict[str, Any]:
    """Each model in each condition on the same scenes: AUROC, and recall at equal false alarms."""
    prompts, scenes = _judged_scenes(clips, bank, n_scenes, n_prompts, seed)
    figures: dict[str, Any] = {"n_scenes": n_scenes, "prompts": prompts}
    for name, detector in detectors.items():
        for condition, recorder in conditions.items():
            recordings = scored(detector, scenes, prompts, bank.sample_rate, phrase_sets, recorder)
            threshold, found = at_false_alarms(detector.config, recordings, per_minute)
            figures.setdefault(name, {})[condition] = {
                "frame_auroc": round(macro_frame_auroc(recordings, prompts), 4),
                "threshold": round(threshold, 5),
                **found.figures,
            }
    return figures


def clip_accuracy_in_bands(
    detector: Detector, clips: Sequence[SourceClip], bank: WaveformBank, recorders: Mapping[str, Recorder]
) -> dict[str, float]:
    """Top-1 of naming clips among all their labels by text, each clip through the same recorder."""
    names = sorted({clip.label for clip in clips})
    texts = np.asarray(detector.embed_text(names).text_features)
    shares = {}
    for condition, recorder in recorders.items():
        right = [
            names[
                int(
                    (
                        texts
                        @ detector.embed_audio(
                            (record(bank.waveform(c.clip_id), bank.sample_rate, recorder), bank.sample_rate)
                        )
                    ).argmax()
                )
            ]
            == c.label
            for c in clips
        ]
        shares[condition] = round(float(np.mean(right)), 4)
    return shares
