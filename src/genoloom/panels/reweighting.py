"""Statistics of a cohort, as weights of the templates of a model."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.statistics_files import AGAIN, Guarantee, Statistics, read_statistics
from genoloom.models.haplotype.reweighting import Reweighting
from genoloom.panel import Panel, fill_missing
from genoloom.privacy.cell_counts import BLOCK, weighted
from genoloom.privacy.cohort_statistics import PER_WINDOW, WINDOW, balanced, scores


def read_reweighting(
    path: Path, templates: Panel, modelled: np.ndarray
) -> tuple[Reweighting, Guarantee]:
    """Weights of templates, for a model of some of their sites.

    Parameters
    ----------
    modelled : ndarray of int
        Sites that the model has, rising.

    Raises
    ------
    InputError
        The statistics are damaged, or of other templates.
    """
    words, arrays = read_statistics(path)
    contig, n = templates.sites.contig, len(templates.sites)
    if words.contigs.get(contig) != templates.sites.digest():
        raise InputError(path, f"is not of these templates of contig {contig}", remedy=AGAIN)
    exact = words.guarantee.epsilon is None
    size, own = (BLOCK if exact else WINDOW), _own_arrays(path, arrays, contig)
    starts = np.arange(0, n, size)
    base = _base(path, words, templates)
    if exact:
        _fits(path, own, {"block": "int64", "alleles": "uint32", "counts": "int64"})
    else:
        kinds = {"kept": "uint8", "shift": "float64", "vectors": "float32"}
        _fits(path, own, kinds)
        shapes = {
            "kept": (len(starts), PER_WINDOW),
            "shift": (len(base), len(starts), PER_WINDOW),
            "vectors": (n, PER_WINDOW),
        }
        if any(own[name].shape != shape for name, shape in shapes.items()):
            raise InputError(path, "is damaged: an array is of another shape", remedy=AGAIN)

    def of_cells(w: int) -> np.ndarray:
        bits = block_bits(templates, w)
        known, place = np.unique(bits, return_inverse=True)
        inside = own["block"] == w
        at = np.minimum(np.searchsorted(known, own["alleles"][inside]), len(known) - 1)
        if (known[at] != own["alleles"][inside]).any():
            raise InputError(path, f"is not of these templates of contig {contig}", remedy=AGAIN)
        counts = np.zeros((len(base), len(known)), dtype=np.int64)
        counts[:, at] = own["counts"][:, inside]
        return np.stack(
            [weighted(row, place, rows) for row, rows in zip(counts, base, strict=True)]
        )

    def of_shifts(w: int) -> np.ndarray:
        kept = np.flatnonzero(own["kept"][w])
        if len(kept) == 0:
            return base
        sites = slice(starts[w], min(starts[w] + size, n))
        alleles = fill_missing(templates.haplotypes.read(sites.start, sites.stop))
        along = scores(alleles, own["vectors"][sites][:, kept])
        shift = own["shift"][:, w, kept]
        return np.stack([balanced(b, along, s) for b, s in zip(base, shift, strict=True)])

    weights = lru_cache(maxsize=1)(of_cells if exact else of_shifts)
    # a window without modelled sites begins where the next one does, and is never asked for
    of_model = np.searchsorted(modelled, starts)
    return Reweighting(words.stands_for, of_model, weights), words.guarantee


def _own_arrays(path: Path, arrays: dict[str, np.ndarray], contig: str) -> dict[str, np.ndarray]:
    own = {
        name.removeprefix(f"{contig}."): values
        for name, values in arrays.items()
        if name.startswith(f"{contig}.")
    }
    if any(not np.isfinite(values).all() for values in own.values()):
        raise InputError(path, "is damaged: it holds what is no number", remedy=AGAIN)
    return own


def _fits(path: Path, own: dict[str, np.ndarray], dtypes: dict[str, str]) -> None:
    if {name: str(values.dtype) for name, values in own.items()} != dtypes:
        raise InputError(path, "is damaged: it holds other arrays", remedy=AGAIN)


def _base(path: Path, words: Statistics, templates: Panel) -> np.ndarray:
    """Weights that represent each population before anything local is known, float64 (L, N)."""
    population = np.repeat(templates.individuals.population, 2)
    rows = []
    for label in words.stands_for:
        row = np.zeros(len(population))
        for name, share in words.weights[label].items():
            inside = population == name
            if not inside.any():
                raise InputError(path, f"names a population '{name}' that has no templates")
            row[inside] = share / inside.sum()
        rows.append(row / row.sum())
    return np.stack(rows)


def block_bits(panel: Panel, k: int) -> np.ndarray:
    """Alleles of block `k`, uint32 (n_haplotypes,)."""
    stop = min((k + 1) * BLOCK, len(panel.sites))
    alleles = fill_missing(panel.haplotypes.read(k * BLOCK, stop))
    places = np.arange(len(alleles), dtype=np.uint32)[:, None]
    return np.bitwise_or.reduce((alleles == 1).astype(np.uint32) << places, axis=0)
