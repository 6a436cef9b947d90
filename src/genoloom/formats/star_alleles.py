"""The tables of star alleles that the package holds."""

from functools import cache

from genoloom.records import package_table
from genoloom.treatment.star_alleles import BUILDS, Allele, Gene, Variant


def _core(cell: str) -> tuple[str, frozenset[Variant], int]:
    """Contig, variants, and how many of them change the protein, which "!" says."""
    parts = [part.rstrip("!").split("-") for part in cell.split(",") if part]
    variants = frozenset((int(position), ref, alt) for _, position, ref, alt in parts)
    return parts[0][0] if parts else "", variants, cell.count("!")


@cache
def read_genes() -> dict[str, Gene]:
    """Genes whose star alleles are known without copy numbers, by name."""
    phenotypes: dict[str, dict[tuple[str, str], str]] = {}
    for gene, functions, phenotype in package_table("genoloom.treatment", "star_phenotypes.tsv"):
        one, other = functions.split("/")
        phenotypes.setdefault(gene, {})[one, other] = phenotype
    grouped: dict[str, list[list[str]]] = {}
    for gene, *cells in package_table("genoloom.treatment", "star_alleles.tsv"):
        grouped.setdefault(gene, []).append(cells)
    genes = {}
    for name, rows in grouped.items():
        cores = [dict(zip(BUILDS, map(_core, row[4:]), strict=True)) for row in rows]
        noted = [(word, allele) for allele, _, _, notes, *_ in rows for word in notes.split(",")]
        base, unpaired = dict(noted), [own for word, own in noted if word == "unpaired"]
        contig = next(c for own in cores for c, _, _ in own.values() if c)
        alleles = tuple(
            Allele(
                allele, function, float(score or "nan"),
                {build: core for build, (_, core, _) in own.items()},
                {build: coding for build, (_, _, coding) in own.items()},
            )
            for (allele, function, score, *_), own in zip(rows, cores, strict=True)
        )  # fmt: skip
        default = {build: base[build] for build in BUILDS}
        genes[name] = Gene(
            name,
            contig,
            alleles,
            base["reference"],
            default,
            phenotypes.get(name, {}),
            frozenset(unpaired),
        )
    return genes
