"""Does the closed form of the unavoidable leak agree with real individuals?

    python benchmarks/leak_budget.py --set demo chr20 dpyd-full 805 --splits 20

Individuals are split at random, half and half within populations, into members and others. The
release has the members' allele frequencies (`released` unlimited), or consists of as many
individuals drawn from the members with replacement, which carry their linkage. The attacker scores
each individual by the linear form of the likelihood ratio, against the frequencies of the others
without that individual; he knows everybody's population, so genotypes are centred within each. One
row per set, cut and release: predicted AUC, and the mean over splits with its standard error
(splits share individuals, so it is the SD over splits that is shown too).
"""

import argparse
from math import inf
from pathlib import Path

import numpy as np
from haplotype_sets import SETS, add_places, open_set

from genoloom.formats.tables import write_table
from genoloom.logs import configure_logging
from genoloom.panel import Panel
from genoloom.popgen.effective_sites import EffectiveSites
from genoloom.privacy.leak_budget import unavoidable
from genoloom.privacy.measures import auc
from genoloom.report.summary import as_text

COLUMNS = [
    "set", "individuals", "min_mac", "sites", "effective_sites", "megabases", "released",
    "predicted", "measured", "sd_of_splits", "splits",
]  # fmt: skip
CUTS = [5, 10, 25]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", nargs="+", choices=[*SETS], default=["demo"])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    add_places(parser, "leak_budget.tsv")
    options = parser.parse_args()
    configure_logging()
    rows: list[dict] = []
    for name in options.set:
        rows += measure(name, options.data, options.splits, options.seed)
        write_table(options.out, COLUMNS, rows)
    print(as_text(rows, COLUMNS))


def measure(name: str, data: Path, splits: int, seed: int) -> list[dict]:
    """The rows of one set."""
    panel = open_set(name, data)
    population = np.array(panel.people.population)
    dosage = read_dosage(panel)
    rng = np.random.default_rng(seed)
    # copies are those of a member half, as a model that chooses sites by its training half sees
    # them
    estimate = EffectiveSites(population, CUTS, copies_share=0.5)
    estimate.add(dosage)
    copies = np.minimum(dosage.sum(axis=1), 2 * dosage.shape[1] - dosage.sum(axis=1)) / 2
    members = [split(population, rng) for _ in range(splits)]
    span = (panel.sites.position[-1] - panel.sites.position[0]) / 1e6
    rows = []
    for cut, (sites, effective) in zip(CUTS, estimate.estimates(), strict=True):
        chosen = standardised(dosage[copies >= cut], population)
        n = int(members[0].sum())
        r = len(population) - n - 1
        for released in (inf, n):
            found = [attack(chosen, member, released < inf, rng) for member in members]
            rows.append({
                "set": name, "individuals": n, "min_mac": cut, "sites": sites,
                "effective_sites": effective, "megabases": float(span), "released": released,
                "predicted": unavoidable(effective, n, r, released).auc,
                "measured": float(np.mean(found)), "sd_of_splits": float(np.std(found, ddof=1)),
                "splits": splits,
            })  # fmt: skip
    return rows


def read_dosage(panel: Panel) -> np.ndarray:
    """Alternate alleles of everybody, int8 (n_variants, n_individuals); missing calls become the
    common allele.
    """
    alleles = panel.haplotypes.read(0, len(panel.sites))
    common = ((alleles == 1).sum(axis=1) > (alleles == 0).sum(axis=1)).astype(np.int8)
    alleles = np.where(alleles < 0, common[:, None], alleles)
    return alleles[:, 0::2] + alleles[:, 1::2]


def standardised(dosage: np.ndarray, population: np.ndarray) -> np.ndarray:
    """Genotypes with mean 0 in each population and variance 1 within them, float32."""
    x = dosage.astype(np.float32)
    for name in np.unique(population):
        inside = population == name
        x[:, inside] -= x[:, inside].mean(axis=1, keepdims=True)
    scale = x.std(axis=1, keepdims=True)
    varies = scale[:, 0] > 1e-6
    return x[varies] / scale[varies]


def split(population: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of each population, bool (n_individuals,)."""
    member = np.zeros(len(population), dtype=bool)
    for name in np.unique(population):
        inside = np.flatnonzero(population == name)
        member[rng.permutation(inside)[: len(inside) // 2]] = True
    return member


def attack(x: np.ndarray, member: np.ndarray, resample: bool, rng: np.random.Generator) -> float:
    """AUC of the linear likelihood ratio of members against others, each left out of the reference.

    `x` are standardised genotypes, centred within populations, float32 (n_variants, n_individuals).
    """
    inside, others = np.flatnonzero(member), np.flatnonzero(~member)
    if resample:
        inside = rng.choice(inside, len(inside))
    n = len(others)
    # sums of inner products; the reference of everybody lacks one of the others
    count = np.zeros(len(member), dtype=np.float32)
    np.add.at(count, inside, 1 / len(inside))
    towards_synthetic = x.T @ (x @ count)
    towards_others = x.T @ x[:, others].sum(axis=1)
    reference = towards_others / n
    own = (x[:, others] ** 2).sum(axis=0)
    reference[others] = (towards_others[others] - own) / (n - 1)
    scores = towards_synthetic - reference
    return auc(scores[member], scores[~member])


if __name__ == "__main__":
    main()
