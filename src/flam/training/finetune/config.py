"""Every number of a fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FinetuneConfig:
    """How a model learns the classes of a folder.

    Parameters
    ----------
    held_out_share : part of the recordings that nothing is learnt from, on which before and after are compared
    n_scenes, n_held_out_scenes : mixtures of the folder's sounds with each other and with procedural sounds, for
        learning and for the comparison
    most_windows : at most so many windows of recordings with times of events are used as they are
    most_audio_s : at most so many seconds of sounds are mixed from, all classes together
    n_takes : takes of each procedural sound that are learnt from; compared on is one other
    n_anchors : texts whose features stay where they are
    epochs : passes over scenes and windows
    batch_size, lr : scenes and windows in a step, and peak learning rate
    weights : of the losses of ``flam.training.finetune.fit.step_losses``
    seed : of everything that is drawn
    annotations_format, label_column : of the event lists, see ``flam.training.finetune.folder.read_folder``
    """

    held_out_share: float = 0.2
    n_scenes: int = 320
    n_held_out_scenes: int = 80
    most_windows: int = 400
    most_audio_s: float = 3600.0
    n_takes: int = 2
    n_anchors: int = 8000
    epochs: int = 20
    batch_size: int = 16
    lr: float = 1e-3
    weights: Mapping[str, float] = field(
        default_factory=lambda: {
            "frame_loss": 20.0,
            "scale_loss": 1.0,
            "prior_loss": 1.0,
            "likeness_loss": 2.0,
            "anchor_loss": 50.0,
        }
    )
    seed: int = 0
    annotations_format: str | None = None
    label_column: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.held_out_share <= 0.5:
            raise ValueError(f"held_out_share {self.held_out_share} must be within [0, 0.5]; 0.2 is a good value")
        if min(self.n_scenes, self.n_takes, self.n_anchors, self.epochs, self.batch_size) < 1:
            raise ValueError("n_scenes, n_takes, n_anchors, epochs and batch_size must be at least 1")
        if min(self.n_held_out_scenes, self.most_windows, self.seed) < 0 or min(self.lr, self.most_audio_s) <= 0:
            raise ValueError("lr and most_audio_s must be positive; n_held_out_scenes, most_windows and seed 0 or more")
