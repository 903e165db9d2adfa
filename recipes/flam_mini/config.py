"""How the data of flam-mini is made, and what its finished model is packaged with."""

from __future__ import annotations

from dataclasses import dataclass, field

from flam.detection.config import DetectionConfig
from flam.detection.kinds import SoundKind
from flam.hub.card import ModelCard
from recipes.flam_mini.pool import PoolConfig


@dataclass(frozen=True)
class DataRecipe:
    """Everything that is no training: sounds, scenes, operating point.

    Parameters
    ----------
    pool : PoolConfig
        How scenes are rendered.
    n_bandwidths : int
        Copies of the library with drawn bandwidths that the student hears; 0: it hears the clips as they are.
    made_takes, made_sentences : int
        Sounds of our own for training: takes of each procedural class, spoken sentences.
    n_shards, n_validation_shards : int
        Sizes of the two pools, 250 scenes a shard.
    vocab_size : int
        Word pieces.
    seed : int
        Of all that is drawn.
    start_share : float
        Part of the weights of the model that training began from in the mean that is packaged, in [0, 1).
    narrowed_scales : float
        How far the scale of each text is moved towards their mean, in [0, 1].
    kinds : dict of str to SoundKind
        How the kinds "hit", "call" and "steady" become events; their texts are the labels of the training clips.
    card, detection : ModelCard, DetectionConfig
        Packaged with the model.
    """

    pool: PoolConfig = field(default_factory=PoolConfig)
    n_bandwidths: int = 1
    made_takes: int = 10
    made_sentences: int = 140
    n_shards: int = 42
    n_validation_shards: int = 6
    vocab_size: int = 12_000
    seed: int = 0
    start_share: float = 0.0
    narrowed_scales: float = 0.0
    kinds: dict[str, SoundKind] = field(default_factory=dict)
    card: ModelCard = field(default_factory=ModelCard)
    detection: DetectionConfig = field(default_factory=DetectionConfig)
