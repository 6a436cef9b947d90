"""Star alleles of the individuals of genotype files."""

from collections.abc import Sequence

import numpy as np

from genoloom.errors import InputError
from genoloom.panels.genotypes import GenotypeFiles
from genoloom.treatment.star_alleles import (
    Gene,
    StarCalls,
    Variant,
    call_star_alleles,
    read_carried,
)


def without_variants(files: GenotypeFiles, gene: Gene, build: str) -> InputError:
    """The error of files that have no defining variant of a gene."""
    first, *_, last = [v[0] for v in gene.variants(build)] * 2
    return InputError(
        files.label, f"has no defining variant of {gene.name}",
        expected=f"contig {gene.contig}, {first} to {last} ({build})",
        remedy="give a panel of the gene, and --build as it is",
    )  # fmt: skip


def carriers(
    files: GenotypeFiles, contig: str, variants: Sequence[Variant]
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """`read_carried` of genotype files; those without the contig have no variant."""
    panel = files.panels.get(contig)
    keys = () if panel is None else panel.sites.keys()
    n = 2 * len(files.individuals)
    return read_carried(keys, lambda row: panel.haplotypes.read(row, row + 1)[0], variants, n)


def call_gene(files: GenotypeFiles, gene: Gene, build: str) -> tuple[StarCalls, list[str]]:
    """Star alleles of everybody, and which of the defining variants the files have."""
    variants = gene.variants(build)
    carried, known = carriers(files, gene.contig, variants)
    found = [
        f"{gene.contig}:{position}:{ref}:{alt}"
        for (position, ref, alt), there in zip(variants, known, strict=True) if there
    ]  # fmt: skip
    return call_star_alleles(gene, build, carried), found
