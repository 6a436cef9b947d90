"""The network over templates against brute force: listing all haplotypes, counting by hand, direct
likelihoods.
"""

import itertools

import numpy as np
import pytest

from genoloom.errors import Interrupted
from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.copying_features import OF_HEAD, OF_OWN, OF_PART, PARTED
from genoloom.models.haplotype.copying_kernels import FORGET, HEADS, MATCHES
from genoloom.models.haplotype.copying_network import CopyingNetworkGenerator
from genoloom.models.haplotype.copying_state import CopyingState
from genoloom.models.haplotype.templates import OWN_SHARE, TemplatePanel, read_bits, unpack_bits
from genoloom.panel import ArrayHaplotypes, HaplotypeView
from genoloom.seeds import row_seeds
from genoloom.training.run import TrainingRun
from genoloom.training_config import CopyingNetworkOptions


def copies_with_mutations(n_variants, n_individuals, seed=1, missing=0.0, mutations=0.03):
    """Individuals of two populations whose haplotypes copy four founders each, with mutations."""
    rng = np.random.default_rng(seed)
    founders = rng.integers(0, 2, (2, 4, n_variants))
    population = np.repeat(np.arange(n_individuals) % 2, 2)
    alleles = founders[population, rng.integers(0, 4, 2 * n_individuals)] ^ (
        rng.random((2 * n_individuals, n_variants)) < mutations
    )
    alleles = np.where(rng.random(alleles.shape) < missing, -1, alleles).astype(np.int8)
    return TrainingHaplotypes(
        haplotypes=ArrayHaplotypes(np.ascontiguousarray(alleles.T)),
        population=population,
        population_names=["A", "B"],
        position=np.arange(n_variants) * 100 + 1,
        map_cm=np.arange(n_variants) * 1e-4,
        validation=np.repeat(np.arange(n_individuals) < n_individuals // 5, 2),
    )


def fit(data, state_dir, **options):
    given = {
        "block_size": 4,
        "width": 8,
        "steps": 30,
        "evaluate_every": 10,
        "temperature": 1.0,
        "anchor": False,
    }
    generator = CopyingNetworkGenerator(CopyingNetworkOptions(**given | options))
    run = TrainingRun(state_dir=state_dir, digest="d", seed=3, label="test")
    generator.fit(data, run)
    return generator, run


def source(rows):
    return ArrayHaplotypes(np.ascontiguousarray(np.asarray(rows, dtype=np.int8).T))


def wanted(names, population=0):
    return SampleRequest(np.full(len(names), population), row_seeds(7, names, "20"))


def draw(generator, request):
    return np.concatenate(list(generator.sample(request)))


@pytest.fixture(scope="module", params=[4, 5])
def eleven_sites(tmp_path_factory, request):
    """Three blocks, the last not full; many mutations, so that all haplotypes matter."""
    data = copies_with_mutations(11, 40, mutations=0.15)
    return fit(
        data, tmp_path_factory.mktemp("eleven"), block_size=request.param, min_token_carriers=3
    )[0]


@pytest.fixture(scope="module")
def everything():
    return np.array(list(itertools.product([0, 1], repeat=11)), dtype=np.int8)


@pytest.mark.parametrize("population", [0, 1, -1])
def test_likelihood_sums_to_one_over_all_haplotypes(eleven_sites, everything, population):
    chance = np.exp(
        eleven_sites.log_likelihood(source(everything), np.full(len(everything), population))
    )
    assert chance.sum() == pytest.approx(1, abs=1e-6)


def test_missing_calls_of_the_last_block_are_summed_over(eleven_sites, everything):
    chance = np.exp(
        eleven_sites.log_likelihood(source(everything), np.zeros(len(everything), dtype=int))
    )
    row = everything[1234].copy()
    row[10] = -1
    agrees = (everything[:, :10] == row[:10]).all(axis=1)
    assert np.exp(
        eleven_sites.log_likelihood(source([row]), np.zeros(1, dtype=int))
    ) == pytest.approx(chance[agrees].sum())


def test_draws_follow_the_likelihood(eleven_sites, everything, monkeypatch):
    monkeypatch.setattr(eleven_sites, "recombination", 0.0)  # draws have none within a block
    probability = np.exp(
        eleven_sites.log_likelihood(source(everything), np.zeros(len(everything), dtype=int))
    )
    n = 12_000
    drawn = draw(eleven_sites, wanted([str(i) for i in range(n)]))
    observed = np.bincount((1 << np.arange(10, -1, -1)) @ drawn, minlength=len(everything))
    frequent = n * probability > 5
    pooled = np.append(observed[frequent], observed[~frequent].sum())
    expected = n * np.append(probability[frequent], probability[~frequent].sum())
    assert frequent.sum() > 200
    assert ((pooled - expected) ** 2 / expected).sum() < len(pooled) + 4 * np.sqrt(2 * len(pooled))


@pytest.mark.parametrize(
    ("n_variants", "L", "n_individuals", "mutations", "least"),
    [(22, 4, 20, 0.1, 1), (28, 5, 20, 0.1, 3), (212, 2, 6, 0.002, 1)],
)
def test_counts_and_weights_leave_the_own_individual_out(
    n_variants, L, n_individuals, mutations, least
):
    """Every feature of every row, recounted in plain loops over the templates of others."""
    data = copies_with_mutations(n_variants, n_individuals, mutations=mutations)
    rows = data.haplotypes.alleles.T
    panel, order = TemplatePanel.collect(
        data.haplotypes,
        data.population,
        2,
        block=L,
        vocabulary_size=5,
        carriers=2,
        match_carriers=least,
    )
    place = np.argsort(order)
    state = CopyingState(panel, data.population, place.reshape(-1, 2).repeat(2, axis=0))
    bits, called = read_bits(data.haplotypes, L, 0, panel.n_blocks)
    n = len(rows)
    other = np.arange(n)[:, None] // 2 != np.arange(n) // 2  # (n, n): row, template
    same = data.population[:, None] == data.population
    prior = (1 - OWN_SHARE) / n + OWN_SHARE * same / same.sum(axis=1, keepdims=True)
    weights = [prior * other for _ in HEADS]
    padded = np.zeros((n, panel.n_blocks * L), dtype=int)
    padded[:, :n_variants] = rows

    def counted(number):
        return np.log1p(np.where(number < least, 0, number))

    def weight(feature):
        return np.exp(feature - 7) - 1e-6

    G, log_probability = len(MATCHES), np.zeros((2, len(HEADS), n))
    quarters = np.array_split(np.arange(L), [L // 4, L // 2, 3 * L // 4])
    parts = [np.concatenate(quarters[:i]) for i in (1, 2, 3)]
    parts += [np.concatenate(quarters[:i] + quarters[i + 1 :]) for i in range(4)]
    for k in range(panel.n_blocks):
        table = state.table
        # (n, C), templates in the rows' order
        has = np.stack([table.index[place] == c for c in range(table.n_tokens)], axis=1)
        differs = padded[:, None, : k * L] != padded[None, :, : k * L]
        match = (
            np.where(differs.any(-1), differs[..., ::-1].argmax(-1), k * L)
            if k
            else np.zeros((n, n), int)
        )
        f, h, others = state.features()
        for g, length in enumerate(MATCHES):
            for kind, among in enumerate((other, other & same)):
                equal = (among & (match >= length * L)).astype(int)
                np.testing.assert_allclose(
                    f[:, :, kind * len(MATCHES) + g], counted(equal @ has), rtol=1e-6
                )
                np.testing.assert_allclose(
                    h[:, kind * len(MATCHES) + g], counted(equal.sum(axis=1)), rtol=1e-6
                )
        np.testing.assert_array_equal(others, other.astype(int) @ has)
        for s, w in enumerate(weights):
            np.testing.assert_allclose(weight(f[:, :, OF_HEAD + s]), w @ has, atol=2e-6)
            np.testing.assert_allclose(weight(f[:, :, OF_OWN + s]), (w * same) @ has, atol=2e-6)
            for z in range(2):
                np.testing.assert_allclose(
                    h[:, 2 * G + z * len(HEADS) + s], log_probability[z, s], atol=2e-5
                )
        token, block = (unpack_bits(x, L).astype(bool) for x in (table.ids, bits[k]))
        for i, part in enumerate(parts):
            alike = (token[: table.n_tokens, None, part] == block[None, :, part]).all(-1)  # (C, n)
            found = weight(f[:, :, OF_PART + i])
            np.testing.assert_allclose(found, weights[PARTED] @ alike.T, atol=2e-6)
        here = slice(k * L, (k + 1) * L)
        apart = (padded[:, None, here] != padded[None, :, here]).sum(-1)
        for s, (rate, mutation) in enumerate(HEADS):
            told = weights[s] * mutation ** apart.astype(float)
            log_probability[0, s] = np.log(told.sum(axis=1))
            log_probability[1, s] += FORGET * (log_probability[0, s] - log_probability[1, s])
            weights[s] = (
                (1 - rate) * told / told.sum(axis=1, keepdims=True) + rate * prior
            ) * other
        state.advance(bits[k], called[k])


def test_a_missing_call_is_read_as_what_fits_best():
    """What templates say after a block with a missing call is what they say after its likeliest
    version, as far as matches go.
    """
    data = copies_with_mutations(24, 20, mutations=0.01)
    panel, _ = TemplatePanel.collect(
        data.haplotypes, data.population, 2, block=4, vocabulary_size=8, carriers=1
    )
    bits, called = read_bits(data.haplotypes, 4, 0, panel.n_blocks)
    told, half = (CopyingState(panel, data.population) for _ in range(2))
    for k in range(panel.n_blocks - 1):
        told.advance(bits[k], called[k])
        seen = called[k] & np.uint32(0b1110 if k == 4 else 0b1111)
        half.advance(bits[k] & seen, seen)
    found, whole = (state.features()[1][:, : 2 * len(MATCHES)] for state in (half, told))
    assert (found == whole).all(axis=1).mean() > 0.8


def test_figures_of_a_block_are_of_all_templates():
    """Tokens, templates without one, entropy, and changes between neighbours in order."""
    alleles = np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0], [0, 1, 1, 0, 1, 1]], dtype=np.int8)
    of_blocks = {"block": 2, "vocabulary_size": 8, "carriers": 2}
    panel, _ = TemplatePanel.collect(
        ArrayHaplotypes(alleles), np.zeros(6, dtype=int), 1, **of_blocks
    )
    table = CopyingState(panel, np.zeros(1, dtype=int)).tables.table
    # 00 three times, and 01, 11 and 10 once: one token; in the order of the file three changes
    expected = [np.log(1), np.log(4), np.log(2) / 2, np.log(4), np.log(4)]
    np.testing.assert_allclose(table(0).about, expected, rtol=1e-6)
    # read backwards the order is 0 1 2 | 5 (10) | 3 (01) | 4: 0 1 1, 1, 0, 1
    np.testing.assert_allclose(np.exp(table(1).about[3:]), 4, rtol=1e-6)


