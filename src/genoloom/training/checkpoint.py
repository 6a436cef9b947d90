"""Training state on disk: nested dictionaries of tensors and plain values as safetensors + JSON."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside


def _flatten(value, prefix: str, tensors: dict[str, torch.Tensor]):
    """JSON-ready copy of `value` in which each tensor is replaced by a reference to `tensors`."""
    if isinstance(value, torch.Tensor):
        tensors[prefix] = value.detach().clone().contiguous()
        return {"__tensor__": prefix}
    if isinstance(value, dict):
        # optimiser states have integer keys, which JSON would turn into text
        return {"__items__": [[k, _flatten(v, f"{prefix}.{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_flatten(v, f"{prefix}.{i}", tensors) for i, v in enumerate(value)]
    return value


def _restore(value, tensors: dict[str, torch.Tensor]):
    if isinstance(value, dict):
        if "__tensor__" in value:
            return tensors[value["__tensor__"]]
        return {k: _restore(v, tensors) for k, v in value["__items__"]}
    if isinstance(value, list):
        return [_restore(v, tensors) for v in value]
    return value


def save_checkpoint(path: str | Path, state: dict) -> None:
    """Write `state` (nested dicts and lists of tensors and JSON values) to one file, atomically."""
    tensors: dict[str, torch.Tensor] = {}
    plain = _flatten(state, "state", tensors)
    with write_beside(path) as [part]:
        save_file(tensors, part, metadata={"state": json.dumps(plain)})


def load_checkpoint(path: str | Path) -> dict:
    """The state written by `save_checkpoint`; tensors on the CPU.

    Raises
    ------
    InputError
        The file is damaged or is no checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as handle:
            plain = json.loads(handle.metadata()["state"])
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}
        return _restore(plain, tensors)
    except (SafetensorError, KeyError, TypeError) as error:
        raise InputError(path, f"is no training checkpoint ({error})", remedy="remove it to start again") from error
