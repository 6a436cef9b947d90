"""Files of what validation has summed in one window of a contig."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.private_directories import close_directory
from genoloom.formats.tensors import TensorFile, digest_tensors

REMEDY = "make it again (genoloom validate --part)"


def write_sums(path: Path, made_for: str, sums: dict[str, np.ndarray]) -> None:
    """Write arrays by name; the directory is closed to others, as haplotypes of real individuals
    are among them. `made_for` is a digest of all that they follow from.
    """
    close_directory(path.parent)
    # numbers have no dimension, and keep none
    sums = {name: np.require(values, requirements="C") for name, values in sums.items()}
    words = {"made_for": made_for, "digest": digest_tensors({}, sums)}
    with write_beside(path) as [part]:
        save_file(sums, part, metadata={"sums": json.dumps(words)})


def read_sums(path: Path, made_for: str) -> dict[str, np.ndarray]:
    """The arrays of `write_sums`.

    Raises
    ------
    InputError
        The file is missing or damaged, or `made_for` something else.
    """
    with TensorFile(path, "file of sums of a window", remedy=REMEDY) as file:
        words = file.words("sums")
        sums = {name: file.read(name) for name in file.headers}
    if not isinstance(words, dict) or words.get("digest") != digest_tensors({}, sums):
        raise InputError(path, "is damaged", remedy=REMEDY)
    if words.get("made_for") != made_for:
        raise InputError(
            path, "was made of other individuals or with other options, or is another window",
            remedy=REMEDY,
        )  # fmt: skip
    return sums
