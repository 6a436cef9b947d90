"""Sites that exclude each other on one haplotype, against brute force and `bcftools consensus`."""

import numpy as np
import pysam.bcftools
import pytest
from helpers import write_vcf

from genoloom.popgen.overlaps import CarriedTogether, Overlaps, excluding_pairs

BASES = "ACGT"


def random_sites(rng, n: int, length: int):
    """Crowded SNPs, insertions, deletions and other replacements of a random reference; sorted,
    none twice.
    """
    reference = "".join(rng.choice(list(BASES), length + 20))
    sites = set()
    while len(sites) < n:
        p = int(rng.integers(1, length))
        ref = reference[p - 1 : p - 1 + int(rng.choice([1, 1, 1, 2, 3, 8]))]
        kind = rng.integers(4)
        alt = {
            0: "".join(BASES[BASES.index(b) - 1] for b in ref),
            1: ref + "".join(rng.choice(list(BASES), 3)),
            2: ref[0],
            3: BASES[BASES.index(ref[0]) - 1] + "".join(rng.choice(list(BASES), 2)),
        }[int(kind)]
        if alt != ref:
            sites.add((p, ref, alt))
    position, ref, alt = zip(*sorted(sites), strict=True)
    return reference, np.array(position), ref, alt


def seeds(rng, n: int) -> np.ndarray:
    return rng.integers(0, 2**63, n).astype(np.uint64)


def brute_force(position, ref, alt) -> list[tuple[int, int]]:
    """All pairs, by the words of the documentation."""
    found = []
    for i in range(len(position)):
        for j in range(i + 1, len(position)):
            end = position[i] + len(ref[i]) - 1
            pure = alt[j].startswith(ref[j]) or ref[j].startswith(alt[j])
            touches = position[j] == end and not (pure and len(alt[i]) <= len(ref[i]))
            if position[i] == position[j] or position[j] < end or touches:
                found.append((i, j))
    return found


def test_pairs_and_groups_are_those_of_brute_force():
    rng = np.random.default_rng(1)
    for n, length in ((1, 5), (40, 60), (40, 400)):
        _, position, ref, alt = random_sites(rng, n, length)
        overlaps = Overlaps(position, ref, alt)
        pairs = brute_force(position, ref, alt)
        assert [tuple(pair) for pair in overlaps.pairs.tolist()] == pairs
        borders = [b for b in range(n) if all(not i < b <= j for i, j in pairs)]
        assert sorted(set(overlaps.start.tolist())) == borders
        assert [a for a, _ in overlaps.spans(1)] == sorted(
            {int(overlaps.start[i]) for i, _ in pairs}
        )


def test_no_haplotype_keeps_an_excluded_pair_and_nothing_is_lost_in_vain():
    rng = np.random.default_rng(2)
    _, position, ref, alt = random_sites(rng, 200, 600)
    overlaps = Overlaps(position, ref, alt, rng.random(200))
    alleles, seed = (rng.random((200, 300)) < 0.3).astype(np.int8), seeds(rng, 300)
    synthetic = overlaps.mended(alleles, seed)
    i, j = np.array(brute_force(position, ref, alt)).T
    assert not (synthetic[i] & synthetic[j]).any()
    assert (synthetic <= alleles).all()
    excluded = np.zeros_like(synthetic)
    for a, b in zip(i, j, strict=True):
        excluded[a] |= synthetic[b]
        excluded[b] |= synthetic[a]
    assert excluded[(alleles == 1) & (synthetic == 0)].all()
    assert overlaps.taken_out == (alleles != synthetic).sum()
    expected = (alleles[i] & alleles[j]).sum(axis=0)
    np.testing.assert_array_equal(overlaps.count(alleles), expected)


def test_the_same_haplotype_comes_out_whatever_the_blocks_and_the_company():
    rng = np.random.default_rng(3)
    _, position, ref, alt = random_sites(rng, 300, 900)
    overlaps = Overlaps(position, ref, alt)
    alleles, seed = (rng.random((300, 50)) < 0.4).astype(np.int8), seeds(rng, 50)
    whole = overlaps.mended(alleles, seed)
    for step in (1, 7, 128):
        blocks = list(overlaps.resolve((alleles[a : a + step] for a in range(0, 300, step)), seed))
        np.testing.assert_array_equal(np.concatenate(blocks), whole)
    alone = overlaps.resolve(iter([alleles[:, 7:8]]), seed[7:8])
    np.testing.assert_array_equal(np.concatenate(list(alone)), whole[:, 7:8])


