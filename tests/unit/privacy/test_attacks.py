"""Scores of the attacks against loops and other libraries; without a leak they favour nobody."""

import numpy as np
import pytest
from helpers import founder_mosaic
from sklearn.decomposition import PCA

from genoloom.popgen.distances import hamming
from genoloom.privacy.attack_ids import AttackId, Scored
from genoloom.privacy.attacks import (
    RAREST,
    Block,
    FrequencyRatio,
    HaplotypeRatio,
    Kinship,
    MaskedLocus,
    Nearest,
    NearestNeighbours,
    RareAlleles,
    attacks_on,
    own_reference,
    per_individual,
)
from genoloom.privacy.components import density_ratio, discriminator, synthetic_components
from genoloom.privacy.measures import auc
from genoloom.privacy.similarity import CommonDistances, RareSharing, SharedSegments

N = 6  # individuals a role


def blocks_of(synthetic, real, step=20, cm=None):
    n = synthetic.shape[1]
    cm = np.arange(len(synthetic)) / 100 if cm is None else cm
    for start in range(0, len(synthetic), step):
        m, r = synthetic[start : start + step], real[start : start + step]
        yield Block(m, r, hamming(r, m), hamming(r, r[:, :n]), cm[start : start + step])


def run(attack, synthetic, real, step=20):
    for block in blocks_of(synthetic, real, step):
        attack.add(block)
    attack.end_contig()
    return attack.scores()


@pytest.fixture(scope="module")
def data():
    alleles = founder_mosaic(120, 6 * N, np.random.default_rng(3), founders=12, switch=0.05)
    alleles ^= (np.random.default_rng(4).random(alleles.shape) < 0.02).astype(np.int8)
    return alleles[:, : 2 * N], alleles[:, 2 * N :]


def reference_without(real, h):
    """The held-out haplotypes without the individual whose place haplotype `h` has among held-out
    or training individuals.
    """
    individual = h // 2 % N
    return np.delete(real[:, : 2 * N], [2 * individual, 2 * individual + 1], axis=1)


def test_local_scores_are_a_loop():
    rng = np.random.default_rng(2)
    # seven steps of ten sites; windows of 20: the last one short
    distances = rng.integers(0, 9, (7, 4, 3)).astype(np.float32)
    attack = NearestNeighbours(4, 3, [10, 20])
    for step in distances[:6]:
        attack.add(step, 10)
    attack.add(distances[6], 5)
    attack.end_contig()
    nearest = attack.nearest()
    np.testing.assert_allclose(nearest[0], distances.sum(axis=0).min(axis=1))
    np.testing.assert_allclose(nearest[10], distances.min(axis=2).sum(axis=0))
    pairs = [distances[0:2], distances[2:4], distances[4:6], distances[6:]]
    np.testing.assert_allclose(nearest[20], sum(p.sum(axis=0).min(axis=1) for p in pairs))


def test_individual_scores_add_both_haplotypes():
    assert per_individual(np.array([1.0, 2, 3, 4])).tolist() == [3, 7]


def test_nobody_is_compared_with_himself(data):
    synthetic, real = data
    scores = run(Nearest(N, [40]), synthetic, real)[Scored(AttackId.NEAREST_AGAINST_REFERENCE)]
    for h in range(4 * N):
        to_reference = (reference_without(real, h) != real[:, h : h + 1]).sum(axis=0).min()
        to_synthetic = (synthetic != real[:, h : h + 1]).sum(axis=0).min()
        assert scores[h] == pytest.approx(np.log((to_reference + 1) / (to_synthetic + 1)))
    assert own_reference(N).sum(axis=1).tolist() == [2] * 4 * N


def test_frequency_ratio_is_a_loop(data):
    synthetic, real = data
    [scores] = run(FrequencyRatio(N), synthetic, real).values()
    for h in range(4 * N):
        p = (synthetic.sum(axis=1) + 0.5) / (2 * N + 1)
        q = (reference_without(real, h).sum(axis=1) + 0.5) / (2 * N - 2 + 1)
        x = real[:, h]
        assert scores[h] == pytest.approx(
            (x * np.log(p / q) + (1 - x) * np.log((1 - p) / (1 - q))).sum()
        )


def test_rare_alleles_are_a_loop(data):
    synthetic, real = data
    [scores] = run(RareAlleles(N), synthetic, real).values()
    carried, present = np.zeros((4 * N, RAREST + 1)), np.zeros((4 * N, RAREST + 1))
    for h in range(4 * N):
        for v in range(len(real)):
            copies = (reference_without(real, h)[v] == real[v, h]).sum()
            if copies <= RAREST:
                carried[h, copies] += 1
                present[h, copies] += (synthetic[v] == real[v, h]).any()
    weight = -np.log((np.arange(RAREST + 1) + 0.5) / (2 * N - 2 + 1))
    np.testing.assert_allclose(
        scores, (present - carried * (present.sum(axis=0) / carried.sum(axis=0))) @ weight
    )


