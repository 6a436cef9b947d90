"""Model files: arrays as safetensors, and a JSON beside them that says what the model is. Nothing unpickles."""

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from genoloom import __version__
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.panel import Sites

FORMAT_VERSION = 1
PRIVATE = "This model was trained on real people without differential privacy. Treat it as private data."


def describe(kind: str, generator: str, description: dict, **more) -> dict:
    """The description of a model: what every model file says, then the generator's own words.

    Parameters
    ----------
    kind : str
        "haplotypes" or "sequences".
    description : dict
        From the generator's `state`.
    more
        Seed, digests, counts; JSON-ready. No names of people, no paths.
    """
    return {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "generator": generator,
        **more,
        **description,
        "versions": {
            "genoloom": __version__,
            "python": platform.python_version(),
            "numpy": version("numpy"),
            "torch": version("torch"),
        },
        "private": PRIVATE,
    }


def save_model(path: str | Path, arrays: dict[str, np.ndarray], description: dict) -> None:
    """Write `path` (.safetensors) and the same name with .json; both appear together."""
    text = json.dumps(description, indent=2, sort_keys=True)
    with write_beside(path, Path(path).with_suffix(".json")) as [tensors, words]:
        contiguous = {name: np.ascontiguousarray(values) for name, values in sorted(arrays.items())}
        # one entry: safetensors writes several in no fixed order
        save_file(contiguous, tensors, metadata={"description": text})
        words.write_text(text + "\n")


def read_description(path: str | Path, kind: str) -> dict:
    """The description inside a model file.

    Raises
    ------
    InputError
        Not a model of GenoLoom, of another format version, or of another kind than asked for.
    """
    try:
        with safe_open(path, framework="np") as handle:
            description = json.loads((handle.metadata() or {})["description"])
    except FileNotFoundError:
        raise InputError(path, "not found", remedy="train it with `genoloom train`") from None
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(path, f"is no GenoLoom model ({error})") from None
    if description["format_version"] != FORMAT_VERSION:
        raise InputError(
            path, f"has format version {description['format_version']}", expected=str(FORMAT_VERSION), remedy="train it again"
        )
    if description["kind"] != kind:
        raise InputError(path, f"is a model of {description['kind']}", expected=f"a model of {kind}")
    return description


def load_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of a model file."""
    with safe_open(path, framework="np") as handle:
        return {name: handle.get_tensor(name) for name in handle.keys()}


def pack_sites(sites: Sites) -> dict[str, np.ndarray]:
    """The sites as arrays for a model file; texts as UTF-8 bytes with offsets."""
    arrays = {"sites.position": sites.position, "sites.cm": sites.cm}
    for name in ("ref", "alt", "id"):
        encoded = [text.encode() for text in getattr(sites, name)]
        arrays[f"sites.{name}"] = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        arrays[f"sites.{name}.end"] = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return arrays


def unpack_sites(arrays: dict[str, np.ndarray], description: dict) -> Sites:
    """The sites that `pack_sites` packed."""
    columns = []
    for name in ("ref", "alt", "id"):
        text, ends = arrays[f"sites.{name}"].tobytes(), arrays[f"sites.{name}.end"].tolist()
        starts = [0, *ends[:-1]]
        columns.append(np.array([text[a:b].decode() for a, b in zip(starts, ends, strict=True)], dtype=object))
    return Sites(description["contig"], arrays["sites.position"], *columns, arrays["sites.cm"], description["contig_length"])


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
