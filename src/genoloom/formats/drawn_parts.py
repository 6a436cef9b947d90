"""Files of the haplotypes that one of several jobs has drawn: one bit per allele."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.tensors import TensorFile

REMEDY = "draw it again (genoloom generate --part)"


def write_part(path: str | Path, made_for: str, bits: np.ndarray) -> None:
    """Write the bits of some haplotypes, uint8 (n_variants, n_bytes).

    `made_for` is a digest of all that they follow from.
    """
    with write_beside(path) as [part]:
        save_file({"bits": bits}, part, metadata={"drawn": json.dumps({"made_for": made_for})})


class DrawnPart:
    """The bits of some haplotypes in a file, read some variants at a time.

    Parameters
    ----------
    shape : (int, int)
        What the bits must have, as `made_for` is what they must be made for.

    Raises
    ------
    InputError
        The file is missing or damaged, or its haplotypes are others.
    """

    def __init__(self, path: str | Path, made_for: str, shape: tuple[int, int]):
        self._file = TensorFile(path, "file of drawn haplotypes", remedy=REMEDY)
        words, header = self._file.words("drawn"), self._file.headers.get("bits")
        if not isinstance(words, dict) or words.get("made_for") != made_for:
            raise InputError(
                path, "was drawn by another model, for another cohort, or is another part",
                remedy=REMEDY,
            )  # fmt: skip
        if header is None or header.dtype != "uint8" or header.shape != shape:
            raise InputError(path, "is damaged: it holds no such haplotypes", remedy=REMEDY)
        self._n_variants = shape[0]

    def __len__(self) -> int:
        return self._n_variants

    def read(self, start: int, stop: int) -> np.ndarray:
        """Bits of the variants [start, stop), uint8 (stop - start, n_bytes)."""
        return self._file.read_rows("bits", start, stop)