def test_common_distances_are_a_loop(data):
    synthetic, real = data
    distances = CommonDistances(N)
    for block in blocks_of(synthetic, real):
        distances.add(block)
    p = real.mean(axis=1)
    weight = 4 * p * (1 - p)
    haplotypes = [
        [weight @ (real[:, i] != synthetic[:, j]) for j in range(2 * N)] for i in range(4 * N)
    ]
    np.testing.assert_allclose(distances.haplotypes, haplotypes, atol=1e-3)
    x, y = (a[:, 0::2].astype(int) + a[:, 1::2] for a in (real, synthetic))
    individuals = [[weight @ (x[:, i] - y[:, j]) ** 2 for j in range(N)] for i in range(2 * N)]
    np.testing.assert_allclose(distances.individuals, individuals, atol=1e-3)


@pytest.mark.parametrize("fewest", [1, 2])
def test_rare_sharing_is_a_loop(data, fewest):
    synthetic, real = data
    sharing = RareSharing(N)
    sharing.fewest = fewest
    for block in blocks_of(synthetic, real):
        sharing.add(block)
    expected = np.zeros((2 * N, N))
    for v in range(len(real)):
        for allele in (0, 1):
            holdout, trained = (
                (real[v, half] == allele).sum() for half in (slice(0, 2 * N), slice(2 * N, None))
            )
            copies = holdout + trained
            if min(holdout, trained) >= fewest and copies <= RAREST * fewest:
                carriers, makers = (
                    (a[v] == allele).reshape(-1, 2).any(axis=1) for a in (real, synthetic)
                )
                expected += -np.log(copies / (4 * N)) * np.outer(carriers, makers)
    assert expected.any()
    np.testing.assert_allclose(sharing.shared, expected, rtol=1e-5)


def test_rare_sharing_without_a_choice_of_sites_counts_what_one_role_alone_has(data):
    synthetic, real = data
    sharing = RareSharing(N)
    sharing.fewest = 0
    for block in blocks_of(synthetic, real):
        sharing.add(block)
    carried = np.zeros(2 * N)
    for row in real:
        for allele in (0, 1):
            copies = (row == allele).sum()
            if 1 <= copies <= RAREST:
                carried += -np.log(copies / (4 * N)) * (row == allele).reshape(-1, 2).any(axis=1)
    np.testing.assert_allclose(sharing.carried, carried, rtol=1e-5)
    assert (sharing.share() < 1).all()


def test_shared_segments_are_a_loop(data):
    synthetic, real = data
    shared = SharedSegments(N)
    blocks = list(blocks_of(synthetic, real))
    for block in blocks:
        shared.add(block)
    everybody = np.concatenate([synthetic, real], axis=1)
    apart = [(i, j) for i in range(2 * N, 6 * N) for j in range(2 * N, 6 * N) if i // 2 != j // 2]
    for i, j in ((0, 2 * N), (3, 4 * N + 1), (1, 2), (2 * N + 4, 5 * N)):
        start, total, best = 0, 0.0, 0.0
        for block in blocks:
            rows = everybody[start : start + len(block.synthetic)]
            start += len(rows)
            distances = np.array([(rows[:, a] != rows[:, b]).sum() for a, b in apart])

            def information(d, distances=distances):
                return -np.log(max((distances <= d).sum(), 0.5) / len(distances))

            total = max(
                0.0, total + information((rows[:, i] != rows[:, j]).sum()) - 0.9 * information(1)
            )
            best = max(best, total)
        assert shared.best[i, j] == pytest.approx(best, abs=1e-4)
    a, b = shared.best[0:2, 2 * N : 2 * N + 2], shared.of_individuals()[0, N]
    assert b == pytest.approx(max(a[0, 0] + a[1, 1], a[0, 1] + a[1, 0]))


def test_haplotype_ratio_is_a_loop(data):
    synthetic, real = data
    [scores] = run(HaplotypeRatio(N, 15), synthetic, real, step=30).values()
    for h in (0, 7, 2 * N, 4 * N - 1):
        total = 0.0
        for start in range(0, len(real), 15):
            own = real[start : start + 15, h : h + 1]
            count = [
                (own == a[start : start + 15]).all(axis=0).sum() + 0.5
                for a in (synthetic, reference_without(real, h))
            ]
            total += np.log(count[0] / (2 * N)) - np.log(count[1] / (2 * N - 2))
        assert scores[h] == pytest.approx(total)


def test_masked_locus_is_a_loop(data):
    synthetic, real = data
    [scores] = run(MaskedLocus(N), synthetic, real, step=30).values()
    expected = np.zeros(4 * N)
    for start in range(0, len(real), 30):
        m, r = synthetic[start : start + 30], real[start : start + 30]
        frequency = m.mean(axis=1)
        common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= 0.05)
        site = min(common, key=lambda v: abs(v - 15))
        flanks = np.arange(30) != site
        for h in range(4 * N):
            for sign, alleles in ((1, m), (-1, reference_without(r, h))):
                distance = (alleles[flanks] != r[flanks, h : h + 1]).sum(axis=0)
                expected[h] += (
                    sign * (alleles[site, distance == distance.min()] == r[site, h]).mean()
                )
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_kinship_is_that_of_king(data):
    synthetic, real = data
    [scores] = run(Kinship(N), synthetic, real).values()
    x, y = (a[:, 0::2] + a[:, 1::2] for a in (real, synthetic))
    for i in range(2 * N):
        best = -np.inf
        for j in range(N):
            a, b = x[:, i], y[:, j]
            both, opposite = ((a == 1) & (b == 1)).sum(), (abs(a - b) == 2).sum()
            fewer, more = sorted([(a == 1).sum(), (b == 1).sum()])
            # Manichaikul 2010, equation 11
            best = max(
                best, (both - 2 * opposite) / (2 * fewer) + 0.5 - 0.25 * (fewer + more) / fewer
            )
        assert scores[i] == pytest.approx(best)
    copied = synthetic.copy()
    copied[:, :2] = real[:, 4:6]
    assert run(Kinship(N), copied, real)[Scored(AttackId.KINSHIP)][2] == pytest.approx(0.5)


