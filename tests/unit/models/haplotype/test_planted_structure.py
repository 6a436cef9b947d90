"""A planted structure is recovered: two founder groups, a known switch rate, and no seam at the
borders of blocks and windows.
"""

import numpy as np
import pytest

from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.transformer import TransformerGenerator
from genoloom.models.haplotype.transformer_network import windows
from genoloom.panel import ArrayHaplotypes
from genoloom.seeds import row_seeds
from genoloom.training.run import TrainingRun
from genoloom.training_config import TransformerOptions

N_SITES, FOUNDERS, SWITCH, BLOCK, CONTEXT = 256, 4, 0.02, 8, 12


def planted(rng, group):
    """Haplotypes (n_sites, n) of the founders of each group: on average five switches in each, but
    for those to the same founder.
    """
    founders = np.random.default_rng(0).integers(0, 2, (2, FOUNDERS, N_SITES))
    source = rng.integers(0, FOUNDERS, (len(group), N_SITES))
    begins = np.append(
        np.ones((len(group), 1), dtype=bool), rng.random((len(group), N_SITES - 1)) < SWITCH, axis=1
    )
    last = np.maximum.accumulate(np.where(begins, np.arange(N_SITES), 0), axis=1)
    copied = np.take_along_axis(source, last, axis=1)
    return founders, founders[group[:, None], copied, np.arange(N_SITES)].T.astype(np.int8)


def decoded(founders, alleles):
    """The likeliest founder of any group at each site (Viterbi), shape (n, n_sites)."""
    pool = founders.reshape(-1, N_SITES)
    stay, leave, right, wrong = (
        np.log(1 - SWITCH),
        np.log(SWITCH / (len(pool) - 1)),
        np.log(0.995),
        np.log(0.005),
    )
    emitted = np.where(pool[:, :, None] == alleles[None], right, wrong)  # (founders, n_sites, n)
    best, back = emitted[:, 0], []
    for v in range(1, N_SITES):
        jump = best.argmax(axis=0)
        jumped = best.max(axis=0) + leave
        back.append(np.where(best + stay >= jumped, np.arange(len(pool))[:, None], jump))
        best = np.maximum(best + stay, jumped) + emitted[:, v]
    path = [best.argmax(axis=0)]
    for step in reversed(back):
        path.append(np.take_along_axis(step, path[-1][None], axis=0)[0])
    return np.array(path[::-1]).T


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Founders, training haplotypes, samples, and the group of each of both."""
    group = np.arange(400) % 2
    founders, alleles = planted(np.random.default_rng(1), group)
    data = TrainingHaplotypes(
        ArrayHaplotypes(alleles),
        group,
        ["A", "B"],
        np.arange(N_SITES),
        np.arange(N_SITES) * 1e-3,
        np.arange(400) < 40,
    )
    options = TransformerOptions(
        steps=320,
        block_size=BLOCK,
        context=CONTEXT,
        vocabulary_size=64,
        width=32,
        layers=2,
        heads=4,
        batch=32,
        evaluate_every=160,
        patience=None,
    )
    generator = TransformerGenerator(options)
    generator.fit(
        data,
        TrainingRun(state_dir=tmp_path_factory.mktemp("planted"), digest="", seed=2, label="test"),
    )
    asked = np.arange(600) % 2
    made = np.concatenate(
        list(generator.sample(SampleRequest(asked, row_seeds(3, [str(i) for i in range(600)]))))
    )
    return founders, alleles, group, made, asked


def test_groups_and_switch_rate_are_recovered(samples):
    founders, alleles, group, made, asked = samples
    real, synthetic = decoded(founders, alleles), decoded(founders, made)
    pool = founders.reshape(-1, N_SITES)
    wrong = (pool[synthetic, np.arange(N_SITES)] != made.T).mean()
    assert wrong < 0.02
    assert (real // FOUNDERS == group[:, None]).mean() > 0.99
    assert (synthetic // FOUNDERS == asked[:, None]).mean() > 0.97
    rate = [(np.diff(path, axis=1) != 0).sum(axis=1).mean() for path in (real, synthetic)]
    # decoding sees nearly all
    assert rate[0] == pytest.approx((N_SITES - 1) * SWITCH * (FOUNDERS - 1) / FOUNDERS, rel=0.15)
    # a block holds few switches in 400 haplotypes
    assert rate[1] == pytest.approx(rate[0], rel=0.35)
    for g in (0, 1):  # all founders are used, as often as in training
        share = [
            np.bincount(p[i == g].ravel(), minlength=2 * FOUNDERS)
            for p, i in ((real, group), (synthetic, asked))
        ]
        share = [counts[g * FOUNDERS :][:FOUNDERS] for counts in share]
        np.testing.assert_allclose(share[1] / share[1].sum(), share[0] / share[0].sum(), atol=0.06)


def test_linkage_across_the_borders_of_blocks_and_windows_is_that_inside(samples):
    founders, alleles, group, made, asked = samples
    seams = [first * BLOCK for _, first, _ in windows(N_SITES // BLOCK, CONTEXT)][1:]
    borders = [edge for edge in range(BLOCK, N_SITES, BLOCK) if edge not in seams]
    inside = [v for v in range(1, N_SITES) if v % BLOCK]
    assert len(seams) >= 3

    varies = founders.min(axis=1) != founders.max(axis=1)  # (groups, n_sites)

    def linkage(haplotypes, labels, places):
        """Mean r2 within groups of the sites two before and one after each place (three apart) and
        its neighbours.
        """
        values = []
        for g in (0, 1):
            x = haplotypes[:, labels == g].astype(float)
            for v in places:
                for left, right in ((v - 1, v), (v - 2, v), (v - 1, v + 1), (v - 2, v + 1)):
                    if left >= 0 and right < N_SITES and varies[g, left] and varies[g, right]:
                        values.append(np.corrcoef(x[left], x[right])[0, 1] ** 2)
        return np.mean(values)

    kept = {
        name: linkage(made, asked, places) / linkage(alleles, group, places)
        for name, places in (("inside", inside), ("blocks", borders), ("windows", seams))
    }
    assert kept["inside"] == pytest.approx(1, abs=0.12)
    assert kept["blocks"] == pytest.approx(kept["inside"], abs=0.12)
    assert kept["windows"] == pytest.approx(kept["inside"], abs=0.15)
