"""How many blocks nobody else has: among templates, and in draws."""

import numpy as np
import pytest

from genoloom.models.haplotype.copying_state import error_rates
from genoloom.models.haplotype.templates import BlockTables, TemplatePanel, pack_bits
from genoloom.models.haplotype.unseen_blocks import POOLED, mutation_factors
from genoloom.panel import ArrayHaplotypes

L, SPARE = 4, 0.2


@pytest.fixture(scope="module")
def templates():
    """Two populations of 40 individuals: mutations are frequent in one and rare in the other."""
    rng = np.random.default_rng(1)
    population = np.repeat([0, 1], 80)
    founders = rng.integers(0, 2, (5, 160))
    copied = founders[rng.integers(0, 5, (160, 40)).repeat(4, axis=1), np.arange(160)]
    rate = np.where(population == 0, 0.02, 0.002)[:, None]
    alleles = (copied ^ (rng.random(copied.shape) < rate)).T.astype(np.int8)
    panel, order = TemplatePanel.collect(
        ArrayHaplotypes(np.ascontiguousarray(alleles)), population, 3, block=L, vocabulary_size=64,
        carriers=2,
    )  # fmt: skip
    assert (order == np.arange(160)).all()
    return panel, pack_bits(alleles == 1, L)


def test_rows_have_as_many_unseen_blocks_as_templates_among_themselves(templates):
    panel, blocks = templates
    unseen, drawn, tables = np.zeros(160), np.zeros(160), BlockTables(panel, 0)
    for k, row in enumerate(blocks):
        table, known = tables.table(k), set(row.tolist())
        error = error_rates(table.differs, 160, SPARE)
        for i, block in enumerate(row.tolist()):
            first = 2 * (i // 2)
            unseen[i] += block not in row[[*range(first), *range(first + 2, 160)]]
            if table.index[i] < table.n_tokens:
                drawn[i] += sum(error[j] for j in range(L) if block ^ (1 << j) not in known)
    factors = mutation_factors(panel, np.arange(160) // 2, SPARE)
    assert factors.dtype == np.float32
    pooled = unseen.sum() / drawn.sum()
    for p in (0, 1):
        own = panel.population == p
        wanted = (unseen[own].sum() + POOLED * pooled) / (drawn[own].sum() + POOLED)
        assert factors[p] == pytest.approx(wanted, rel=1e-5)
    assert factors[0] > 2 * factors[1]


def test_a_population_without_templates_has_the_rate_of_all_or_of_whom_it_is_drawn_as(templates):
    panel, _ = templates
    factors = mutation_factors(panel, np.arange(160) // 2, SPARE)
    assert factors[1] < factors[2] < factors[0]
    standing_in = TemplatePanel(panel.haplotypes, panel.population, 3, L, 64, 2, stands_for=(1,))
    np.testing.assert_array_equal(
        mutation_factors(standing_in, np.arange(160) // 2, SPARE), factors[[0, 1, 1]]
    )


def test_where_every_block_is_known_mutations_stay_as_they_are():
    alleles = np.array([[0, 1, 0, 1] * 3, [0, 0, 1, 1] * 3], dtype=np.int8)
    panel, _ = TemplatePanel.collect(
        ArrayHaplotypes(alleles), np.zeros(12, dtype=int), 1, block=2, vocabulary_size=8, carriers=2
    )
    assert mutation_factors(panel, np.arange(12) // 2, SPARE).tolist() == [1]
