"""Files of tensors that others wrote: safetensors, and PyTorch's format, of which only tensors are unpickled."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from flam.core import ModelError

NESTED_UNDER = ("state_dict", "model")
WRAPPER_PREFIX = "module."
# what the two readers raise for missing, cut off, foreign and malicious files
UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    pickle.UnpicklingError,
    SafetensorError,
)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The named tensors of a file, floating-point ones as float32, on the CPU.

    Tensors that lie under "state_dict" or "model" are found; the prefix "module.", which data parallel training leaves,
    is taken off.

    Parameters
    ----------
    path : str | Path
        ``.safetensors``, or any other suffix for what ``torch.save`` wrote

    Raises
    ------
    ModelError
        the file can't be read, holds no tensors, or would run code when unpickled

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save({"epoch": 3, "state_dict": {"module.bias": torch.zeros(2)}}, f"{folder}/a.pth")
    ...     read_weights(f"{folder}/a.pth")
    {'bias': tensor([0., 0.])}
    """
    path = Path(path)
    try:
        content: Any
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # about protocols of files that are refused anyway
                content = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise ModelError(
            f"{path}: weights can't be read ({_reason(error)}); give a .safetensors file, or a PyTorch file of tensors "
            "alone"
        ) from error
    for key in NESTED_UNDER:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = (
        {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        if isinstance(content, Mapping)
        else {}
    )
    if not tensors:
        raise ModelError(f"{path}: holds no named tensors; give the file of a state dict")
    if all(name.startswith(WRAPPER_PREFIX) for name in tensors):
        tensors = {name.removeprefix(WRAPPER_PREFIX): value for name, value in tensors.items()}
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def _reason(error: Exception) -> str:
    """One phrase; PyTorch's own would advise to run whatever the file holds."""
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror
    if isinstance(error, SafetensorError):
        return str(error)
    return "it is damaged, or holds more than tensors, which could be harmful code"