def test_mutations_leave_the_own_individual_out():
    """A block that one individual alone has is no reason to mutate, for that individual's rows."""
    alleles = np.zeros((4, 12), dtype=np.int8)
    alleles[1, 2] = 1
    panel, _ = TemplatePanel.collect(
        ArrayHaplotypes(alleles), np.zeros(12, dtype=int), 1, block=4, vocabulary_size=8, carriers=2
    )
    one = np.array([0b0010] * 2, dtype=np.uint32)
    state = CopyingState(panel, np.zeros(2, dtype=int), np.array([[2, 3], [-1, -1]]))
    chance = state.chances(one, np.full(2, 15, dtype=np.uint32))[:, 0]
    spare = 0.2 / 12
    assert chance[0] == pytest.approx(0.2 / 10 * (1 - 0.2 / 10) ** 3)
    assert chance[1] == pytest.approx(1.2 / 12 * (1 - spare) ** 3)


def test_blocks_of_two_tokens_against_all_pairs_of_tokens():
    data = copies_with_mutations(12, 30)
    panel, _ = TemplatePanel.collect(
        data.haplotypes, data.population, 2, block=4, vocabulary_size=8, carriers=2
    )
    population = data.population[:6]
    state, rng = CopyingState(panel, population), np.random.default_rng(1)
    pi = rng.dirichlet(np.ones(state.table.n_tokens), 6)
    bits, called = rng.integers(0, 16, (2, 6)).astype(np.uint32)
    found = state.mixed_chances(pi, bits, called, 0.3)
    whole = (pi * state.chances(bits, called)).sum(axis=1)
    np.testing.assert_allclose(found[:, 0], 0.7 * whole)
    for site in (1, 2, 3):
        before = np.uint32((1 << site) - 1)
        parts = [state.chances(bits, called & mask) for mask in (before, ~before)]
        pairs = np.einsum("nc,nd,nc,nd->n", pi, pi, *parts)
        np.testing.assert_allclose(found[:, site], 0.1 * pairs)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """45 sites with missing calls and anchors."""
    data = copies_with_mutations(45, 60, missing=0.02)
    return data, fit(data, tmp_path_factory.mktemp("whole"), anchor=True, temperature=None)[0]


