"""Where to train."""

from genoloom.errors import InputError


def choose_device(asked: str) -> str:
    """A torch device for "auto" (a GPU when there is one), "cpu", "cuda" or "cuda:N".

    Raises
    ------
    InputError
        The device is not there.
    """
    import torch  # slow to import

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise InputError(
            "--device", f"'{asked}' is no device", expected="auto, cpu, cuda or cuda:N"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            "--device",
            f"'{asked}' was asked for, but there is no such GPU",
            remedy="use --device auto or cpu",
        )
    return asked
