"""Training state on disk: nested dictionaries of tensors and plain values as safetensors + JSON."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.tensors import TensorFile, digest_tensors

REMEDY = "remove it to start again"


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
    words = {"state": plain}
    words["digest"] = digest_tensors(
        words, {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
    )
    with write_beside(path) as [part]:
        save_file(tensors, part, metadata={"state": json.dumps(words)})


def load_checkpoint(path: str | Path) -> dict:
    """The state written by `save_checkpoint`; tensors on the CPU.

    Raises
    ------
    InputError
        The file is damaged or is no checkpoint.
    """
    with TensorFile(path, "training checkpoint", framework="pt", remedy=REMEDY) as file:
        words = file.words("state", infinite=True)
        tensors = {name: file.read(name) for name in file.headers}
    try:
        digest = digest_tensors(words, {name: tensor.numpy() for name, tensor in tensors.items()})
        if words["digest"] != digest:
            raise ValueError("its content is not what was written")
        return _restore(words["state"], tensors)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(path, f"is no training checkpoint ({error})", remedy=REMEDY) from None


def check_fit(path: str | Path, loaded, own) -> None:
    """Check a state that was read against the state of what it is to be loaded into, before that is
    done.

    Parameters
    ----------
    loaded, own
        Nested dictionaries and lists. What `own` has not yet (an optimiser fills its state in the
        first step) is not compared.

    Raises
    ------
    InputError
        A tensor is missing, has another shape or dtype, or holds values that are no finite numbers.
    """
    try:
        _compare(loaded, own, "model")
    except ValueError as error:
        raise InputError(path, f"does not fit this model ({error})", remedy=REMEDY) from None


def _compare(loaded, own, place: str) -> None:
    if isinstance(loaded, torch.Tensor) and not loaded.isfinite().all():
        raise ValueError(f"{place} holds values that are no finite numbers")
    if isinstance(own, torch.Tensor):
        same = isinstance(loaded, torch.Tensor) and (loaded.shape, loaded.dtype) == (
            own.shape,
            own.dtype,
        )
        if not same:
            raise ValueError(f"{place} is not {own.dtype} of shape {tuple(own.shape)}")
    elif isinstance(own, dict):
        if not isinstance(loaded, dict) or not own.keys() <= loaded.keys():
            raise ValueError(f"{place} is incomplete")
        for key, value in loaded.items():
            _compare(value, own.get(key), f"{place}.{key}")
    elif isinstance(loaded, dict | list):
        items = loaded.items() if isinstance(loaded, dict) else enumerate(loaded)
        for key, value in items:
            _compare(value, None, f"{place}.{key}")
