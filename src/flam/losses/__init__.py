"""Floor 2: the losses as functions of tensors."""

from flam.losses.framewise import framewise_loss
from flam.losses.infonce import infonce_loss
from flam.losses.prior import prior_loss

__all__ = ["framewise_loss", "infonce_loss", "prior_loss"]
