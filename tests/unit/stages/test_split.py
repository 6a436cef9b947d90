"""The split keeps relatives on one side, and foreign files that do not are refused or reported."""

import csv
import json
import logging

import numpy as np
import pytest
from helpers import make_panel

from genoloom.config import SplitOptions
from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter
from genoloom.panels.relatives import warn_of_relatives
from genoloom.stages.split import split


@pytest.fixture(scope="module")
def related():
    """Sixty individuals, the last twenty children of the first forty; 2,000 unlinked sites."""
    rng = np.random.default_rng(6)
    m = 2000
    haplotypes = (rng.random((m, 120)) < rng.uniform(0.1, 0.9, (m, 1))).astype(np.int8)
    for kid in range(20):
        for side in range(2):
            parent = 2 * kid + side
            pick = rng.integers(0, 2, m)
            haplotypes[:, 80 + 2 * kid + side] = haplotypes[np.arange(m), 2 * parent + pick]
    return make_panel(haplotypes)


@pytest.fixture
def prefix(tmp_path, related):
    out = tmp_path / "20"
    with PanelWriter(out, related.individuals, "20") as writer:
        writer.append(related.sites, related.haplotypes.alleles)
    out.with_name("20.summary.json").write_text(json.dumps({"records": 2000, "kept": 2000}))
    return out


def roles_of(prefix, **options) -> list[str]:
    out = prefix.parent / "split.tsv"
    split(
        panels=[prefix], out=out, summary=prefix.parent / "summary.json",
        options=SplitOptions(**options), seed=3,
    )  # fmt: skip
    with open(out) as handle:
        return [row["role"] for row in csv.DictReader(handle, delimiter="\t")]


def divided(roles: list[str]) -> int:
    """Pairs of parent and child on different sides."""
    return sum(roles[40 + kid] != roles[2 * kid + side] for kid in range(20) for side in range(2))


def test_parents_and_children_stay_together(prefix):
    assert divided(roles_of(prefix, kinship=False)) > 0
    roles = roles_of(prefix)
    assert divided(roles) == 0
    assert 27 <= roles.count("holdout") <= 33
    said = json.loads((prefix.parent / "summary.json").read_text())["relatives"]
    assert said == {
        "pairs_found_by_genotypes": "40 pairs",
        "individuals_with_relatives": "60 individuals",
    }


def test_a_pedigree_joins_children_of_absent_parents(prefix, tmp_path):
    """Siblings by the pedigree, whose parents are not in the panel."""
    pedigree = tmp_path / "family.fam"
    pedigree.write_text("".join(f"f P{i} father{i // 4} mother{i // 4} 0 -9\n" for i in range(60)))
    roles = roles_of(prefix, kinship=False, pedigree=str(pedigree))
    assert all(len(set(roles[i : i + 4])) == 1 for i in range(0, 60, 4))
    pedigree.write_text("f stranger a b 0 -9\n")
    with pytest.raises(InputError, match="names none of the panel's individuals"):
        roles_of(prefix, pedigree=str(pedigree))


def test_relatives_in_foreign_files_are_told(related, caplog):
    caplog.set_level(logging.WARNING)
    warn_of_relatives([related], ["train"] * 40 + ["holdout"] * 20)
    assert "40 pairs of a training and a held-out individual" in caplog.text
    caplog.clear()
    warn_of_relatives([related], ["train"] * 60)
    assert not caplog.text
