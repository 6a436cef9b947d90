"""The fidelity verdict on real individuals: fresh ones pass, unfaithful generators fail. Few sites
and seeds; `python -m benchmarks self_check` has more.
"""

import cyvcf2
import numpy as np
import pytest
from helpers import make_individuals, make_sites

from benchmarks.known_faults import FAULTS, Material
from benchmarks.known_generators import KNOWN_GENERATORS, make_known_generators
from benchmarks.several_samples import deal, judge_together, measure_together
from genoloom.panel import ArrayHaplotypes, Panel, haplotype_columns
from genoloom.validation.fidelity import family_chance, fidelity_rows
from genoloom.validation.metric_table import TABLE
from genoloom.validation.verdicts import ORDER, Size, judge

SLOW = ("classifier_auc", "nsl_correlation", "ihs_correlation")
FAST = tuple(metric for metric in TABLE if metric.name not in SLOW)
SITES = 600


@pytest.fixture(scope="module")
def individuals(demo_dir):
    """Alleles and positions of the sites of the shipped region, and everybody's population."""
    vcf = cyvcf2.VCF(str(demo_dir / "eur300.chr20_1-2Mb.vcf.gz"))
    lines = [
        line.split("\t")
        for line in (demo_dir / "samples.tsv").read_text().splitlines()
        if line[0] != "#"
    ]
    label = {row[0]: row[1] for row in lines}
    alleles, position = [], []
    for variant in vcf:
        if len(variant.ALT) == 1:
            alleles.append(variant.genotype.array()[:, :2].ravel())
            position.append(variant.POS)
    alleles = np.array(alleles, dtype=np.int8)
    return alleles, np.array(position) / 1e6, np.array([label[name] for name in vcf.samples])


def dealt(individuals, seed):
    """Training, held-out and fresh individuals at sites that training individuals carry, and
    genetic positions.
    """
    alleles, cm, population = individuals
    groups = [haplotype_columns(rows) for rows in deal(population, 99, np.random.default_rng(seed))]
    carriers = alleles[:, groups[0]].sum(axis=1)
    kept = np.flatnonzero(np.minimum(carriers, len(groups[0]) - carriers) >= 2)[:SITES]
    panels = []
    for columns in groups:
        group = make_individuals(len(columns) // 2)
        group.population[:] = population[columns[0::2] // 2].tolist()
        panels.append(
            Panel(make_sites(len(kept)), group, ArrayHaplotypes(alleles[kept][:, columns]))
        )
    return panels, cm[kept]


def test_fresh_individuals_pass_and_unfaithful_controls_fail(individuals):
    (training, holdout, fresh), cm = dealt(individuals, 1)
    rng = np.random.default_rng(1)
    synthetic = make_known_generators(
        training.haplotypes.alleles,
        fresh.haplotypes.alleles,
        cm,
        np.array(training.individuals.population),
        rng,
    )
    synthetic = {
        name: synthetic[name] for name in synthetic if KNOWN_GENERATORS[name].faithful is not None
    }
    assert list(synthetic) == ["fresh individuals", "mosaic, short", "markov", "independent"]
    measured = measure_together(
        synthetic, training, holdout, cm, n_permutations=20, block=200, seed=1, table=FAST
    )
    judged = judge_together(measured, synthetic, len(training.individuals))
    found = {name: rows[-1].verdict for name, rows in judged.items()}
    assert found == {
        "fresh individuals": "pass",
        "mosaic, short": "fail",
        "markov": "fail",
        "independent": "fail",
    }


@pytest.fixture(scope="module")
def measured(individuals):
    """Every metric of every known fault, on one panel."""
    (training, holdout, fresh), cm = dealt(individuals, 3)
    known, new = (group.haplotypes.alleles for group in (training, fresh))
    indel = np.arange(len(cm)) % 20 == 0
    material = Material(known, new, cm, np.array(training.individuals.population), indel)
    synthetic = {name: make(material, np.random.default_rng(3)) for name, make in FAULTS.items()}
    return measure_together(
        synthetic, training, holdout, cm, n_permutations=20, block=200, seed=3, table=FAST
    )


def test_faults_are_seen_and_fresh_individuals_are_not_accused(measured):
    found = {
        name: fidelity_rows(measured, name, "baseline", 98, group=name)[-1].verdict
        for name in FAULTS
    }
    assert found["fresh individuals"] == "pass"
    for fault in (
        "independent sites",
        "order-4 Markov",
        "short mosaic",
        "phase shuffled",
        "frequencies noised 2 %",
        "10 % duplicates",
    ):
        assert found[fault] == "fail", fault


def test_on_one_panel_who_is_farther_off_never_has_a_better_verdict(measured):
    chance = family_chance(measured)
    compared = worse = 0
    for m in measured:
        metric = m.metric
        judged = [
            judge(
                metric.name.metric_type,
                value,
                m.reference,
                m.null_sd,
                metric.tolerance,
                chance,
                unit=metric.unit,
            )
            for value in m.values.values()
        ]
        for value, own in zip(m.values.values(), judged, strict=True):
            off = abs(value - m.reference) / m.null_sd if m.null_sd else 0.0
            assert not (off > 5 and own.size >= Size.LARGE and own.verdict == "pass"), (
                metric.name,
                value,
                m.reference,
            )
            for other_value, other in zip(m.values.values(), judged, strict=True):
                same_side = (value - m.reference) * (other_value - m.reference) > 0
                if same_side and own.size >= other.size and abs(own.z) >= abs(other.z):
                    assert ORDER.index(own.verdict) >= ORDER.index(other.verdict), (
                        metric.name,
                        value,
                        other_value,
                    )
                    compared += 1
                    worse += own.verdict != other.verdict
    assert compared > 3000
    assert worse > 300


def test_the_size_of_what_linkage_lacks_is_no_matter_of_spread(measured):
    """What a permutation of synthetic and real individuals together let pass: the slope of LD
    scores and the rows around it.
    """
    rows = {
        (r.metric, r.bin): r
        for r in fidelity_rows(
            measured, "independent sites", "baseline", 98, group="independent sites"
        )
    }
    for metric in ("ld_score_slope", "copying_bits", "density", "aats_holdout"):
        assert rows[metric, "all"].verdict == "fail", metric
    assert rows["aats_synthetic", "all"].verdict == "overfitted"


@pytest.mark.parametrize(
    ("metric", "faults"),
    [
        ("association_hits", ["independent sites", "order-4 Markov"]),
        ("association_effects", ["independent sites", "order-4 Markov", "short mosaic"]),
        (
            "imputation_r2",
            ["independent sites", "order-4 Markov", "short mosaic", "phase shuffled"],
        ),
    ],
)
def test_the_work_itself_cannot_be_done_with_faulty_data(measured, metric, faults):
    for fault in faults:
        rows = fidelity_rows(measured, fault, "baseline", 98, group=fault)
        [verdict] = [
            r.verdict for r in rows if (r.metric, r.population, r.bin) == (metric, "all", "all")
        ]
        assert verdict == "fail", fault


def test_individuals_are_dealt_equally():
    population = np.array(["A"] * 40 + ["B"] * 11)
    groups = deal(population, 30, np.random.default_rng(1))
    assert len(np.unique(np.concatenate(groups))) == 3 * len(groups[0])
    for group in groups:
        assert population[group].tolist() == ["A"] * 13 + ["B"] * 3
