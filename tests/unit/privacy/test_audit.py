"""The audit as a whole: planted leaks are caught, fresh individuals are not accused, nothing
private is public.
"""

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel

from genoloom.privacy.attack_ids import AttackId, Scored
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.auditor import DECILE, Auditor
from genoloom.privacy.copies import NEIGHBOURS, Neighbours, near_copies, one_sidedness
from genoloom.privacy.exposure import stacked, tail_probabilities
from genoloom.privacy.gate import privacy_reasons
from genoloom.privacy.measures import auc
from genoloom.privacy.rows import MIN_POPULATION, public_rows
from genoloom.privacy_config import ReleaseOptions
from genoloom.validation.cohorts import compare
from genoloom.validation.verdicts import Role

N = 60


@pytest.fixture(scope="module")
def population():
    alleles = founder_mosaic(800, 6 * N, np.random.default_rng(4), founders=400, switch=0.01)
    return alleles[:, : 2 * N], alleles[:, 2 * N :]


def measure(synthetic, real, populations=("POP",), n=N, model_scores=None, **more):
    panel, real_panel = make_panel(synthetic, populations), make_panel(real, populations)
    individuals = compare(
        panel.individuals, real_panel.individuals, ["holdout"] * n + ["train"] * n, 0, seed=1
    )
    data = AuditData(individuals, [50, 100], [20])
    data.add(panel, real_panel, real_panel.sites.cm)
    auditor = Auditor(data, "synthetic", "generator", 400, 0.6, seed=1, **more)
    found = auditor.audit(model_scores)
    return {row.name: row for row in found.rows if row.population == "all"}, found


def test_fresh_individuals_are_not_accused(population):
    fresh, real = population
    rows, found = measure(fresh, real)
    assert rows["worst"].verdict != "fail"
    assert rows["worst"].value < 0.6
    assert rows["worst"].low < 0.5
    assert rows["privacy loss (AATS)"].verdict == "pass"
    assert rows["longest shared run"].value == pytest.approx(1, abs=0.2)
    assert all(
        row.verdict == "pass" for name, row in rows.items() if name.startswith("near copies")
    )
    assert rows["worst"].tpr_at_1_percent_fpr <= rows["worst"].tpr_reference
    assert not [row for row in found.individuals if row.flagged]


def test_public_data_are_judged_by_chance_and_copies_are_caught_all_the_same():
    alleles = founder_mosaic(800, 6 * N, np.random.default_rng(5), founders=400, switch=0.01)
    fresh, real = alleles[:, : 2 * N], alleles[:, 2 * N :]
    fair, found = measure(fresh, real, public=True)
    plain, _ = measure(fresh, real)
    assert fair["worst"].value <= fair["worst"].reference
    assert (plain["worst"].verdict, fair["worst"].verdict) == ("weak", "pass")
    assert fair[AttackId.UNAVOIDABLE].value == 0.5
    assert privacy_reasons_of(found, public=True) == []
    assert privacy_reasons_of(found, public=False)
    copies, found = measure(real[:, 2 * N :], real, public=True)
    assert copies["worst"].verdict == "fail"
    assert privacy_reasons_of(found, public=True)


def privacy_reasons_of(found, public):
    """What the gate says of an audit, shadow models waived."""
    return privacy_reasons(found.rows, "synthetic", N, ReleaseOptions(shadow_models=False), public)


