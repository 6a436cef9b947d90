"""Count matrices of motifs, from a JASPAR file or from JASPAR itself.

JASPAR: Rauluseviciute et al. 2024, doi:10.1093/nar/gkad1059. The package `pyjaspar` (Khan 2021,
doi:10.5281/zenodo.4485856), which brings the database along, is optional.
"""

import io
import math
import warnings
from contextlib import closing
from pathlib import Path

from Bio import BiopythonWarning, motifs

from genoloom.errors import InputError
from genoloom.formats.text import text_lines

RELEASE = "JASPAR2024"  # pyjaspar calls its latest one, JASPAR2026, a release for peer review
Matrix = tuple[str, dict[str, list[float]]]


def read_matrices(path: str | Path) -> list[Matrix]:
    """Names (`MA0108.2.TBP`) and counts, by base, of the matrices of a JASPAR file.

    Raises
    ------
    InputError
        No such file, a damaged one, or one without a matrix.
    """
    text = "".join(f"{line}\n" for _, line in text_lines(path))
    try:
        parsed = motifs.parse(io.StringIO(text), "jaspar")
    except Exception as error:  # Biopython raises bare ones too
        raise InputError(path, f"cannot be read as JASPAR matrices ({error})") from None
    if not parsed:
        raise InputError(path, "holds no matrix", expected="JASPAR count matrices")
    for motif in parsed:
        if not motif.length or not all(
            0 <= count < math.inf for row in motif.counts.values() for count in row
        ):
            raise InputError(
                path,
                f"the matrix '{motif.matrix_id}' is empty or has what is no count",
                expected="counts from 0 on",
            )
    return [_named(motif) for motif in parsed]


def fetch_matrix(word: str) -> Matrix:
    """Name and counts, by base, of the matrix of JASPAR that has an id (`MA0108.3`) or a name
    (`TBP`).

    An id without version means the latest one. Names are of the latest versions in the CORE
    collection, in upper or lower case. Nothing is downloaded.

    Raises
    ------
    InputError
        No such matrix, several of that name, or `pyjaspar` is not installed.
    """
    found = _fetch(word)
    if not found:
        raise InputError(
            "--motifs", f"'{word}' is neither id nor name of a matrix in {RELEASE}",
            expected="an id, such as MA0108.3, or a name in the CORE collection, such as TBP",
            remedy="look it up at https://jaspar.elixir.no, or give a file of JASPAR matrices",
        )  # fmt: skip
    if len(found) > 1:
        ids = ", ".join(
            f"JASPAR:{motif.matrix_id} ({motif.name}, {motif.tax_group})" for motif in found
        )
        raise InputError(
            "--motifs",
            f"'{word}' is the name of {len(found)} matrices in {RELEASE}",
            expected="one",
            remedy=f"choose among {ids}",
        )
    return _named(found[0])


def _fetch(word: str) -> list:
    """The matrix of an id, or else all of a name."""
    try:
        from pyjaspar import jaspardb
    except ImportError:
        raise InputError(
            "--motifs",
            "the package pyjaspar, which holds the matrices of JASPAR, is not installed",
            remedy="pip install 'genoloom[motifs]'",
        ) from None
    database = jaspardb(release=RELEASE)
    with closing(database.conn), warnings.catch_warnings():
        warnings.simplefilter("ignore", BiopythonWarning)  # of what is not found
        motif = database.fetch_motif_by_id(word)
        # pyjaspar puts names into its SQL as they are
        return (
            [motif]
            if motif
            else database.fetch_motifs(collection="CORE", tf_name=[word.replace("'", "''")])
        )


def _named(motif) -> Matrix:
    return f"{motif.matrix_id}.{motif.name}".replace(" ", "_"), dict(motif.counts)
