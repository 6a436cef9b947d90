"""Personal haplotype sequences that jobs of their own have written, put together."""

import gzip
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path

from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.bgzip import create_bgzip
from genoloom.formats.fasta_index import index_fasta
from genoloom.formats.names import without_spaces
from genoloom.formats.variant_header import CHUNK, read_header


def gather(
    *, variants: Path, out: Path, parts: Sequence[Path], individuals: int | None = None
) -> None:
    """Put together what `consensus` has written of all parts, in order: the same bytes as without
    parts.

    Parameters
    ----------
    variants, individuals
        As of `consensus`.

    Raises
    ------
    InputError
        A part is damaged, or they are not of these individuals.
    """
    samples = without_spaces(read_header(variants).samples)[:individuals]
    names = [line.split("\t")[0] for path in parts for line in _lines_of(Path(f"{path}.fai"))]
    found = list(dict.fromkeys(name.rpartition("_")[0] for name in names))
    if found != samples:
        raise InputError(
            parts[0],
            f"the parts have {individuals_count(len(found))}, not those of {variants} in order",
            expected="what `genoloom consensus --part` wrote of this file: all parts, in order",
        )
    with write_beside(out, Path(f"{out}.fai"), Path(f"{out}.gzi")) as [part, fai, gzi]:
        with create_bgzip(part) as handle:
            for path in parts:
                try:
                    with gzip.open(path) as source:
                        shutil.copyfileobj(source, handle, CHUNK)
                except (OSError, EOFError, zlib.error) as error:
                    found = f"cannot be read ({type(error).__name__})"
                    raise InputError(path, found, expected="a part of --part") from None
        index_fasta(part, fai, gzi)


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except (OSError, ValueError):
        raise InputError(path, "cannot be read", expected="the index of a part") from None
