"""Files of arrays (safetensors), read with bounds: whatever is in them, it costs no more than
their size.

https://huggingface.co/docs/safetensors: eight bytes with the length of a JSON header, the header,
the data.
"""

import errno
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from genoloom.declared import Header
from genoloom.errors import InputError

LARGEST_HEADER = 2**24  # bytes
LONGEST_NUMBER = 40  # digits of a number in a description
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


class TensorFile:
    """An open file of arrays: its `headers` and texts (`metadata`) at once, its arrays when they
    are asked for.

    Parameters
    ----------
    what : str
        What it should be, for messages, such as "training checkpoint".
    framework : str
        "np" or "pt": what `read` returns.
    remedy : str
        What to do where the file is missing or damaged.

    Raises
    ------
    InputError
        No such file, no file of this format, an array beyond the end of the file, or too large a
        header.
    """

    def __init__(self, path: str | Path, what: str, *, framework: str = "np", remedy: str = ""):
        self.path, self._what, self._remedy = path, what, remedy
        try:
            _check_header(path)
            self._handle = safe_open(path, framework=framework).__enter__()
            self.metadata: dict[str, str] = self._handle.metadata() or {}
            slices = {name: self._handle.get_slice(name) for name in self._handle.keys()}
            self.headers = {
                name: Header(_dtype(part.get_dtype()), tuple(part.get_shape()))
                for name, part in slices.items()
            }
        except FileNotFoundError:
            raise InputError(path, "not found", remedy=remedy) from None
        except OSError as error:
            raise InputError(
                path, f"cannot be read ({os.strerror(error.errno or errno.EIO)})", remedy=remedy
            ) from None
        except (SafetensorError, ValueError) as error:
            raise self._damaged(error) from None

    def __enter__(self) -> "TensorFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.__exit__(None, None, None)

    def read(self, name: str) -> Any:
        """One array."""
        try:
            return self._handle.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise self._damaged(error) from None

    def read_rows(self, name: str, start: int, stop: int) -> Any:
        """Rows [start, stop) of one array; no others are read."""
        try:
            return self._handle.get_slice(name)[start:stop]
        except (SafetensorError, OSError) as error:
            raise self._damaged(error) from None

    def words(self, key: str, *, infinite: bool = False) -> Any:
        """The value of a JSON text among the metadata. Raises an `InputError` where there is
        none.
        """
        try:
            if key not in self.metadata:
                raise ValueError(f"no {key}")
            return _parse_json(self.metadata[key], infinite)
        except (ValueError, RecursionError) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> InputError:
        reason = re.sub(r"[^ -~]", "?", str(error))[:200]
        return InputError(self.path, f"is no {self._what} ({reason})", remedy=self._remedy)


def _check_header(path: str | Path) -> None:
    with open(path, "rb") as handle:
        size = os.fstat(handle.fileno()).st_size
        length = int.from_bytes(handle.read(8), "little")
    if size < 8 or length > size - 8:
        raise ValueError("it is cut off")
    if length > LARGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")


def _dtype(name: str) -> str:
    return DTYPES.get(name, name)


def _parse_json(text: str, infinite: bool) -> Any:
    """The value of a JSON text; endless numbers, bottomless nesting and (unless `infinite`)
    infinity are a ValueError.
    """

    def number(convert: type) -> Any:
        def parse(digits: str) -> Any:
            value = convert(digits) if len(digits) <= LONGEST_NUMBER else None
            if value is None or (isinstance(value, float) and math.isinf(value)):
                raise ValueError(f"the number {digits[:20]}")
            return value

        return parse

    def constant(word: str) -> float:
        if infinite and word == "Infinity":
            return math.inf
        raise ValueError(f"the number {word}")

    return json.loads(
        text, parse_int=number(int), parse_float=number(float), parse_constant=constant
    )


def digest_tensors(description: dict, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over a JSON-ready description, without its own field `digest`, and arrays: their
    names, dtypes, shapes and bytes.
    """
    words = {key: value for key, value in description.items() if key != "digest"}
    h = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        h.update(json.dumps([name, str(values.dtype), values.shape]).encode())
        h.update(values.reshape(-1).view(np.uint8).data)
    return h.hexdigest()