def test_what_excludes_nothing_is_applied_whole_by_bcftools(tmp_path):
    """Mended haplotypes make `bcftools consensus` skip no record; those before they were mended
    do.
    """
    rng = np.random.default_rng(4)
    reference, position, ref, alt = random_sites(rng, 150, 400)
    overlaps = Overlaps(position, ref, alt)
    drawn = (rng.random((150, 6)) < 0.4).astype(np.int8)
    (tmp_path / "ref.fa").write_text(f">20\n{reference}\n")
    skipped = {}
    for name, alleles in (("drawn", drawn), ("mended", overlaps.mended(drawn, seeds(rng, 6)))):
        calls = [" ".join(f"{a}|{b}" for a, b in row.reshape(-1, 2)) for row in alleles]
        rows = [f"{p} {r} {a} {c}" for p, r, a, c in zip(position, ref, alt, calls, strict=True)]
        vcf = write_vcf(tmp_path / f"{name}.vcf.gz", rows, ["S0", "S1", "S2"])
        skipped[name] = 0
        for sample in ("S0", "S1", "S2"):
            for haplotype in "12":
                options = [
                    "-f",
                    tmp_path / "ref.fa",
                    "-s",
                    sample,
                    "-H",
                    haplotype,
                    "-o",
                    tmp_path / "out.fa",
                    vcf,
                ]
                pysam.bcftools.consensus(*map(str, options), catch_stdout=False)
                skipped[name] += pysam.bcftools.consensus.get_messages().count(
                    "overlaps with another"
                )
    assert skipped["drawn"] > 50
    assert skipped["mended"] == 0


def test_both_frequencies_fall_by_the_same_share():
    """Two alternates of one position, drawn independently with f and g: both keep 1 - f g / (f + g)
    of their carriers.
    """
    rng, n = np.random.default_rng(5), 200_000
    f = np.array([0.4, 0.1])
    overlaps = Overlaps(np.array([5, 5]), ["A", "A"], ["C", "G"], f)
    drawn = (rng.random((2, n)) < f[:, None]).astype(np.int8)
    kept = overlaps.mended(drawn, seeds(rng, n)).sum(axis=1) / drawn.sum(axis=1)
    assert kept == pytest.approx(1 - f.prod() / f.sum(), abs=0.005)


def test_a_deletion_is_not_lost_to_the_many_variants_in_it():
    rng, n, inside = np.random.default_rng(6), 20_000, 50
    position = np.arange(1, inside + 2)
    f = np.array([0.05] + [0.1] * inside)
    overlaps = Overlaps(position, ["A" * (inside + 1)] + ["C"] * inside, ["A"] + ["G"] * inside, f)
    drawn = (rng.random((inside + 1, n)) < f[:, None]).astype(np.int8)
    kept = overlaps.mended(drawn, seeds(rng, n)).sum(axis=1) / drawn.sum(axis=1)
    assert kept[0] > 0.5
    assert kept[1:].min() > 0.9


def test_what_was_observed_stays():
    overlaps = Overlaps(np.array([5, 5, 6]), ["A", "AC", "C"], ["C", "A", "G"])
    alleles = np.ones((3, 4), dtype=np.int8)
    fixed = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 0]], dtype=bool)
    synthetic = overlaps.mended(alleles, np.arange(4, dtype=np.uint64), fixed=fixed)
    np.testing.assert_array_equal(synthetic, [[1, 0, 1, 1], [0, 1, 0, 1], [1, 0, 1, 0]])


def test_sites_apart_exclude_nothing():
    assert len(excluding_pairs(np.array([1, 2, 3]), ["A", "C", "G"], ["C", "CT", "T"])) == 0


def test_what_real_haplotypes_carry_together_is_found():
    """A deletion and a SNP on its last base: together on many haplotypes, on one of many, on
    none.
    """
    n = 400
    deletion = np.repeat([1, 0], [200, 200]).astype(np.int8)
    for shared, refused in ((100, True), (3, True), (2, False), (0, False)):
        snp = np.zeros(n, dtype=np.int8)
        snp[200 - shared : 400 - shared] = 1
        found = CarriedTogether()
        assert not found.refuse(10, "ACG", "A", deletion)
        assert found.refuse(12, "G", "T", snp) is refused
        assert not found.refuse(13, "G", "T", deletion)  # after it
    found = CarriedTogether()
    assert not found.refuse(10, "A", "C", deletion)
    assert found.refuse(10, "A", "G", deletion)  # the same position
    missing = np.where(deletion == 1, -1, 0).astype(np.int8)
    assert not found.refuse(10, "A", "T", missing)