def test_components_are_those_of_scikit_learn(data):
    synthetic, real = data
    ours_synthetic, ours_real = synthetic_components(
        hamming(synthetic, synthetic), hamming(real, synthetic), 3, 1
    )
    pca = PCA(3, whiten=True).fit(synthetic.T)
    scale = np.sqrt((2 * N - 1) / (2 * N))  # scikit-learn divides by n - 1
    for ours, theirs in (
        (ours_synthetic, pca.transform(synthetic.T)),
        (ours_real, pca.transform(real.T)),
    ):
        np.testing.assert_allclose(np.abs(ours), np.abs(theirs) / scale, atol=1e-4)


def test_density_ratio_is_a_loop():
    rng = np.random.default_rng(7)
    synthetic, real = rng.standard_normal((2 * N, 2)), rng.standard_normal((4 * N, 2))
    scores = density_ratio(synthetic, real)
    width = (2 * N) ** (-1 / 6)
    for h in range(4 * N):
        own = 2 * (h // 2 % N)
        rest = np.delete(real[: 2 * N], [own, own + 1], axis=0)
        density = [
            np.exp(-0.5 * ((p - real[h]) ** 2).sum(axis=1) / width**2).mean()
            for p in (synthetic, rest)
        ]
        assert scores[h] == pytest.approx(np.log(density[0] / density[1]), abs=1e-6)


def test_no_attack_accuses_fresh_individuals():
    """The mean over many data sets is one half: held-out individuals have no advantage from being
    the reference.
    """
    n, means = 20, {}
    for seed in range(16):
        rng = np.random.default_rng(seed)
        alleles = founder_mosaic(200, 6 * n, rng, founders=60, switch=0.02)
        synthetic, real = alleles[:, : 2 * n], alleles[:, 2 * n :]
        attacks = attacks_on(n, [50, 100], [20])
        for block in blocks_of(synthetic, real, 50):
            for attack in attacks:
                attack.add(block)
        found = {}
        for attack in attacks:
            attack.end_contig()
            found |= attack.scores()
        parts = synthetic_components(
            hamming(synthetic, synthetic), hamming(real, synthetic), 8, seed
        )
        found["density"], found["discriminator"] = density_ratio(*parts), discriminator(*parts, rng)
        for name, scores in found.items():
            scores = per_individual(scores) if len(scores) == 4 * n else scores
            means.setdefault(name, []).append(auc(scores[n:], scores[:n]))
    for name, values in means.items():
        # the standard error of one is 0.09
        assert abs(np.mean(values) - 0.5) < 3 * 0.093 / np.sqrt(len(values)), name


def test_copies_are_seen_by_every_attack():
    n = 20
    alleles = founder_mosaic(300, 6 * n, np.random.default_rng(9), founders=200, switch=0.05)
    synthetic, real = alleles[:, : 2 * n].copy(), alleles[:, 2 * n :]
    synthetic[:] = real[:, 2 * n :]
    for attack in attacks_on(n, [50, 100], [20]):
        for name, scores in run(attack, synthetic, real, 50).items():
            scores = per_individual(scores) if len(scores) == 4 * n else scores
            assert auc(scores[n:], scores[:n]) > 0.75, name
