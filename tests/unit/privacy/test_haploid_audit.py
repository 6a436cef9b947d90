"""The audit of haploid individuals: each is one individual, with two equal columns; and what short
contigs of anybody can show.
"""

from dataclasses import replace

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel

from genoloom.audit_levels import COPY_LEVEL
from genoloom.ploidy import Ploidy
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.attacks import RAREST, Block, Kinship
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.auditor import Auditor
from genoloom.privacy.measures import Resampling
from genoloom.privacy.similarity import RareSharing, Similarities
from genoloom.validation.cohorts import compare_by_ploidy
from genoloom.validation.verdicts import Verdict

RNG = np.random.default_rng(1)


def haploid_block(alleles: np.ndarray, n: int) -> Block:
    """Of single haplotypes: `n` synthetic, `n` held-out and `n` training individuals."""
    twice = alleles.repeat(2, axis=1)
    return Block(twice[:, : 2 * n], twice[:, 2 * n :], None, None, None, np.ones(3 * n, dtype=bool))


def diploid_block(alleles: np.ndarray, n: int) -> Block:
    return Block(alleles[:, : 2 * n], alleles[:, 2 * n :], None, None, None)


def test_kinship_of_haploid_individuals_is_half_for_copies_and_none_for_strangers():
    frequency = RNG.beta(2, 2, size=20_000)[:, None]
    alleles = (RNG.random((20_000, 9)) < frequency).astype(np.int8)
    alleles[:, 6] = alleles[:, 1]  # a training individual is copied
    attack = Kinship(3)
    attack.add(haploid_block(alleles, 3))
    [scores] = attack.scores().values()
    assert scores[3] == pytest.approx(0.5)
    # haplotypes differ at 2 p (1 - p) of the sites
    differing = (alleles[:, 3:, None] != alleles[:, None, :3]).sum(axis=0)
    p = alleles[:, 3:].mean(axis=1)
    expected = (0.5 - differing / (2 * (2 * p * (1 - p)).sum())).max(axis=1)
    assert scores == pytest.approx(expected)
    assert np.abs(np.delete(scores, 3)).max() < 0.11


def test_a_haploid_individual_counts_once_among_rare_alleles():
    n, alleles = 30, founder_mosaic(300, 90, RNG, founders=60)
    found = RareSharing(n)
    found.add(haploid_block(alleles, n))
    real = alleles[:, n:]
    for i in (0, n):
        carried = 0.0
        for site in real:
            copies = (site == site[i]).sum()
            halves = [(half == site[i]).sum() for half in np.split(site, 2)]
            if copies <= RAREST and min(halves) >= 1:
                carried -= np.log(copies / (2 * n))
        assert found.carried[i] == pytest.approx(carried, rel=1e-5)


def similarities(block_of, alleles, n, step=250):
    found = Similarities(n)
    found.choose_rare(0)
    for start in range(0, len(alleles), step):
        found.add(block_of(alleles[start : start + step], n))
    labels = Resampling(np.repeat("", 2 * n), n, 399, np.random.default_rng(2)).labels
    tests = found.tests(labels, np.repeat("", 3 * n), np.random.default_rng(3))
    return {name: test for name, test in tests.items() if not np.isnan(test.few_copies_chance)}


@pytest.mark.parametrize(("block_of", "columns"), [(haploid_block, 1), (diploid_block, 2)])
def test_copies_of_a_few_individuals_are_seen_or_the_test_has_not_been_run(block_of, columns):
    """On many sites copies are seen, and fresh individuals are not accused; on few sites fresh
    individuals are as near to each other as copies are, so that nothing can be said.
    """
    n, rng = 120, np.random.default_rng(4)
    alleles = founder_mosaic(1000, 3 * n * columns, rng, founders=400, switch=0.02)
    fresh = similarities(block_of, alleles, n)
    assert {test.verdict for test in fresh.values()} == {Verdict.PASS}, fresh
    assert min(test.few_copies_chance for test in fresh.values()) <= COPY_LEVEL
    copied, few = alleles.copy(), 12 * columns
    copied[:, :few] = alleles[:, 2 * n * columns :][:, :few]
    assert Verdict.FAIL in {test.verdict for test in similarities(block_of, copied, n).values()}
    short = similarities(block_of, alleles[:12], n)[AttackId.NEAR_COPIES_OF_INDIVIDUALS]
    assert short.verdict is Verdict.NOT_RUN
    assert short.least_chance > COPY_LEVEL


@pytest.mark.parametrize("ploidy", [Ploidy.X_LINKED, Ploidy.HAPLOID])
def test_an_audit_of_haploid_individuals(ploidy):
    n = 40
    alleles = founder_mosaic(400, 6 * n, np.random.default_rng(5), founders=300, switch=0.02)

    def panel(columns):
        made = make_panel(alleles[:, columns])
        sex = ["male" if i % 2 else "female" for i in range(len(made.individuals))]
        sites = replace(made.sites, ploidy=ploidy)
        made = replace(made, sites=sites, individuals=replace(made.individuals, sex=sex))
        own = made.haplotypes.alleles
        own[:, 1::2][:, made.haploid] = own[:, 0::2][:, made.haploid]
        return made

    fresh, real = panel(slice(2 * n)), panel(slice(2 * n, None))
    roles = ["holdout"] * n + ["train"] * n
    individuals = compare_by_ploidy((fresh, real), roles, seed=1)
    assert individuals.n == n
    data = AuditData(individuals, [50], [20])
    data.add(fresh, real, real.sites.cm)
    rows = Auditor(data, "synthetic", "generator", 199, 0.6, seed=1).audit().rows
    found = {row.attack: row for row in rows if row.population == "all"}
    assert found[AttackId.WORST].verdict is not Verdict.FAIL
    assert found[AttackId.WORST].value <= found[AttackId.WORST].reference
    assert found[AttackId.KINSHIP_WITH_SYNTHETIC].verdict is Verdict.PASS
    # the second column of who is haploid is no neighbour of the first
    assert 0.2 < data.aats("T") < 0.8
    children = found[AttackId.KINSHIP_REPLAY_CHILDREN]
    assert (children.verdict, children.note) == (Verdict.NOT_RUN, "individuals are haploid")
    groups = {row.population for row in rows} - {"all"}
    mixed = {"POP, haploid", "POP, diploid"}
    assert {g for g in groups if "POP" in g} == (mixed if ploidy is Ploidy.X_LINKED else {"POP"})

    copies = replace(fresh, haplotypes=real.take_individuals(slice(n, None)).haplotypes)
    data = AuditData(individuals, [50], [20])
    data.add(copies, real, real.sites.cm)
    rows = Auditor(data, "synthetic", "generator", 199, 0.6, seed=1).audit().rows
    [worst] = [row for row in rows if row.attack is AttackId.WORST]
    assert worst.verdict is Verdict.FAIL
    assert worst.low > 0.6