def test_the_same_haplotype_in_any_company_and_from_the_file(whole):
    _, generator = whole
    names = [f"p{i}" for i in range(37)]
    population = np.arange(37) % 2
    together = draw(generator, SampleRequest(population, row_seeds(7, names, "20")))
    assert together.dtype == np.int8
    chosen = np.array([30, 3, 17])
    request = SampleRequest(population[chosen], row_seeds(7, [names[i] for i in chosen], "20"))
    np.testing.assert_array_equal(draw(generator, request), together[:, chosen])
    again = CopyingNetworkGenerator.from_state(*generator.state())
    np.testing.assert_array_equal(draw(again, request), together[:, chosen])
    np.testing.assert_array_equal(
        again.log_likelihood(ArrayHaplotypes(together), population),
        generator.log_likelihood(ArrayHaplotypes(together), population),
    )


def test_nobody_is_drawn_and_scored(whole):
    _, generator = whole
    nobody = np.empty(0, dtype=np.int64)
    assert draw(generator, SampleRequest(nobody, nobody.astype(np.uint64))).shape == (45, 0)
    blocks = generator.block_log_likelihood(ArrayHaplotypes(np.empty((45, 0), np.int8)), nobody)
    assert {scores.shape for _, scores in blocks} == {(0,)}


def test_blocks_of_a_draw_do_not_show(whole, monkeypatch):
    _, generator = whole
    together = draw(generator, wanted(["a", "b"]))
    monkeypatch.setattr("genoloom.models.haplotype.copying_network.YIELDED_BLOCKS", 3)
    np.testing.assert_array_equal(draw(generator, wanted(["a", "b"])), together)


