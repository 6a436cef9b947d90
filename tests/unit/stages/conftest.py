"""Small cohorts as other tools would write them."""

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel, write_vcf

from genoloom.panel import Panel, People

N, SITES = 50, 240
ROLES = ("train", "holdout", "synthetic")


@pytest.fixture(scope="module")
def panels() -> dict[str, Panel]:
    """Fifty people each of two populations: training, held-out, synthetic."""
    alleles = founder_mosaic(SITES, 6 * N, np.random.default_rng(3), founders=30)
    return {
        role: rename(make_panel(alleles[:, 2 * N * i : 2 * N * (i + 1)], ("AAA", "BBB")), role)
        for i, role in enumerate(ROLES)
    }


def rename(panel: Panel, role: str) -> Panel:
    people = panel.people
    return Panel(
        panel.sites,
        People([f"{role}{i}" for i in range(N)], people.population, people.sex, people.family),
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
    """Write some people to a VCF without an index."""

    def write(role: str, name: str = "", **options) -> object:
        return write_vcf(
            tmp_path / f"{name or role}.vcf.gz",
            rows_of(panels[role], **options),
            panels[role].people.id,
            index=False,
        )

    return write


@pytest.fixture
def sheet(tmp_path, panels):
    path = tmp_path / "people.tsv"
    lines = [
        f"{i}\t{p}"
        for panel in panels.values()
        for i, p in zip(panel.people.id, panel.people.population, strict=True)
    ]
    path.write_text("person\tpopulation\n" + "\n".join(lines) + "\n")
    return path
