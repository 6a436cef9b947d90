"""Count matrices of motifs from a JASPAR file."""

from pathlib import Path

from Bio import motifs

from genoloom.errors import InputError


def read_matrices(path: str | Path) -> list[tuple[str, dict[str, list[float]]]]:
    """Names (`MA0108.2.TBP`) and counts, by base, of the matrices of a JASPAR file.

    Raises
    ------
    InputError
        No such file, a damaged one, or one without a matrix.
    """
    try:
        with open(path) as handle:
            parsed = motifs.parse(handle, "jaspar")
    except FileNotFoundError:
        raise InputError(path, "not found") from None
    except (ValueError, UnicodeDecodeError, KeyError, IndexError) as error:
        raise InputError(path, f"cannot be read as JASPAR matrices ({error})") from None
    if not parsed:
        raise InputError(path, "holds no matrix", expected="JASPAR count matrices")
    return [(f"{motif.matrix_id}.{motif.name}".replace(" ", "_"), dict(motif.counts)) for motif in parsed]