def test_samples_look_like_their_population(whole):
    data, generator = whole
    alleles = data.haplotypes.alleles
    for p in (0, 1):
        drawn = draw(generator, wanted([f"{p}.{i}" for i in range(400)], p))
        real = alleles[:, data.population == p]
        frequency = np.where(real >= 0, real, 0).sum(axis=1) / (real >= 0).sum(axis=1)
        assert np.abs(drawn.mean(axis=1) - frequency).max() < 0.1


def test_likelihood_tells_populations_apart(whole):
    data, generator = whole
    own = generator.log_likelihood(data.haplotypes, data.population)
    assert (own > generator.log_likelihood(data.haplotypes, 1 - data.population)).mean() > 0.8


def test_resumed_training_equals_uninterrupted(tmp_path):
    data = copies_with_mutations(20, 24, missing=0.02)
    whole, whole_run = fit(data, tmp_path / "whole", steps=12, evaluate_every=5)
    limited = TrainingRun(
        state_dir=tmp_path / "cut", digest="d", seed=3, label="test", time_limit_s=0
    )
    with pytest.raises(Interrupted):
        CopyingNetworkGenerator(whole.options).fit(data, limited)
    resumed, resumed_run = fit(data, tmp_path / "cut", steps=12, evaluate_every=5)
    for name, value in whole.state()[0].items():
        np.testing.assert_array_equal(value, resumed.state()[0][name], err_msg=name)
    assert [row["bits"] for row in whole_run.history] == [
        row["bits"] for row in resumed_run.history
    ]


