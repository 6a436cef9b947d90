"""Star alleles of pharmacogenes: how far synthetic individuals are from real ones."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np

from genoloom.disclosure import FEW
from genoloom.errors import InputError
from genoloom.formats.tables import write_records, write_table
from genoloom.panels.comparands import open_roles
from genoloom.panels.genotypes import GenotypeFiles, require_individuals
from genoloom.panels.star_alleles import call_gene, without_variants
from genoloom.task_rows import StarRow
from genoloom.treatment.cyp2c19 import total_variation
from genoloom.treatment.star_alleles import COPY_NUMBER, UNMATCHED, Gene, StarCalls, read_genes

log = logging.getLogger(__name__)

FEWEST = 100  # individuals in each role

CALLS = ["individual", "gene", "haplotype1", "haplotype2", "diplotype", "phenotype", "score"]
REAL, SYNTHETIC, ALL = "real", "synthetic", "all"


def star_alleles(
    *, comparands: dict, build: str, genes: str | None, out: Path, calls: Path | None
) -> None:  # fmt: skip
    """Write the table of metrics, one row for each gene, metric, population and data.

    Distances are from the held-out individuals; next to the distances of the synthetic individuals
    are the distances of the training ones. Populations of up to 20 individuals have no row, nor
    have up to 20 real haplotypes that no allele explains.

    Parameters
    ----------
    comparands : dict
        Real and synthetic files, as `open_comparands` takes them.
    build : str
        GRCh37 or GRCh38, of all files.
    genes : str, optional
        Names, separated by commas; none: all that the training files have a variant of.
    calls : Path, optional
        Also write the star alleles of each synthetic individual.

    Raises
    ------
    InputError
        A gene is not known or needs copy numbers, or the files have no defining variant; there are
        fewer than 100 individuals in a role.
    """
    asked = _asked(genes)
    rows, table = [], []
    with open_roles(**comparands) as roles:
        for files in roles.values():
            require_individuals(files, FEWEST)
            if files.unphased:
                log.warning(
                    "%s: calls without phase are taken in the order of the file", files.label
                )
        for gene in asked:
            train, found = call_gene(roles["train"], gene, build)
            if not found:
                if genes is not None:
                    raise without_variants(roles["train"], gene, build)
                continue
            holdout, _ = call_gene(roles["holdout"], gene, build)
            own, kept = call_gene(roles["synthetic"], gene, build)
            pairs = zip(roles.values(), (train, holdout, own), strict=True)
            rows += _rows(gene, *pairs)
            rows.append(_row(gene, "variants_found", ALL, REAL, len(found)))
            rows.append(_row(gene, "variants_found", ALL, SYNTHETIC, len(kept)))
            table += _calls_of(roles["synthetic"], own)
        if not rows:
            raise InputError(
                roles["train"].label, f"has no variant that defines a star allele in {build}",
                expected=f"a panel of some of {', '.join(gene.name for gene in asked)}",
                remedy="give a panel of a gene, and --build as it is",
            )  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    write_records(out, StarRow, rows)
    if calls is not None:
        write_table(calls, CALLS, table)


def _asked(genes: str | None) -> list[Gene]:
    known = read_genes()
    if genes is None:
        return list(known.values())
    found = []
    for name in (part.strip() for part in genes.split(",")):
        if name not in known:
            needs = name in COPY_NUMBER
            raise InputError(
                "--genes", f"the star alleles of '{name}' "
                + ("are not known without copy numbers" if needs else "are not known"),
                expected=f"some of {', '.join(known)}",
            )  # fmt: skip
        found.append(known[name])
    return found


def _row(gene: Gene, metric: str, population: str, data: str, value: float) -> StarRow:
    return StarRow(gene.name, metric, population, data, float(value))


Called = tuple[GenotypeFiles, StarCalls]


def _rows(gene: Gene, train: Called, holdout: Called, synthetic: Called) -> list[StarRow]:
    rows = []
    populations = sorted(set(holdout[0].individuals.population))
    names = (ALL, *populations) if len(populations) > 1 else (ALL,)
    kinds = {"diplotype_tv": "diplotype"}
    kinds |= {"phenotype_tv": "phenotype"} if gene.has_phenotypes else {}
    for data, (files, calls) in ((REAL, train), (SYNTHETIC, synthetic)):
        for metric, kind in kinds.items():
            one, other = (np.array(getattr(c, kind)) for c in (calls, holdout[1]))
            for name in names:
                pair = [
                    values[[name in (ALL, p) for p in own.individuals.population]].tolist()
                    for values, own in ((one, files), (other, holdout[0]))
                ]
                if min(map(len, pair)) > FEW:
                    rows.append(_row(gene, metric, name, data, total_variation(*pair)))
        unmatched = calls.allele.count(UNMATCHED)
        if data == SYNTHETIC or not 0 < unmatched <= FEW:
            share = unmatched / len(calls.allele)
            rows.append(_row(gene, "unmatched_haplotypes", ALL, data, share))
    copies = Counter(train[1].allele)
    lost = [a for a, n in copies.items() if n > FEW and a not in set(synthetic[1].allele)]
    rows.append(_row(gene, "alleles_lost", ALL, SYNTHETIC, len(lost)))
    if lost:
        log.info("%s: the synthetic individuals do not have %s", gene.name, ", ".join(sorted(lost)))
    return rows


def _calls_of(files: GenotypeFiles, calls: StarCalls) -> list[dict]:
    allele = calls.allele
    columns = zip(
        files.individuals.id, allele[0::2], allele[1::2], calls.diplotype, calls.phenotype,
        calls.score.tolist(), strict=True,
    )  # fmt: skip
    shown = calls.gene.has_phenotypes
    return [
        dict(zip(CALLS, (name, calls.gene.name, one, two, pair, phenotype if shown else "",
                         None if np.isnan(score) else score), strict=True))
        for name, one, two, pair, phenotype, score in columns
    ]  # fmt: skip
