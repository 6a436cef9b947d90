"""Positional Burrows-Wheeler orders against brute force; matched mosaics against what they
promise.
"""

from itertools import pairwise

import numpy as np
import pytest
from helpers import founder_mosaic

from genoloom.models.haplotype.base import SampleRequest, TrainingHaplotypes
from genoloom.models.haplotype.matched_mosaic import MatchedMosaicGenerator
from genoloom.models.haplotype.packed_haplotypes import PackedHaplotypes
from genoloom.models.haplotype.pbwt import BytewisePbwt, Pbwt
from genoloom.panel import ArrayHaplotypes
from genoloom.seeds import row_seeds
from genoloom.training_config import MatchedMosaicOptions


def agreement(a, b):
    """Number of sites at the end on which two rows agree."""
    differing = np.flatnonzero(a != b)
    return len(a) - (differing[-1] + 1 if len(differing) else 0)


def test_order_and_divergence_equal_brute_force():
    alleles = founder_mosaic(60, 50, np.random.default_rng(1), founders=6, switch=0.1)
    pbwt = Pbwt(50)
    for site in range(60):
        pbwt.push(alleles[site])
        prefixes = [tuple(alleles[: site + 1, h][::-1]) for h in range(50)]
        expected = sorted(range(50), key=lambda h: prefixes[h])
        assert pbwt.order.tolist() == expected
        for place in range(1, 50):
            above, here = expected[place - 1], expected[place]
            length = agreement(alleles[: site + 1, above], alleles[: site + 1, here])
            assert pbwt.divergence[place] == site + 1 - length
        assert pbwt.divergence[0] > site + 1


def test_bytewise_runs_equal_brute_force():
    alleles = founder_mosaic(160, 70, np.random.default_rng(2), founders=8, switch=0.03)
    group = np.arange(70) % 3
    packed = PackedHaplotypes.pack(ArrayHaplotypes(alleles))
    pbwt = BytewisePbwt(group, memory=5)
    for n_bytes, row in enumerate(packed.ones, 1):
        pbwt.push(row)
        assert group[pbwt.order].tolist() == sorted(group)
        for length in range(min(n_bytes, 5) + 1):
            borders = pbwt.runs(length)
            found = {frozenset(pbwt.order[a:b].tolist()) for a, b in pairwise(borders)}
            windows = {}
            for h in range(70):
                window = alleles[8 * (n_bytes - length) : 8 * n_bytes, h].tobytes()
                windows.setdefault((group[h], window), set()).add(h)
            assert found == {frozenset(members) for members in windows.values()}
    with pytest.raises(ValueError, match="not in memory"):
        pbwt.runs(6)


def fitted(alleles, options, population=None, spacing_cm=1e-3):
    n_variants, n_haplotypes = alleles.shape
    population = np.zeros(n_haplotypes, dtype=np.int64) if population is None else population
    names = [f"P{p}" for p in range(population.max() + 1)]
    map_cm = np.arange(n_variants) * spacing_cm
    data = TrainingHaplotypes(
        ArrayHaplotypes(alleles.astype(np.int8)),
        population,
        names,
        np.arange(n_variants) + 1,
        map_cm,
        population < 0,
    )
    generator = MatchedMosaicGenerator(options)
    generator.fit(data, None)
    return generator


def draw(generator, n, population=0):
    seeds = row_seeds(5, [str(i) for i in range(n)])
    return np.concatenate(list(generator.sample(SampleRequest(np.full(n, population), seeds))))


def test_every_window_of_the_matched_length_is_a_training_window():
    # the contig is shorter than the mean distance between crossovers, so that no length is ever
    # halved
    alleles = founder_mosaic(800, 120, np.random.default_rng(3), founders=10, switch=0.01)
    drawn = draw(fitted(alleles, MatchedMosaicOptions(segment_cm=0.9, match=40)), 200)
    for start in range(0, 800 - 40, 5):
        known = {alleles[start : start + 40, h].tobytes() for h in range(120)}
        assert {drawn[start : start + 40, h].tobytes() for h in range(200)} <= known
    whole = {alleles[:, h].tobytes() for h in range(120)}
    new = np.mean([drawn[:, h].tobytes() not in whole for h in range(200)])
    assert new > 0.3  # it does cross over


def test_crossovers_come_at_the_rate_of_the_map():
    # 64 templates, equal on three bytes and spelling their number in each fourth: after that byte
    # nobody is equal, so a crossover that is due there waits for the next place
    templates, periods, spacing, segment = 64, 300, 1e-3, 0.1
    tag = np.unpackbits(np.arange(templates, dtype=np.uint8)[None], axis=0)
    alleles = np.concatenate([np.zeros((24, templates)), tag] * periods)
    drawn = draw(
        fitted(alleles, MatchedMosaicOptions(segment_cm=segment, match=8), spacing_cm=spacing), 300
    )
    number = np.packbits(drawn.reshape(periods, 32, -1)[:, 24:], axis=1)[:, 0]
    same = (number[1:] == number[:-1]).mean()
    # after the first, second and third byte
    crossed = 1 - np.exp(-np.array([2, 1, 1]) * 8 * spacing / segment)
    # a crossover goes to one of 63 others, so the excess of the own template is multiplied by -1/63
    expected = 1 / 64 + 63 / 64 * np.prod(1 - crossed * (1 + 1 / 63))
    assert same == pytest.approx(
        expected, abs=4 * np.sqrt(expected * (1 - expected) / number[1:].size)
    )


def test_nobody_is_copied_whole_when_nobody_is_alike():
    alleles = np.random.default_rng(4).integers(0, 2, (1600, 40))
    drawn = draw(fitted(alleles, MatchedMosaicOptions(segment_cm=0.05, match=100)), 60)
    shared = (drawn[:, :, None] == alleles[:, None, :]).mean(axis=0)  # (60, 40)
    assert shared.max() < 0.9


def test_matching_by_the_map_needs_longer_agreement():
    # equal on the last 16 sites (0.016 cM), different before: a demand of 0.03 cM is not met, and
    # nothing crosses over
    alleles = np.concatenate(
        [
            np.tile(np.arange(30) % 2, (16, 1)),
            np.zeros((16, 30)),
            np.tile(np.arange(30) % 2, (16, 1)),
        ]
    )
    near = draw(fitted(alleles, MatchedMosaicOptions(segment_cm=0.02, match=8)), 400)
    assert (near[0] != near[-1]).mean() > 0.1
    options = MatchedMosaicOptions(segment_cm=1e-3, match=8, match_cm=0.05)
    generator = fitted(alleles, options)
    far = generator.training.n_variants
    assert far == 48
    alike = draw(fitted(alleles, MatchedMosaicOptions(segment_cm=1.0, match=8, match_cm=0.05)), 400)
    assert (alike[0] == alike[-1]).all()


def test_populations_do_not_mix_unless_they_are_small():
    alleles = np.zeros((400, 70))
    alleles[:, 30:60] = 1  # 30 of P0, 30 of P1, 10 of P2, who carry both by halves
    alleles[:, 65:] = 1
    population = np.repeat([0, 1, 2], [30, 30, 10])
    generator = fitted(alleles, MatchedMosaicOptions(segment_cm=0.01, match=8), population)
    assert (draw(generator, 50, population=0) == 0).all()
    assert (draw(generator, 50, population=1) == 1).all()
    assert draw(generator, 800, population=2).mean() == pytest.approx(0.5, abs=0.05)
