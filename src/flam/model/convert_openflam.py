"""The released OpenFLAM checkpoint: its tensors are ours under other names, beside some that are computed here."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from flam.model.flam import FLAM
from flam.model.from_weights import flam_from_weights

# prefix of a released name, prefix of ours
PREFIXES = {
    "audio_branch.": "audio_encoder.",
    "text_branch.": "text_encoder.roberta.",
    "fc_per_text_logit_scale.": "logit_scale_head.",
    "fc_per_text_logit_bias.": "logit_bias_head.",
    "logit_scale_a": "log_temperature_inverse",
}
# the front-end, masks and indices follow from sizes; the last one is a temperature that no equation uses
COMPUTED_PREFIXES = ("audio_branch.spectrogram_extractor.", "audio_branch.logmel_extractor.", "aed_logit_scale")
COMPUTED_SUFFIXES = (".relative_position_index", ".attn_mask", ".embeddings.position_ids")


def flam_from_openflam(released: Mapping[str, Tensor], where: str) -> FLAM:
    """The model of a released state dict.

    Parameters
    ----------
    released : Mapping[str, Tensor]
        tensors under the names of the release
    where : str
        file that errors name

    Raises
    ------
    ModelError
        tensors are missing, unknown, or of a shape that does not fit the others
    """
    weights = {}
    for name, value in released.items():
        if name.startswith(COMPUTED_PREFIXES) or name.endswith(COMPUTED_SUFFIXES):
            continue
        for theirs, ours in PREFIXES.items():
            if name.startswith(theirs):
                name = ours + name.removeprefix(theirs)
                break
        weights[name] = value
    return flam_from_weights(weights, where)
