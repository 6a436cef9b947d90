"""The tables of star alleles that the package holds."""

from functools import cache
from importlib.resources import files

from genoloom.treatment.star_alleles import BUILDS, Allele, Gene, Variant


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("genoloom.treatment") / name).read_text()
    header, *lines = (line.split("\t") for line in text.splitlines())
    return [dict(zip(header, cells, strict=True)) for cells in lines]


def _core(cell: str) -> tuple[str, frozenset[Variant], int]:
    """Contig, variants, and how many of them change the protein, which "!" says."""
    parts = [part.rstrip("!").split("-") for part in cell.split(",") if part]
    variants = frozenset((int(position), ref, alt) for _, position, ref, alt in parts)
    return parts[0][0] if parts else "", variants, cell.count("!")


@cache
def read_genes() -> dict[str, Gene]:
    """Genes whose star alleles are told without copy numbers, by name."""
    phenotypes: dict[str, dict[tuple[str, str], str]] = {}
    for row in _rows("star_phenotypes.tsv"):
        one, other = row["functions"].split("/")
        phenotypes.setdefault(row["gene"], {})[one, other] = row["phenotype"]
    grouped: dict[str, list[dict[str, str]]] = {}
    for row in _rows("star_alleles.tsv"):
        grouped.setdefault(row["gene"], []).append(row)
    genes = {}
    for name, rows in grouped.items():
        cores = [{build: _core(row[build]) for build in BUILDS} for row in rows]
        noted = [(word, row["allele"]) for row in rows for word in row["notes"].split(",")]
        base, unpaired = dict(noted), [own for word, own in noted if word == "unpaired"]
        contig = next(c for own in cores for c, _, _ in own.values() if c)
        alleles = tuple(
            Allele(
                row["allele"], row["function"], float(row["score"] or "nan"),
                {build: core for build, (_, core, _) in own.items()},
                {build: coding for build, (_, _, coding) in own.items()},
            )
            for row, own in zip(rows, cores, strict=True)
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