def test_exchanged_tails_are_scored_by_the_likelihood(eleven_sites):
    rng = np.random.default_rng(4)
    rows = rng.integers(0, 2, (6, 11)).astype(np.int8)
    straight = (
        eleven_sites.log_likelihood(source(rows), np.zeros(6, dtype=int)).reshape(-1, 2).sum(axis=1)
    )
    arrays = 0
    for site, gain in eleven_sites.switch_log_odds(source(rows), np.zeros(6, dtype=int)):
        crossed = rows.copy()
        crossed[0::2, site:], crossed[1::2, site:] = rows[1::2, site:], rows[0::2, site:]
        exchanged = (
            eleven_sites.log_likelihood(source(crossed), np.zeros(6, dtype=int))
            .reshape(-1, 2)
            .sum(axis=1)
        )
        np.testing.assert_allclose(gain, exchanged - straight, atol=1e-4)
        arrays += 1
    assert arrays == eleven_sites.panel.n_blocks - 1


def test_what_is_filled_in_follows_the_conditional_distribution(eleven_sites, everything):
    chance = np.exp(
        eleven_sites.log_likelihood(source(everything), np.zeros(len(everything), dtype=int))
    )
    row = everything[741].copy()
    row[:6] = -1
    agrees = (everything[:, 6:] == row[6:]).all(axis=1)
    posterior = chance[agrees] / chance[agrees].sum()
    n = 400
    done = list(
        eleven_sites.impute(
            source([row] * n), np.zeros(n, int), row_seeds(1, [str(i) for i in range(n)]), 16
        )
    )
    alleles, mean, evidence = (
        np.concatenate([getattr(part, x) for part in done])
        for x in ("alleles", "mean", "log_likelihood")
    )
    assert (alleles[:, 6:] == row[6:]).all()
    observed = np.bincount(alleles[:, :6].astype(int) @ (1 << np.arange(5, -1, -1)), minlength=64)
    frequent = n * posterior > 5
    expected = n * np.append(posterior[frequent], posterior[~frequent].sum())
    found = np.append(observed[frequent], observed[~frequent].sum())
    assert ((found - expected) ** 2 / expected).sum() < frequent.sum() + 4.5 * np.sqrt(
        2 * frequent.sum()
    )
    np.testing.assert_allclose(mean.mean(axis=0), posterior @ everything[agrees], atol=0.03)
    assert np.logaddexp.reduce(evidence) - np.log(n) == pytest.approx(
        np.log(chance[agrees].sum()), abs=0.05
    )


def test_nothing_missing_is_the_likelihood(eleven_sites, everything):
    rows = everything[::100]
    expected = eleven_sites.log_likelihood(source(rows), np.zeros(len(rows), dtype=int))
    [done] = eleven_sites.impute(
        source(rows), np.zeros(len(rows), int), row_seeds(1, [str(i) for i in range(len(rows))]), 16
    )
    np.testing.assert_array_equal(done.alleles, rows)
    np.testing.assert_allclose(done.log_likelihood, expected, atol=1e-9)


def test_unlinked_sites_and_few_templates_get_short_blocks(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    unlinked, linked = copies_with_mutations(64, 60), copies_with_mutations(64, 60, mutations=0.001)
    unlinked.haplotypes.alleles[:] = rng.integers(0, 2, unlinked.haplotypes.alleles.shape)

    def block(data):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        return fit(data, folder, block_size=None, steps=1)[0].options.block_size

    assert (block(unlinked), block(linked)) == (2, 8)
    monkeypatch.setattr("genoloom.models.haplotype.copying_network.FEW", 50)
    assert (block(unlinked), block(linked)) == (2, 16)


def test_one_population_and_few_individuals(tmp_path):
    data = copies_with_mutations(9, 3)
    data = TrainingHaplotypes(
        HaplotypeView(data.haplotypes, haplotypes=np.arange(4)), np.zeros(4, dtype=int), ["A"],
        data.position, data.map_cm,
        np.array([False, False, True, True]),
    )  # fmt: skip
    generator, _ = fit(data, tmp_path, anchor=True)
    assert draw(generator, wanted(["a", "b", "c"])).shape == (9, 3)
