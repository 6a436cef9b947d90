"""How many haplotypes an individual has on a contig: by its name, the genome build and the sex.

The pseudo-autosomal regions (PAR) are from the Genome Reference Consortium
(ncbi.nlm.nih.gov/grc/human); positions are 1-based, both ends included.
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

Interval = tuple[int, int]


class Ploidy(StrEnum):
    """Who has one haplotype of a contig, and who has two."""

    DIPLOID = "diploid"  # everybody two
    HAPLOID = "haploid"  # everybody one: the mitochondrion
    X_LINKED = "x-linked"  # males one, females two: X outside the PARs
    Y_LINKED = "y-linked"  # males one, females none: Y outside the PARs

    @property
    def needs_sex(self) -> bool:
        return self in (Ploidy.X_LINKED, Ploidy.Y_LINKED)

    def haploid(self, sex: Sequence[str]) -> np.ndarray:
        """Who has one haplotype, bool (n_individuals,)."""
        if self in (Ploidy.DIPLOID, Ploidy.HAPLOID):
            return np.full(len(sex), self is Ploidy.HAPLOID)
        return np.array([s == "male" for s in sex], dtype=bool)


LENGTHS = {  # of X and Y, which tell the build
    "GRCh37": {"X": 155_270_560, "Y": 59_373_566},
    "GRCh38": {"X": 156_040_895, "Y": 57_227_415},
}
PARS: dict[str, dict[str, tuple[Interval, ...]]] = {
    "GRCh37": {
        "X": ((60_001, 2_699_520), (154_931_044, 155_260_560)),
        "Y": ((10_001, 2_649_520), (59_034_050, 59_363_566)),
    },
    "GRCh38": {
        "X": ((10_001, 2_781_479), (155_701_383, 156_030_895)),
        "Y": ((10_001, 2_781_479), (56_887_903, 57_217_415)),
    },
}
_NAMES = {"X": Ploidy.X_LINKED, "Y": Ploidy.Y_LINKED, "MT": Ploidy.HAPLOID, "M": Ploidy.HAPLOID}


def build_of(contig: str, length: int | None) -> str | None:
    """The human genome build whose X or Y has this length, or None."""
    name = contig.removeprefix("chr")
    return next((build for build, known in LENGTHS.items() if known.get(name) == length), None)


def pseudo_autosomal(contig: str, build: str | None) -> tuple[Interval, ...]:
    """The PARs of a contig; none where the build is not known."""
    return PARS.get(build or "", {}).get(contig.removeprefix("chr"), ())


def ploidy_of(contig: str, build: str | None, region: Interval | None) -> Ploidy:
    """The ploidy of a contig or region by its name.

    A region within a PAR is diploid. X is only taken for that of a human where the build is known:
    elsewhere its calls tell nothing of males.
    """
    found = _NAMES.get(contig.removeprefix("chr"), Ploidy.DIPLOID)
    pars = pseudo_autosomal(contig, build)
    inside = region is not None and any(
        low <= region[0] and region[1] <= high for low, high in pars
    )
    if inside or (found is Ploidy.X_LINKED and build is None):
        return Ploidy.DIPLOID
    return found
