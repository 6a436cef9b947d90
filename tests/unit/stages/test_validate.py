"""What real individuals score is measured once for all generators of a panel."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel, make_sites

from genoloom.config import ValidateOptions
from genoloom.errors import InputError
from genoloom.formats.provenance import read_provenance
from genoloom.formats.tables import read_records, read_table
from genoloom.panel import ArrayHaplotypes, Individuals, Panel
from genoloom.panels.comparands import Comparands, with_haploids
from genoloom.ploidy import Ploidy
from genoloom.stages.validate import read_reference_values, validate
from genoloom.validation.cohorts import compare
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.metric_table import OF_GENOTYPES
from genoloom.validation.reference_values import REFERENCE_VALUES, ReferenceValues, reference_key
from genoloom.validation.rows import MetricRow

OPTIONS = ValidateOptions(n_permutations=2, ld_window=60)
SPOILED = {"empty": "", "text": "{", "fields": '{"key": "x"}', "words": '{"key": 1, "scores": []}'}


@pytest.fixture(scope="module")
def real(panels):
    """Held-out individuals, and training individuals after them."""
    return panels["holdout"].joined_with(panels["train"])


@pytest.fixture(scope="module")
def tables(panels, real, tmp_path_factory):
    """Write the fidelity table of some synthetic individuals; returns its folder."""
    n = len(panels["train"].individuals)
    own, rng = panels["synthetic"].haplotypes.alleles, np.random.default_rng(2)
    shuffled = make_panel(np.stack([rng.permutation(row) for row in own]), ("AAA", "BBB"))
    synthetic = {"fresh": panels["synthetic"], "shuffled": shuffled}

    def write(name, reference_values=None, phased=True):
        out = tmp_path_factory.mktemp(name) / "fidelity.tsv"
        validate(
            name=name,
            comparands=Comparands(
                [(synthetic[name], real)], ["holdout"] * n + ["train"] * n, phased
            ),
            baselines=[],
            out=out,
            details=out.with_name("details.json"),
            options=OPTIONS,
            seed=5,
            reference_values=reference_values,
        )
        return out.parent

    return write


@pytest.mark.slow
@pytest.mark.parametrize("phased", [True, False])
def test_the_table_is_the_same_with_and_without_reference_values(tables, monkeypatch, phased):
    first, alone = (tables(name, phased=phased) for name in ("fresh", "shuffled"))
    monkeypatch.setattr("genoloom.stages.validate.measure_all", None)
    shared = tables("shuffled", first / REFERENCE_VALUES, phased)
    assert (alone / "fidelity.tsv").read_bytes() == (shared / "fidelity.tsv").read_bytes()
    assert (first / REFERENCE_VALUES).read_bytes() == (shared / REFERENCE_VALUES).read_bytes()
    own, other = (read_table(folder / "fidelity.tsv") for folder in (first, shared))
    assert [row["reference"] for row in own] == [row["reference"] for row in other]
    assert [row["value"] for row in own] != [row["value"] for row in other]
    written = read_provenance(shared / "fidelity.provenance.json").outputs
    assert list(written) == ["fidelity.tsv", REFERENCE_VALUES]


def test_the_key_follows_from_all_that_real_individuals_score_by(panels, real):
    n = len(panels["train"].individuals)
    roles = ["holdout"] * n + ["train"] * n

    def key(
        synthetic=panels["synthetic"], real=real, roles=roles, options=OPTIONS, seed=5, phased=True
    ):
        individuals = compare(
            synthetic.individuals, real.individuals, roles, options.n_permutations, seed
        )
        return reference_key(individuals, [real], options, seed, phased)

    alleles = real.haplotypes.read(0, len(real.sites))
    alleles[7, 3] ^= 1
    moved = replace(real, sites=replace(real.sites, cm=real.sites.cm * 2))
    changed = [
        key(synthetic=panels["synthetic"].take_individuals(np.arange(n - 2))),
        key(real=replace(real, haplotypes=ArrayHaplotypes(alleles))),
        key(real=moved),
        key(roles=roles[::-1]),
        key(options=OPTIONS.model_copy(update={"components": 2})),
        key(seed=6),
        key(phased=False),
    ]
    assert key() == key(synthetic=panels["train"])  # other synthetic individuals, as many
    assert len({key(), *changed}) == 1 + len(changed)


def test_values_of_other_individuals_are_not_used(tmp_path, caplog):
    path = tmp_path / REFERENCE_VALUES
    path.write_text(json.dumps(ReferenceValues(key="own", scores=[]).model_dump()))
    assert read_reference_values(path, "own").scores == []
    with caplog.at_level(logging.INFO):
        assert read_reference_values(path, "other") is None
    assert "measured anew" in caplog.text


@pytest.mark.parametrize("what", [*SPOILED, "absent"])
def test_what_is_no_such_file_is_an_error(tmp_path, what):
    path = tmp_path / REFERENCE_VALUES
    if what in SPOILED:
        path.write_text(SPOILED[what])
    with pytest.raises(InputError, match=REFERENCE_VALUES):
        read_reference_values(path, "key")


def test_genotypes_of_an_x_are_those_of_females(tmp_path):
    """As where they are alone, and with and without what real individuals score."""
    rng = np.random.default_rng(4)

    def x_of(n: int, name: str) -> Panel:
        sex = [("male", "female")[i % 2] for i in range(n)]
        alleles = founder_mosaic(60, 2 * n, rng)
        alleles[:, 1::4] = alleles[:, 0::4]  # the males'
        individuals = Individuals([f"{name}{i}" for i in range(n)], ["POP"] * n, sex)
        sites = replace(make_sites(60), contig="X", ploidy=Ploidy.X_LINKED)
        return Panel(sites, individuals, ArrayHaplotypes(alleles))

    synthetic, real = x_of(50, "S"), x_of(100, "R")
    roles = ["train"] * 50 + ["holdout"] * 50
    both = with_haploids([(synthetic, real)], roles)
    kept = [
        panel.take_individuals(np.arange(1, n, 2)) for panel, n in ((synthetic, 50), (real, 100))
    ]
    females = Comparands([tuple(kept)], roles[1::2])
    tables = []
    for number, (comparands, known) in enumerate([(both, None), (females, None), (both, 0)]):
        out = tmp_path / str(number) / "fidelity.tsv"
        out.parent.mkdir()
        validate(
            name="made", comparands=comparands, baselines=[], out=out, details=None, seed=1,
            options=ValidateOptions(n_permutations=4),
            reference_values=None if known is None else tmp_path / f"{known}/reference_values.json",
        )  # fmt: skip
        tables.append(out)
    assert tables[0].read_bytes() == tables[2].read_bytes()
    found = [
        {row.metric: row for row in read_records(path, MetricRow) if row.generator == "made"}
        for path in tables[:2]
    ]
    names = {metric.name for metric in OF_GENOTYPES}
    assert len(names) > 5
    for name in names:
        x, alone = (rows[name] for rows in found)
        assert (x.value, x.reference, x.n) == (alone.value, alone.reference, 25), name
    assert found[0][MetricId.FREQUENCY_ERROR].n == 37  # males are joined two by two