@pytest.mark.parametrize(("share", "flips"), [(1.0, 0.0), (1.0, 0.005), (0.5, 0.0), (0.2, 0.005)])
def test_planted_copies_are_caught(population, share, flips):
    fresh, real = population
    rng = np.random.default_rng(5)
    synthetic = fresh.copy()
    copied = 2 * int(share * N)
    synthetic[:, :copied] = real[:, 2 * N : 2 * N + copied] ^ (
        rng.random((len(real), copied)) < flips
    )
    rows, found = measure(synthetic, real)
    assert rows["worst"].verdict == "fail"
    assert rows["near copies of individuals"].verdict == "fail"
    flagged = {int(row.individual) for row in found.individuals if row.flagged}
    exposed = [int(row.individual) for row in found.individuals][: copied // 4]
    assert flagged <= set(range(N, N + copied // 2))  # nobody else is
    assert np.mean([N <= i < N + copied // 2 for i in exposed]) > 0.9
    if share == 1:
        assert rows["longest shared run"].verdict == "fail"
        assert rows["worst"].low > 0.8
        assert rows["kinship replay, children"].low > 0.6


def test_mosaics_are_caught_by_local_windows(population):
    _, real = population
    rng = np.random.default_rng(6)
    source = np.repeat(rng.integers(2 * N, 4 * N, (len(real) // 50, 2 * N)), 50, axis=0)
    rows, _ = measure(np.take_along_axis(real, source, axis=1), real)
    assert rows["nearest, windows of 50 sites"].value > rows["nearest"].value + 0.1
    assert rows["worst"].verdict == "fail"


def test_a_leak_of_the_holdout_does_not_accuse_the_training_individuals(population):
    _, real = population
    rows, _ = measure(real[:, : 2 * N], real)
    assert rows["worst"].value <= 0.5
    assert rows["nearest"].value < 0.1
    assert rows["privacy loss (AATS)"].value < 0
    assert rows["near copies of individuals"].value < 0


def test_one_copied_population_is_caught(population):
    fresh, real = population
    populations = ("A", "B", "C")
    synthetic = fresh.copy()
    for individual in range(0, N, 3):  # everybody of A
        synthetic[:, 2 * individual : 2 * individual + 2] = real[
            :, 2 * (N + individual) : 2 * (N + individual) + 2
        ]
    rows, found = measure(synthetic, real, populations)
    assert rows["worst"].verdict == "fail"
    assert rows["worst of populations"].verdict == "fail"
    by_population = {row.population: row for row in found.rows if row.name == AttackId.NEAREST}
    assert by_population["A"].value > 0.9 > 0.7 > by_population["B"].value


def collected(synthetic, real, populations):
    panel, real_panel = make_panel(synthetic, populations), make_panel(real, populations)
    individuals = compare(
        panel.individuals, real_panel.individuals, ["holdout"] * N + ["train"] * N, 0, seed=1
    )
    data = AuditData(individuals, [50], [20])
    data.add(panel, real_panel, real_panel.sites.cm)
    return data


def test_exchanged_roles_are_those_of_another_audit(population):
    fresh, real = (alleles[:100] for alleles in population)
    data = collected(fresh, real, ("A", "B"))
    found = data.exchanged(np.random.default_rng(3))
    order = found.individuals.real_individuals
    assert sorted(order) == sorted(data.individuals.real_individuals)
    assert (order % 2 == data.individuals.real_individuals % 2).all()  # A and B alternate
    assert not np.array_equal(order, data.individuals.real_individuals)
    anew = collected(
        fresh, real[:, np.stack([2 * order, 2 * order + 1], axis=1).ravel()], ("A", "B")
    )
    for attack, scores in anew.scores(1).items():
        np.testing.assert_allclose(found.scores(1)[attack], scores, err_msg=attack)


def test_a_population_is_accused_alone_only_beyond_exchanged_roles(population, monkeypatch):
    monkeypatch.setattr("genoloom.privacy.auditor.RARE_LEVEL", 0.9)  # nine exchanges
    fresh, real = (alleles[:100] for alleles in population)
    synthetic = fresh.copy()
    columns = np.flatnonzero(np.arange(2 * N) // 2 % 2 == 0)
    synthetic[:, columns] = real[:, 2 * N + columns]  # everybody of A
    for alleles, inside in ((fresh, "A"), (synthetic, "A")):
        auditor = Auditor(
            collected(alleles, real, ("A", "B")), "x", Role.GENERATOR, 200, 0.6, seed=1
        )
        mask = auditor.groups()[inside]
        # as if chance had been underrated: no spread of resampled or relabelled individuals
        value, resampled, shuffled = auditor.resampling.aucs(auditor.odds, mask)
        found = {
            Scored(AttackId.STACKED): [
                (max(value, 0.65), 0 * resampled + max(value, 0.65), 0 * shuffled + 0.5)
            ]
        }
        assert auditor._worst_population_row(found, alone=False).verdict == "fail"
        row = auditor._worst_population_row(found, alone=True)
        assert row.verdict == ("pass" if alleles is fresh else "fail")
        shadows = {Scored(AttackId.SHADOWS): found[Scored(AttackId.STACKED)]} | found
        assert auditor._worst_population_row(shadows, alone=True).verdict == "fail"


def test_copied_rare_alleles_are_caught(population):
    fresh, real = population
    rare = np.minimum(real.sum(axis=1), 4 * N - real.sum(axis=1)) <= 5
    minor = (real.sum(axis=1) < 2 * N).astype(np.int8)[rare, None]
    synthetic = fresh.copy()
    synthetic[rare] = np.where(real[rare][:, 2 * N :] == minor, minor, fresh[rare])
    rows, _ = measure(synthetic, real)
    assert rows["rare alleles"].value > rows["rare alleles"].reference
    assert rows["near copies of rare alleles"].verdict == "fail"
    assert rows["worst"].verdict == "fail"


def test_fresh_individuals_are_not_accused_at_sites_that_training_individuals_chose():
    """Training individuals carry the rare alleles of such sites more often, whatever was
    generated.
    """
    rng = np.random.default_rng(7)
    alleles = (rng.random((3000, 6 * N)) < rng.uniform(0.002, 0.03, (3000, 1))).astype(np.int8)
    fresh, real = alleles[:, : 2 * N], alleles[:, 2 * N :]
    trained = real[:, 2 * N :].sum(axis=1)
    chosen = np.minimum(trained, 2 * N - trained) >= 2
    rows, _ = measure(fresh[chosen], real[chosen])
    near = rows["near copies of rare alleles"]
    assert near.verdict == "pass", near


def test_public_rows_hold_groups_only(population):
    fresh, real = population
    # ten of A, ten of B, forty of C
    _, found = measure(fresh, real, ("A", "B", "C", "C", "C", "C"))
    assert {row.population for row in public_rows(found.rows)} == {"all", "C"}
    assert all(row.n >= MIN_POPULATION for row in public_rows(found.rows))
    assert {row.population for row in found.rows} == {"all", "C", DECILE}
    assert {row.role for row in found.individuals} == {"holdout", "train"}
    assert len(found.individuals) == 2 * N


def test_without_phase_what_needs_it_is_not_run(population):
    fresh, real = population
    rows, _ = measure(fresh, real, phased=False)
    for name in (
        "haplotype frequencies, windows of 20 sites",
        "masked locus",
        "longest copied segment",
        "longest shared run",
        "near copies of haplotypes",
    ):
        assert rows[name].verdict == "not run", name
        assert np.isnan(rows[name].value)
    assert rows["worst"].verdict in ("not run", "weak")
    copied, _ = measure(real[:, 2 * N :], real, phased=False)
    assert copied["worst"].verdict == "fail"


def test_what_needs_the_model_does_not_count_for_the_data(population):
    fresh, real = population
    likelihood = np.where(np.arange(2 * N) >= N, 1.0, 0.0)
    likelihood[[0, N]] = np.nan
    rows, _ = measure(fresh, real, model_scores={AttackId.GENERATOR_LIKELIHOOD: likelihood})
    assert rows[AttackId.GENERATOR_LIKELIHOOD].value == 1
    assert rows[AttackId.GENERATOR_LIKELIHOOD].n == N - 1
    assert rows["worst"].value < 0.6


def test_relatives_of_training_individuals_are_tried(population):
    fresh, real = population
    synthetic, relatives = fresh.copy(), np.arange(N) < 25
    synthetic[:, :50] = real[
        :, :50
    ]  # as if the children of training individuals stood in the holdout
    rows, _ = measure(synthetic, real, relatives=relatives)
    assert rows["kinship replay, relatives"].value > 0.9
    assert rows["kinship replay, relatives"].n == 25
    rows, _ = measure(fresh, real)
    assert "kinship replay, relatives" not in rows


@pytest.mark.parametrize("n", [2, 3, 6])
@pytest.mark.parametrize("collapsed", [False, True])
def test_few_individuals_and_collapsed_data_are_judged_too(population, n, collapsed):
    fresh, real = population
    synthetic = np.repeat(fresh[:, :1], 2 * n, axis=1) if collapsed else fresh[:, : 2 * n]
    rows, found = measure(synthetic, real[:, : 4 * n], n=n)
    assert rows.pop(AttackId.SHADOWS).verdict == "not run"
    assert np.isfinite([row.value for row in rows.values()]).all()
    # so few individuals never show that anything is safe
    assert rows["worst"].verdict in ("weak", "fail")
    assert public_rows(found.rows) == []
    assert len(found.individuals) == 2 * n


def test_near_copies_closed_form():
    """Seven synthetic rows on training rows: the one-sidedness is the root of seven."""
    rng = np.random.default_rng(1)
    distance = rng.uniform(10, 11, (80, 40))
    member = np.arange(80) >= 40
    for i in range(7):
        distance[40 + i, i] = 0.1
    neighbours = Neighbours.of(np.log(distance), 1)
    difference = neighbours.nearer_to_members(member[None])
    nearest = np.log(distance[:40].min(axis=0)) - np.log(distance[40:].min(axis=0))
    np.testing.assert_allclose(difference[0], nearest)
    assert one_sidedness(difference)[0] >= np.sqrt(6)
    shuffled = np.array([rng.permutation(member) for _ in range(999)])
    test = near_copies(neighbours, member, shuffled)
    assert test.chance <= 0.02
    assert test.least_chance <= 0.005
    assert near_copies(neighbours, ~member, shuffled).chance > 0.5  # the others are not accused
    assert test.reference > 1


def test_kept_neighbours_of_one_kind_bound_the_other():
    distance = np.log(np.arange(1.0, 41)[:, None] * np.ones((1, 3)))
    member = np.arange(40) < 30
    found = Neighbours.of(distance, 1).nearer_to_members(member[None])
    np.testing.assert_allclose(found[0], np.log(NEIGHBOURS))


def test_tails_of_exponential_scores():
    rng = np.random.default_rng(2)
    others = rng.exponential(size=4000)
    far = np.array([0.5, 3.0, 6.0, 9.0])
    np.testing.assert_allclose(np.log(tail_probabilities(far, others)), -far, atol=0.6)
    assert tail_probabilities(others, others).min() > 1e-5
    assert tail_probabilities(np.array([5.0]), np.ones(50))[0] == pytest.approx(1 / 50)


def test_the_stacked_attacker_adds_up_weak_scores():
    rng = np.random.default_rng(3)
    member, population = np.arange(400) >= 200, np.tile(["A", "B"], 200)
    scores = (
        rng.standard_normal((400, 8)) + 0.4 * member[:, None] + 3 * (population == "B")[:, None]
    )
    odds = stacked(scores, population, member, 1)
    best = max(auc(s[200:], s[:200]) for s in scores.T)
    assert auc(odds[200:], odds[:200]) > best + 0.1
    empty = stacked(rng.standard_normal((400, 8)), population, member, 1)
    assert 0.38 < auc(empty[200:], empty[:200]) < 0.62
