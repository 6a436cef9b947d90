"""Star alleles of hand-made haplotypes in both builds, and the tables against those of pypgx."""

import csv
import importlib.util
import random
from pathlib import Path

import numpy as np
import pytest
from star_tables import GENES, tables

import genoloom.treatment
from genoloom.treatment import cyp2c19
from genoloom.treatment.star_alleles import (
    BUILDS,
    COPY_NUMBER,
    UNMATCHED,
    call_star_alleles,
    read_carried,
    read_genes,
    shortest,
)

KNOWN = read_genes()


def call(name, build, *haplotypes):
    """Of haplotypes as sets of positions."""
    gene = KNOWN[name]
    variants = gene.variants(build)
    carried = np.array([[v[0] in own for own in haplotypes] for v in variants])
    assert carried.sum() == sum(map(len, haplotypes))
    return call_star_alleles(gene, build, carried)


def test_genes_and_what_is_out_of_reach():
    assert set(KNOWN) == set(GENES)
    assert not set(KNOWN) & set(COPY_NUMBER)
    for gene in KNOWN.values():
        for build in BUILDS:
            default = next(a for a in gene.alleles if a.name == gene.default[build])
            assert not default.core[build]  # the build's own sequence has no variant


@pytest.mark.parametrize("build", BUILDS)
def test_every_allele_is_found_by_its_variants(build):
    """Or another one of the same variants that goes before it."""
    for gene in KNOWN.values():
        variants = gene.variants(build)
        carried = np.array([[v in a.core[build] for a in gene.alleles] for v in variants])
        found = call_star_alleles(gene, build, carried)
        cores = {allele.name: allele.core[build] for allele in gene.alleles}
        assert all(found.whole)
        for allele, best in zip(gene.alleles, found.best, strict=True):
            assert best == gene.default[build] or cores[best] == allele.core[build]


def test_the_sequence_of_a_build_need_not_be_the_reference_allele():
    """CYP3A5*3 is that of GRCh37, and one variant away in GRCh38."""
    old = call("CYP3A5", "GRCh37", (), {99270539}, {99270539, 99262835}, {99262835})
    new = call("CYP3A5", "GRCh38", {99672916}, (), {99665212}, {99672916, 99665212})
    assert old.best == ["*3", "*1", "*6", "*6"]
    assert new.best[:3] == ["*3", "*1", "*6"]
    assert old.diplotype == ["*1/*3", "*6/*6"]
    assert old.phenotype == new.phenotype == ["Intermediate Metabolizer", "Poor Metabolizer"]
    assert call("DPYD", "GRCh37", (), {98348885}).diplotype == ["Reference/c.85T>C (*9A)"]


def test_activity_scores_make_phenotypes():
    two, three, uncertain = {96702047}, {96741053}, {96698494}
    found = call("CYP2C9", "GRCh37", (), (), (), two, two, three, three, three, (), uncertain)
    assert found.diplotype == ["*1/*1", "*1/*2", "*2/*3", "*3/*3", "*1/*7"]
    np.testing.assert_array_equal(found.score, [2, 1.5, 0.5, 0, np.nan])
    assert found.phenotype == [
        "Normal Metabolizer", "Intermediate Metabolizer", "Poor Metabolizer", "Poor Metabolizer",
        "Indeterminate",
    ]  # fmt: skip


def test_the_allele_of_most_variants_counts_and_what_is_left_over_is_unmatched():
    gene = KNOWN["NUDT15"]
    insertion, missense = 48611918, 48619855
    variants = gene.variants("GRCh37")
    carried = np.zeros((len(variants), 4), dtype=bool)
    carried[variants.index((insertion, "A", "AGGAGTC")), :2] = True
    carried[variants.index((missense, "C", "T")), [0, 2]] = True
    found = call_star_alleles(gene, "GRCh37", carried)
    assert found.best == ["*2", "*6", "*3", "*1"]
    alone = call("CYP2C19", "GRCh37", {96541616}, ())  # a variant of *2 without the other
    assert alone.allele == [UNMATCHED, "*1"]
    assert alone.phenotype == ["Indeterminate"]


def test_cyp2c19_is_as_the_trial_has_it():
    """Of any of its variants: the same alleles, but for *38, which counts as *1 there."""
    rng = random.Random(4)
    gene = KNOWN["CYP2C19"]
    variants = gene.variants("GRCh37")
    own = cyp2c19.VARIANTS["GRCh37"]
    chosen = [rng.sample(range(len(own)), k % 4) for k in range(200)]
    carried = np.array([[i in c for c in chosen] for i in range(len(own))])
    theirs = cyp2c19.call_diplotypes(carried, [True] * len(own)).allele
    general = np.zeros((len(variants), len(chosen)), dtype=bool)
    for i, key in enumerate(own):
        general[variants.index(key)] = carried[i]
    found = call_star_alleles(gene, "GRCh37", general).allele
    assert {a: b for a, b in zip(found, theirs, strict=True) if a != b}.keys() <= {"*38", "*39"}


def test_variants_are_found_however_they_are_written():
    assert shortest(10, "CAT", "CATAT") == (10, "C", "CAT")
    assert shortest(10, "AGT", "AGC") == (12, "T", "C")
    alleles = {0: np.array([0, 1]), 1: np.array([1, 0]), 2: np.array([0, 1])}
    keys = [(10, "CAT", "CATAT"), (20, "G", "A"), (30, "t", "c")]
    wanted = [(10, "C", "CAT"), (20, "A", "G"), (30, "T", "C"), (40, "A", "G")]
    carried, known = read_carried(keys, alleles.__getitem__, wanted, 2)
    assert carried.tolist() == [[False, True], [False, True], [False, True], [False, False]]
    assert known.tolist() == [True, True, True, False]


@pytest.fixture(scope="module")
def pypgx_folder():
    found = importlib.util.find_spec("pypgx")
    if found is None:
        pytest.skip("pypgx is not installed")
    return Path(found.origin).parent


def test_tables_are_those_of_pypgx(pypgx_folder):
    own = Path(genoloom.treatment.__file__).parent
    for name, text in tables(pypgx_folder).items():
        assert (own / name).read_text() == text


def test_scores_make_phenotypes_as_in_pypgx(pypgx_folder):
    with open(pypgx_folder / "api" / "data" / "equation-table.csv", newline="") as handle:
        rules = {(r["Gene"], r["Phenotype"]): r["Equation"] for r in csv.DictReader(handle)}
    for name in ("CYP2C9", "DPYD"):
        assert rules[name, "Poor Metabolizer"] == "0 <= score < 1"
        assert rules[name, "Intermediate Metabolizer"] == "1 <= score < 2"
        assert rules[name, "Normal Metabolizer"] == "2 == score"
