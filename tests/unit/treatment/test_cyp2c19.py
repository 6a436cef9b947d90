"""Star alleles of hand-made haplotypes, and the tables against those of pypgx."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from genoloom.treatment.cyp2c19 import (
    ALLELES,
    FUNCTION,
    NAMES,
    PHENOTYPES,
    UNMATCHED,
    VARIANTS,
    call_diplotypes,
    total_variation,
)


def carried(*haplotypes):
    matrix = np.zeros((len(NAMES), len(haplotypes)), dtype=bool)
    for column, variants in enumerate(haplotypes):
        for name in variants:
            matrix[NAMES.index(name), column] = True
    return matrix


def call(*haplotypes, without=()):
    matrix = carried(*haplotypes)
    known = [name not in without for name in NAMES]
    matrix[~np.array(known)] = False
    return call_diplotypes(matrix, known)


TWO = ("rs12769205", "rs4244285")


def test_every_allele_is_found_by_its_variants():
    for allele, rows in ALLELES.items():
        found = call([NAMES[row] for row in rows], ())
        assert (found.allele[0], found.function[0]) == (allele, FUNCTION[allele])
        assert found.names == [f"*1/{allele}"]


@pytest.mark.parametrize(
    ("variants", "allele", "function"),
    [
        ((), "*1", "normal"),
        (TWO, "*2", "no"),
        (("rs12769205",), "*35", "no"),
        (("rs4244285",), UNMATCHED, "no"),
        (("rs28399504", "rs12248560"), "*4", "no"),
        ((*TWO, "rs12248560"), "*2", "no"),
        (("rs17882687", "rs113934938"), "*28", "normal"),
        (("rs17882687",), "*15", "normal"),
        (("rs113934938",), UNMATCHED, "normal"),
    ],
)
def test_several_variants_on_a_haplotype(variants, allele, function):
    found = call(variants, ())
    assert (found.allele[0], found.function[0]) == (allele, function)


def test_phase_matters():
    """Both variants of *2 on one haplotype, or one on each."""
    assert call(TWO, ()).names == ["*1/*2"]
    assert call(TWO[:1], TWO[1:]).names == ["*35/unmatched"]


def test_variants_that_the_panel_lacks():
    assert call(TWO, (), without=["rs12769205"]).names == ["*1/*2"]
    # *2 is then not distinguished from *35; both are of no function
    assert call(TWO, (), without=["rs4244285"]).function[0] == "no"


def test_phenotypes_and_counts():
    many = ("rs12248560",)
    found = call((), (), TWO, (), TWO, TWO, TWO, many, many, many, (), many, ("rs17884712",), ())
    assert found.phenotype == [
        "normal metabolizer", "intermediate metabolizer", "poor metabolizer",
        "intermediate metabolizer", "ultrarapid metabolizer", "rapid metabolizer",
        "likely intermediate metabolizer",
    ]  # fmt: skip
    assert found.count("no").tolist() == [0, 1, 2, 1, 0, 0, 0]
    assert found.count("increased").tolist() == [0, 0, 0, 1, 2, 1, 0]
    assert call(("rs55640102",), TWO).phenotype == ["indeterminate"]


def test_total_variation():
    assert total_variation(["a", "a", "b", "c"], ["a", "b", "b", "d"]) == pytest.approx(0.5)
    assert total_variation(["a"], ["a"] * 7) == 0
    assert total_variation(["a"], ["b"]) == 1


def test_tables_are_those_of_pypgx():
    found = importlib.util.find_spec("pypgx")
    if found is None:
        pytest.skip("pypgx is not installed")
    data = Path(found.origin).parent / "api" / "data"

    def rows(name):
        with open(data / f"{name}-table.csv", newline="") as handle:
            return [row for row in csv.DictReader(handle) if row["Gene"] == "CYP2C19"]

    theirs = {row["rsID"]: row for row in rows("variant")}
    for build, variants in VARIANTS.items():
        for name, (position, ref, alt) in zip(NAMES, variants, strict=True):
            assert theirs[name][f"{build}Name"] == f"10-{position}-{ref}-{alt}"
    named = {row["GRCh37Name"]: row["rsID"] for row in theirs.values()}
    for row in rows("allele"):
        if row["SV"] == "FALSE" and row["StarAllele"] not in ("*1", "*38", "*39"):
            variants = {named[v] for v in row["GRCh37Core"].split(",")}
            assert {NAMES[i] for i in ALLELES[row["StarAllele"]]} == variants
            assert FUNCTION[row["StarAllele"]] == row["Function"].split()[0].lower()
    for row in rows("diplotype"):
        pair = row["Diplotype"].split("/")
        if all(allele in FUNCTION for allele in pair):
            key = frozenset(FUNCTION[allele] for allele in pair)
            assert PHENOTYPES.get(key, "indeterminate") == row["Phenotype"].lower()
