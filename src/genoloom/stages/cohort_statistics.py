"""Measure a private cohort against a public panel: what a model in mode `statistics` knows."""

import hashlib
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from genoloom.cohort import parse_labels
from genoloom.errors import InputError
from genoloom.formats.pgen import open_panel, panel_files
from genoloom.formats.privacy_budget import noise_key, spend
from genoloom.formats.private_directories import close_directory
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.splits import read_roles
from genoloom.formats.statistics_files import Guarantee, Statistics, write_statistics
from genoloom.models.haplotype.templates import read_bits
from genoloom.panel import Panel, fill_missing
from genoloom.panels.public_panels import labels_fit
from genoloom.panels.reweighting import block_bits
from genoloom.privacy.accounting import epsilon_of, mu_of, rest, together
from genoloom.privacy.cell_counts import BLOCK, FEWEST_CARRIERS, cell_counts
from genoloom.privacy.cohort_statistics import (
    FOR_COUNTS,
    MOST_DIRECTIONS,
    PER_WINDOW,
    WINDOW,
    PublicScores,
    directions,
    estimate,
    measure,
    scores,
)
from genoloom.privacy.gaussian_mechanism import NoiseKey

log = logging.getLogger(__name__)

LEAST_SHARE = 0.1  # of mu: with less left of the budget nothing can be measured
GAUSSIAN = (
    "Gaussian mechanism (Balle & Wang 2018), noised counts and sums of individuals along "
    "directions of public haplotypes, composed as Gaussian differential privacy "
    "(Dong, Roth & Su 2022)"
)
CELLS = (
    f"none: counts of block haplotypes without noise, omitted for fewer than {FEWEST_CARRIERS} "
    "individuals dropped; this is no guarantee"
)


