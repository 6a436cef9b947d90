"""Relatives and duplicates of three real panels: those found, and those the labels explain.

    python -m benchmarks relatives

`trios`: 3,202 individuals of the 1000 Genomes Project at 52 loci; 698 are children or parents who
were added to the 2,504 unrelated ones. `unrelated`: the 2,504 at the same loci. `duplicates`: 417
of HGDP and SGDP at 2 Mb; 54 are the same individual, called twice. One row per panel: which degree
could be told, the pairs found, and those that the labels explain.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import cyvcf2
import numpy as np

from benchmarks.runner import Case
from genoloom.popgen.relatives import find_relatives

PANELS = {
    "trios": ("1kgp_30x_pgx_multilocus_3202.GRCh38.vcf.gz", "1kgp_3202_samples.tsv", "pop"),
    "unrelated": (
        "1kgp_phase3_pgx_multilocus_2504.GRCh37.vcf.gz",
        "integrated_call_samples_v3.20130502.ALL.panel",
        "pop",
    ),
    "duplicates": (
        "hgdp_sgdp_chr2_108-110Mb_417.GRCh38.vcf.gz",
        "hgdp_sgdp_417_samples.tsv",
        "super_pop",
    ),
}
COLUMNS = "panel individuals sites kinship_degree parents_told pairs pairs_explained"


def add_options(parser: argparse.ArgumentParser) -> None:
    """None but the options of every run."""


def measure(case: Case) -> Iterator[dict]:
    for name in PANELS:
        yield measure_panel(name, case.arguments.data)


def measure_panel(name: str, data: Path) -> dict:
    """The row of one panel."""
    file, table, column = PANELS[name]
    with open(data / "labels" / table, newline="") as handle:
        labels = {row["sample"]: row for row in csv.DictReader(handle, delimiter="\t")}
    vcf = cyvcf2.VCF(str(data / "human" / file), gts012=True)
    individuals = [labels[sample] for sample in vcf.samples]
    block = [
        np.minimum(variant.gt_types, 2).astype(np.int8)
        for variant in vcf
        if len(variant.ALT) == 1 and 0.01 < variant.aaf < 0.99
    ]
    dosage = np.stack(block)
    found = find_relatives(
        lambda: np.array_split(dosage, 20), np.array([row[column] for row in individuals])
    )
    return {
        "panel": name,
        "individuals": len(individuals),
        "sites": len(dosage),
        "kinship_degree": found.degree or "none",
        "parents_told": found.parents,
        "pairs": len(found.pairs),
        "pairs_explained": sum(
            explained(name, individuals[i], individuals[j]) for i, j in found.pairs.tolist()
        ),
    }


def explained(name: str, one: dict, other: dict) -> bool:
    """Whether the labels say why two individuals are related."""
    if name == "trios":
        return (
            "0" in (one["in_phase3_2504"], other["in_phase3_2504"]) and one["pop"] == other["pop"]
        )
    if name == "duplicates":
        return one["same_person_as"] == other["sample"] or other["same_person_as"] == one["sample"]
    return False
