"""Small cohorts as other tools would write them."""

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel, write_vcf

from genoloom.panel import Individuals, Panel

N, SITES = 50, 240
ROLES = ("train", "holdout", "synthetic")


@pytest.fixture(scope="module")
def panels() -> dict[str, Panel]:
    """Fifty individuals each of two populations: training, held-out, synthetic."""
    alleles = founder_mosaic(SITES, 6 * N, np.random.default_rng(3), founders=30)
    return {
        role: rename(make_panel(alleles[:, 2 * N * i : 2 * N * (i + 1)], ("AAA", "BBB")), role)
        for i, role in enumerate(ROLES)
    }


def rename(panel: Panel, role: str) -> Panel:
    individuals = panel.individuals
    return Panel(
        panel.sites,
        Individuals(
            [f"{role}{i}" for i in range(N)],
            individuals.population,
            individuals.sex,
            individuals.family,
        ),
        panel.haplotypes,
    )


def rows_of(panel: Panel, change=lambda i, row: row, separator="|") -> list[str]:
    alleles = panel.haplotypes.read(0, len(panel.sites))
    rows = []
    for i, position in enumerate(panel.sites.position.tolist()):
        calls = [f"{a}{separator}{b}" for a, b in alleles[i].reshape(-1, 2)]
        rows.append(change(i, " ".join([str(position), "A", "C", *calls])))
    return [row for row in rows if row]


@pytest.fixture
def vcf(tmp_path, panels):
    """Write some individuals to a VCF without an index."""

    def write(role: str, name: str = "", **options) -> object:
        return write_vcf(
            tmp_path / f"{name or role}.vcf.gz",
            rows_of(panels[role], **options),
            panels[role].individuals.id,
            index=False,
        )

    return write


@pytest.fixture
def sheet(tmp_path, panels):
    path = tmp_path / "samples.tsv"
    lines = [
        f"{i}\t{p}"
        for panel in panels.values()
        for i, p in zip(panel.individuals.id, panel.individuals.population, strict=True)
    ]
    path.write_text("individual\tpopulation\n" + "\n".join(lines) + "\n")
    return path
