"""Where to train."""

import torch

from genoloom.errors import InputError


def choose_device(asked: str) -> str:
    """A torch device for "auto" (a GPU when there is one), "cpu", "cuda" or "cuda:N".

    Raises
    ------
    InputError
        The device is not there.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(asked).type
    except RuntimeError:
        raise InputError("--device", f"'{asked}' is no device", expected="auto, cpu, cuda or cuda:N") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError("--device", f"'{asked}' was asked for, but there is no GPU", remedy="use --device auto or cpu")
    return asked
