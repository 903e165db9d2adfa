"""Everything that decides what flam-mini becomes."""

from __future__ import annotations

from dataclasses import dataclass, field

from flam.detection.config import DetectionConfig
from flam.detection.kinds import SoundKind
from flam.hub.card import ModelCard
from flam.model.convnet import ConvEncoderConfig
from flam.model.flam import FLAMConfig
from flam.model.text import LightTextConfig
from flam.training.mini.pool import PoolConfig
from flam.training.mini.teacher_head import TeacherHeadConfig
from flam.training.mini.text_pretraining import TextPretrainingConfig


@dataclass(frozen=True)
class Stage:
    """A stretch of training with its own mix of losses.

    Parameters
    ----------
    name : appears in the log
    steps, lr : length and peak learning rate; warm-up, then cosine to a twentieth
    weights : weight of each loss: distill, tag, joint, class, clip, event, near, frame, prior, and text_pull, which
        holds the text tower near where it started; a loss without weight is not computed
    text_lr_share : learning rate of the text tower against the rest, 0 keeps it as it is
    """

    name: str
    steps: int
    lr: float
    weights: dict[str, float]
    text_lr_share: float = 0.0


@dataclass(frozen=True)
class MiniConfig:
    """Everything that decides what flam-mini becomes.

    Parameters
    ----------
    model, text, head, pool, stages : the parts' own settings
    held_out_share, held_out_folds, merged_sources : the split, see ``flam.library.source_library.held_out``
    held_out_shares : source to a share of its own
    n_bandwidths : copies of the library with drawn bandwidths that the student hears; 0: it hears the clips as they are
    withheld_share : part of the labels that is never trained, to measure what new words do; 0 for a model that ships
    made_takes, made_sentences : sounds of our own for training: takes of each procedural class, spoken sentences
    n_shards, n_validation_shards : sizes of the two pools, 250 scenes a shard
    augment : whether scenes are warped, coloured and masked anew each time they are drawn
    crop_windows : so many windows of the teacher, and the frames around them, are heard of each scene; None hears all
    bf16 : convolutions in bf16, for processors that have instructions for it
    batch_size, weight_decay, clip_norm, warmup_steps, ema_decay, seed : of the optimisation
    start_share : part of the weights of the model that training began from in the mean that is packaged, in [0, 1)
    kinds : how the kinds "hit", "call" and "steady" become events; their texts are the labels of the training clips
    card, detection : packaged with the model: what to know about it, and the operating point chosen for it
    log_every, validate_every, save_every : in steps
    """

    model: FLAMConfig = field(
        default_factory=lambda: FLAMConfig(audio=ConvEncoderConfig(), text=LightTextConfig(), joint_dim=256)
    )
    text: TextPretrainingConfig = field(default_factory=TextPretrainingConfig)
    head: TeacherHeadConfig = field(default_factory=TeacherHeadConfig)
    pool: PoolConfig = field(default_factory=PoolConfig)
    stages: tuple[Stage, ...] = ()
    held_out_share: float = 0.08
    held_out_shares: dict[str, float] = field(default_factory=dict)
    held_out_folds: tuple[str, ...] = ("4",)
    merged_sources: tuple[str, ...] = (
        *("antum_sounds", "antum_game_mods", "minetest_game", "mineclone5"),
        *("antum_sounds2", "moresounds", "airutils", "repixture"),
    )
    withheld_share: float = 0.0
    made_takes: int = 10
    made_sentences: int = 140
    n_bandwidths: int = 1
    n_shards: int = 320
    n_validation_shards: int = 6
    augment: bool = True
    crop_windows: int | None = None
    bf16: bool = False
    batch_size: int = 32
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    warmup_steps: int = 150
    ema_decay: float = 0.998
    seed: int = 0
    log_every: int = 100
    validate_every: int = 400
    save_every: int = 100
    start_share: float = 0.0
    kinds: dict[str, SoundKind] = field(default_factory=dict)
    card: ModelCard = field(default_factory=ModelCard)
    detection: DetectionConfig = field(default_factory=DetectionConfig)