@dataclass(frozen=True)
class _Pair:
    """Templates, and the training individuals of the cohort at the same sites."""

    public: Panel
    private: Panel

    def blocks(self, sites: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """First site, and alleles of both, int8; missing calls of public individuals are filled
        in.
        """
        for start in range(0, len(self.public.sites), sites):
            stop = min(start + sites, len(self.public.sites))
            yield (
                start,
                fill_missing(self.public.haplotypes.read(start, stop)),
                self.private.haplotypes.read(start, stop),
            )


def measure_cohort(
    *,
    panels: list[Path],
    split: Path,
    templates: list[Path],
    out: Path,
    budget: Path,
    epsilon: float | None,
    delta: float = 1e-5,
    populations: str | None = None,
    noise: Literal["secret", "seed"] = "secret",
    seed: int = 0,
) -> None:
    """Write statistics of the training individuals of a cohort, of all contigs together.

    Parameters
    ----------
    panels, templates : list of Path
        Prefixes, contig by contig: of the cohort, and of what `genoloom panel match` has written.
    split : Path
        Held-out individuals are not measured.
    out : Path
        .safetensors; a .json is written next to it.
    budget : Path
        What was measured before, and the key of the noise in the same directory.
    epsilon : float, optional
        Of everything that is ever measured of the cohort, this included. None: counts without
        noise, and without any guarantee.
    populations : str, optional
        See `genoloom.cohort.parse_labels`.
    noise : str
        "seed": noise follows from `seed`, for tests; whoever knows it takes the noise off.

    Raises
    ------
    InputError
        Files do not belong together, or nothing is left of the budget.
    """
    if epsilon is not None and not (0 < epsilon < math.inf and 0 < delta < 1):
        raise InputError(
            "--epsilon, --delta", f"{epsilon:g}, {delta:g}", expected="above 0, and delta below 1"
        )
    pairs = _pairs(panels, templates, split)
    first = next(iter(pairs.values()))
    names = sorted(set(first.public.individuals.population))
    own = first.private.individuals.population
    typed = parse_labels(populations, names)
    # names of populations are taken for known, whoever of them trains
    known = sorted(set(open_panel(panels[0]).individuals.population))
    labels_fit(typed, set(known), dict.fromkeys(names, 1), templates[0])
    stands_for = {label: typed.get(label, label) for label in known}
    files = {f"panel/{p.name}": p for prefix in panels for p in panel_files(prefix)}
    files |= {f"templates/{p.name}": p for prefix in templates for p in panel_files(prefix)}
    record = Making("panel measure", files | {"split": split})
    individuals = len(own)
    label = np.array([list(stands_for).index(name) for name in own])
    close_directory(out.parent)
    if epsilon is None:
        log.warning(
            "%s: counts without noise: no guarantee for anybody; set privacy.epsilon for one",
            out.name,
        )
        guarantee = Guarantee(
            epsilon=None, delta=None, mu=None, mu_of_this=None, mechanism=CELLS, noise="none",
            noise_multiplier=None, sensitivity={},
        )  # fmt: skip
        arrays = _cells(pairs, label, len(stands_for))
        weights = {name: {representative: 1.0} for name, representative in stands_for.items()}
        counts: dict[str, float] = {}
    else:
        if delta * individuals >= 1:
            raise InputError(
                "--delta", f"{delta:g}", expected="far below one in the number of individuals"
            )
        chosen = [record.digests, stands_for, epsilon, delta, noise, seed if noise == "seed" else 0]
        name = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()
        spent = spend(budget, name, partial(_what_is_left, budget, epsilon, delta))
        mu = spent[name]
        key = (
            NoiseKey(noise_key(budget.parent), True)
            if noise == "secret"
            else NoiseKey.of_seed(seed)
        )
        if not key.secret:
            log.warning("%s: noise of a seed: for tests, not for a release", out.name)
        arrays, found, made_of = _noised(pairs, names, stands_for, label, mu, key, name)
        whole = together(spent.values())
        sums_mu = rest(mu, [mu * math.sqrt(FOR_COUNTS)])
        guarantee = Guarantee(
            epsilon=_up(epsilon_of(whole, delta)), delta=delta, mu=whole, mu_of_this=mu,
            mechanism=GAUSSIAN, noise="secret key" if key.secret else "seed",
            noise_multiplier=1 / sums_mu,
            sensitivity=dict(zip(stands_for, map(float, found.lengths), strict=True)),
        )  # fmt: skip
        weights = {
            name: {names[p]: float(round(w, 6)) for p, w in enumerate(row) if w > 5e-7}
            for name, row in zip(stands_for, made_of.weights, strict=True)
        }
        counts = dict(zip(stands_for, map(float, found.counts), strict=True))
        log.info(
            "%s: epsilon %g, delta %g in all; %d directions measured", out.name,
            guarantee.epsilon, delta, len(found.kept),
        )  # fmt: skip
    words = Statistics(
        guarantee=guarantee, stands_for=stands_for, weights=weights, counts=counts,
        contigs={contig: pair.public.sites.digest() for contig, pair in pairs.items()},
    )  # fmt: skip
    write_statistics(out, words, arrays)
    record.write(record_path(out.with_suffix("")), [out, out.with_suffix(".json")])


def _up(epsilon: float) -> float:
    return math.ceil(epsilon * 1e6 - 1e-2) / 1e6


def _what_is_left(budget: Path, epsilon: float, delta: float, others: list[float]) -> float:
    """mu of a new measurement; with the others it is at most what epsilon permits."""
    allowed = mu_of(epsilon, delta)
    left = rest(allowed, others)
    if left < LEAST_SHARE * allowed:
        raise InputError(
            budget,
            f"epsilon {epsilon:g} of this cohort is spent: "
            f"{epsilon_of(together(others), delta):.3g} was used by "
            "earlier measurements, of other individuals, sites or options",
            expected="something left of the budget",
            remedy="use the statistics that were measured (genoloom plan says what was spent), or "
            "raise privacy.epsilon: it is of all measurements together",
        )
    return left


def _pairs(panels: list[Path], templates: list[Path], split: Path) -> dict[str, _Pair]:
    """Templates and training individuals of each contig, at the sites of the templates."""
    cohort = {panel.sites.contig: panel for panel in map(open_panel, panels)}
    found: dict[str, _Pair] = {}
    for prefix in templates:
        public = open_panel(prefix)
        private = cohort.get(public.sites.contig)
        at = {} if private is None else {key: i for i, key in enumerate(private.sites.keys())}
        index = [at.get(key, -1) for key in public.sites.keys()]
        if min(index) < 0:
            raise InputError(
                prefix, "has other sites than the panels of the cohort",
                expected="templates of this cohort",
                remedy="match the panels again (genoloom panel match)",
            )  # fmt: skip
        roles = read_roles(split, private.individuals)
        trains = np.flatnonzero([role == "train" for role in roles])
        found[public.sites.contig] = _Pair(
            public, private.take_individuals(trains).take_sites(np.array(index))
        )
    listed = {tuple(pair.public.individuals.id) for pair in found.values()}
    if len(found) != len(templates) or set(found) != set(cohort) or len(listed) > 1:
        raise InputError(
            "--templates", "are not of the contigs of the cohort, or of different individuals",
            expected="one prefix for each contig",
            remedy="match the panels again (genoloom panel match)",
        )  # fmt: skip
    return found


def _noised(pairs, names, stands_for, label, mu, key, purpose):
    """Arrays of noised statistics, and what was measured and made from it."""
    windows = sum(-(-len(pair.public.sites) // WINDOW) for pair in pairs.values())
    most = min(PER_WINDOW, max(1, MOST_DIRECTIONS // windows))
    public = next(iter(pairs.values())).public.individuals.population
    population = np.repeat([names.index(p) for p in public], 2)
    represented_by = np.array([names.index(name) for name in stands_for.values()])
    of_label = [population == s for s in represented_by]
    two = np.repeat(label, 2)
    vectors, ours, theirs = [], [], []
    for pair in pairs.values():
        for _, open_alleles, private in pair.blocks(WINDOW):
            found = directions(open_alleles, population, most)
            mean = np.stack([open_alleles[:, inside].mean(axis=1) for inside in of_label], axis=1)
            vectors.append(found)
            theirs.append(scores(open_alleles, found))
            both = scores(private, found, mean[:, two]).reshape(-1, 2, found.shape[1])
            ours.append(both.sum(axis=1, dtype=np.float64))
    of_public = PublicScores(np.concatenate(theirs, axis=1), population, len(names))
    individuals = np.concatenate(ours, axis=1)
    measured = measure(of_public, represented_by, individuals, label, mu, key, purpose)
    made_of = estimate(of_public, represented_by, measured)
    window = np.repeat(np.arange(len(vectors)), [part.shape[1] for part in vectors])
    arrays, first = {}, 0
    for contig, pair in pairs.items():
        starts = np.arange(0, len(pair.public.sites), WINDOW)
        kept = np.zeros((len(starts), PER_WINDOW), dtype=np.uint8)
        shift = np.zeros((len(represented_by), *kept.shape))
        table = np.zeros((len(pair.public.sites), PER_WINDOW), dtype=np.float32)
        for w, start in enumerate(starts):
            own = vectors[first + w]
            table[start : start + len(own), : own.shape[1]] = own
            here = np.flatnonzero(window[measured.kept] == first + w)
            place = measured.kept[here] - int(np.searchsorted(window, first + w))
            kept[w, place] = 1
            shift[:, w, place] = made_of.shift[:, here]
        arrays |= {f"{contig}.kept": kept, f"{contig}.shift": shift, f"{contig}.vectors": table}
        first += len(starts)
    return arrays, measured, made_of


def _cells(pairs: dict[str, _Pair], label: np.ndarray, n_labels: int) -> dict[str, np.ndarray]:
    """Arrays of counts without noise: of block `block` and version `alleles`, haplotypes of each
    population (L, n_cells).
    """
    arrays = {}
    for contig, pair in pairs.items():
        number, alleles, counts = [], [], []
        for k in range(-(-len(pair.public.sites) // BLOCK)):
            known = np.unique(block_bits(pair.public, k))
            blocks, called = read_bits(pair.private.haplotypes, BLOCK, k, k + 1)
            # a haplotype with a missing call is counted nowhere: no block has this many bits
            n_sites = min(BLOCK, len(pair.public.sites) - k * BLOCK)
            whole = called[0] == 2**n_sites - 1
            found = cell_counts(np.where(whole, blocks[0], ~np.uint32(0)), label, n_labels, known)
            shown = found.any(axis=0)
            number.append(np.full(int(shown.sum()), k))
            alleles.append(known[shown])
            counts.append(found[:, shown])
        arrays |= {
            f"{contig}.block": np.concatenate(number).astype(np.int64),
            f"{contig}.alleles": np.concatenate(alleles).astype(np.uint32),
            f"{contig}.counts": np.concatenate(counts, axis=1),
        }
    return arrays
