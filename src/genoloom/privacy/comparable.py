"""Whether synthetic data can be compared with real individuals at all: what is not comparable hides
every leak.
"""

import numpy as np

LEAST_CORRELATION = 0.8  # of the allele frequencies of synthetic and real individuals
FEWEST_SITES = 50
MOST_UNMATCHED = 0.05  # share of the synthetic sites that are not compared
SHIFTS = (-2, -1, 1, 2)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's, NaN where one of the two does not vary."""
    if len(a) < 2 or a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def reasons_against(contigs: dict[str, np.ndarray], unmatched: float) -> list[str]:
    """Why a comparison says nothing; empty where it says something.

    Parameters
    ----------
    contigs : dict of str to ndarray, float, shape (2, n_sites)
        By contig, frequencies of the alternate allele among synthetic and real individuals, in the
        order of the sites. A contig of few sites is only judged with the others.
    unmatched : float
        Share of the sites of the synthetic data that have no place in the comparison.
    """
    synthetic, real = np.concatenate(list(contigs.values()), axis=1)
    reasons = []
    if len(synthetic) < FEWEST_SITES:
        reasons.append(
            f"only {len(synthetic)} sites are compared, at least {FEWEST_SITES} are needed"
        )
    if unmatched > MOST_UNMATCHED:
        reasons.append(
            f"{unmatched:.0%} of the synthetic sites are not in the real files, at most "
            f"{MOST_UNMATCHED:.0%} may be"
        )
    whole = _unlike(synthetic, real)
    if whole:
        return [*reasons, whole]
    of_contigs = {
        name: _unlike(*both) for name, both in contigs.items() if both.shape[1] >= FEWEST_SITES
    }
    return reasons + [f"contig {name}: {reason}" for name, reason in of_contigs.items() if reason]


def _unlike(synthetic: np.ndarray, real: np.ndarray) -> str:
    """How frequencies differ; empty where they correlate."""
    found = correlation(synthetic, real)
    if found >= LEAST_CORRELATION:
        return ""
    return (  # NaN too
        f"allele frequencies of synthetic and real individuals correlate by {found:.2f}, at least"
        f" {LEAST_CORRELATION:g} is needed{_looks_like(synthetic, real, found)}"
    )


def _looks_like(synthetic: np.ndarray, real: np.ndarray, found: float) -> str:
    if found <= -0.5:
        return ": the alleles 0 and 1 look exchanged"
    shifted = {
        k: correlation(
            synthetic[max(0, k) : len(synthetic) + min(0, k)],
            real[max(0, -k) : len(real) - max(0, k)],
        )
        for k in SHIFTS
    }
    for flipped in (1, -1):
        best = max(shifted, key=lambda k: np.nan_to_num(flipped * shifted[k], nan=-1))
        if flipped * shifted[best] >= LEAST_CORRELATION:
            return (
                f": the alleles look shifted by {abs(best)} {'site' if abs(best) == 1 else 'sites'}"
            )
    return ""
