"""The fidelity verdict on real people: fresh ones pass, unfaithful controls fail. Few sites and seeds; benchmarks/referee.py has more."""

import cyvcf2
import numpy as np
import pytest
from helpers import make_people, make_sites

from genoloom.panel import ArrayHaplotypes, Panel
from genoloom.validation.controls import CONTROLS, make_controls
from genoloom.validation.metric_table import TABLE
from genoloom.validation.referee import deal, judge_together

SLOW = ("classifier_auc", "nsl_correlation", "ihs_correlation")
SITES = 600


@pytest.fixture(scope="module")
def people(demo_dir):
    """Alleles and positions of the sites of the shipped region, and everybody's population."""
    vcf = cyvcf2.VCF(str(demo_dir / "eur300.chr20_1-2Mb.vcf.gz"))
    lines = [line.split("\t") for line in (demo_dir / "people.tsv").read_text().splitlines() if line[0] != "#"]
    label = {row[0]: row[1] for row in lines}
    alleles, position = [], []
    for variant in vcf:
        if len(variant.ALT) == 1:
            alleles.append(variant.genotype.array()[:, :2].ravel())
            position.append(variant.POS)
    alleles = np.array(alleles, dtype=np.int8)
    return alleles, np.array(position) / 1e6, np.array([label[name] for name in vcf.samples])


@pytest.mark.parametrize("seed", [1, 2])
def test_fresh_people_pass_and_unfaithful_controls_fail(people, seed):
    alleles, cm, population = people
    rng = np.random.default_rng(seed)
    panels = []
    groups = [np.stack([2 * rows, 2 * rows + 1], axis=1).ravel() for rows in deal(population, 99, rng)]
    carriers = alleles[:, groups[0]].sum(axis=1)  # sites are modelled because training people carry them
    kept = np.flatnonzero(np.minimum(carriers, len(groups[0]) - carriers) >= 2)[:SITES]
    alleles, cm = alleles[kept], cm[kept]
    for columns in groups:
        rows = columns[0::2] // 2
        group = make_people(len(rows))
        group.population[:] = population[rows].tolist()
        panels.append(Panel(make_sites(len(alleles)), group, ArrayHaplotypes(alleles[:, columns])))
    training, held, fresh = panels
    made = make_controls(training.haplotypes.alleles, fresh.haplotypes.alleles, cm, np.array(training.people.population), rng)
    made = {name: made[name] for name in made if CONTROLS[name].faithful is not None}
    assert list(made) == ["fresh people", "mosaic, short", "markov", "independent"]
    table = tuple(metric for metric in TABLE if metric.name not in SLOW)
    judged = judge_together(made, training, held, cm, resplits=20, block=200, seed=seed, table=table)
    found = {name: rows[-1]["verdict"] for name, rows in judged.items()}
    assert found == {"fresh people": "pass", "mosaic, short": "fail", "markov": "fail", "independent": "fail"}


def test_people_are_dealt_equally():
    population = np.array(["A"] * 40 + ["B"] * 11)
    groups = deal(population, 30, np.random.default_rng(1))
    assert len(np.unique(np.concatenate(groups))) == 3 * len(groups[0])
    for group in groups:
        assert population[group].tolist() == ["A"] * 13 + ["B"] * 3
