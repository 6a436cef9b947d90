"""Who has one haplotype of a contig, and how haploid individuals are joined."""

import numpy as np
import pytest
from helpers import make_sites

from genoloom.panel import ArrayHaplotypes, Individuals, Panel, allele_counts, paired
from genoloom.ploidy import LENGTHS, Ploidy, build_of, ploidy_of, pseudo_autosomal


@pytest.mark.parametrize(
    ("contig", "build", "region", "expected"),
    [
        ("20", None, None, Ploidy.DIPLOID),
        ("chrX", "GRCh38", None, Ploidy.X_LINKED),
        ("X", "GRCh37", (60_001, 2_699_520), Ploidy.DIPLOID),
        ("X", "GRCh37", (60_001, 2_699_521), Ploidy.X_LINKED),
        ("X", None, None, Ploidy.DIPLOID),
        ("chrY", "GRCh38", None, Ploidy.Y_LINKED),
        ("Y", None, None, Ploidy.Y_LINKED),
        ("chrM", None, None, Ploidy.HAPLOID),
        ("MT", None, (1, 500), Ploidy.HAPLOID),
    ],
)
def test_ploidy_by_name_build_and_region(contig, build, region, expected):
    assert ploidy_of(contig, build, region) is expected


def test_builds_are_told_by_length():
    assert [build_of("chrX", LENGTHS[b]["X"]) for b in LENGTHS] == list(LENGTHS)
    assert build_of("X", None) is build_of("X", 60_000) is build_of("20", 63_025_520) is None
    for build, lengths in LENGTHS.items():
        for contig, length in lengths.items():
            assert all(0 < low < high <= length for low, high in pseudo_autosomal(contig, build))


def x_panel(sexes: str, alleles: np.ndarray) -> Panel:
    sex = [{"m": "male", "f": "female"}[s] for s in sexes]
    individuals = Individuals([f"P{i}" for i in range(len(sex))], ["POP"] * len(sex), sex)
    sites = make_sites(len(alleles))
    object.__setattr__(sites, "ploidy", Ploidy.X_LINKED)
    return Panel(sites, individuals, ArrayHaplotypes(alleles))


def test_haploid_individuals_count_once_and_are_joined_two_by_two():
    #            m     f     m     m     m
    row = np.array([[1, 1, 0, 1, 1, 1, 0, 0, 1, 1]], dtype=np.int8)
    panel = x_panel("mfmmm", row)
    assert panel.own_columns().tolist() == [0, 2, 3, 4, 6, 8]
    assert [values.tolist() for values in allele_counts(panel)] == [[4], [6]]
    joined, first = paired(panel, ["train", "train", "holdout", "train", "train"])
    # the male who is held out finds nobody of his role, and the last of three trains alone
    assert joined.individuals.id == ["P0+P3", "P1"]
    assert first.tolist() == [0, 1]
    assert joined.haplotypes.read(0, 1).tolist() == [[1, 0, 0, 1]]
    assert not joined.haploid.any()
