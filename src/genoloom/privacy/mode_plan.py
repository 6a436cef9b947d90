"""What each privacy mode gives a cohort and costs it, predicted from its size, its effective sites
and epsilon.
"""

from dataclasses import asdict, dataclass
from math import sqrt

from genoloom.privacy.accounting import (
    epsilon_of,
    largest_auc,
    largest_rate_of_gaussian,
    mu_of,
    rest,
)
from genoloom.privacy.cohort_statistics import FOR_COUNTS

# share of the variance by which a population's frequencies differ from the nearest public one's:
# neighbours (Tuscans and Iberians), and one that no public population is near to
NEAR, FAR = 0.002, 0.05
WORTH = 0.2  # of what sets a far population apart: with less, statistics are mostly noise


@dataclass(frozen=True)
class ModeRow:
    """A mode, for a cohort.

    Attributes
    ----------
    auc, tpr : float or None
        Of an attack at 1 % false positives: for `none` what no faithful release can avoid, for the
        others what is guaranteed; None where nothing is.
    kept : tuple of float, or None
        Share of what sets the largest population apart from the nearest public one that the data
        have: where it is near to it, and far.
    """

    mode: str
    auc: float | None
    tpr: float | None
    kept: tuple[float, float] | None
    costs: str

    def text(self) -> str:
        """A line of `genoloom plan`."""
        auc, tpr = ("-" if x is None else form.format(x) for x, form in
                    ((self.auc, "{:.3f}"), (self.tpr, "{:.1%}")))  # fmt: skip
        kept = "-" if self.kept is None else f"{self.kept[0]:.0%} to {self.kept[1]:.0%}"
        return f"{self.mode:<26} {auc:>6} {tpr:>8} {kept:>14}  {self.costs}"


@dataclass(frozen=True)
class ModePlan:
    """All modes, and the one that is recommended."""

    rows: list[ModeRow]
    recommended: str
    why: str

    def record(self) -> dict:
        """JSON-ready."""
        return asdict(self)

    def lines(self) -> list[str]:
        """What `genoloom plan` prints."""
        return [
            "Privacy modes (docs/privacy.md), an attack's AUC, true positives at 1 % false ones:",
            f"{'mode':<26} {'AUC':>6} {'TPR':>8} {'kept*':>14}",
            *(row.text() for row in self.rows),
            "* of what sets a population apart from the nearest public one: near ones to far ones",
            f"Recommended: {self.recommended}: {self.why}",
        ]


def kept_share(effective_sites: float, individuals: float, mu: float, drift: float) -> float:
    """Share of a population's difference that statistics keep, as an expectation.

    With m independent directions of equal variance v, an individual's vector has length sqrt(2 m
    v), so noise adds m v / (2 n^2 mu^2) to the mean of each direction, and the sample v / (2 n);
    what has drifted by `drift` v is shrunk as `genoloom.privacy.cohort_statistics` shrinks it.
    """
    noise = effective_sites / (2 * individuals**2 * mu**2) + 1 / (2 * individuals)
    return drift / (drift + noise)


def plan_modes(
    *,
    unavoidable_auc: float,
    unavoidable_tpr: float,
    effective_sites: float,
    individuals: int,
    epsilon: float | None,
    delta: float,
    max_auc: float,
    spent: list[float],
) -> ModePlan:
    """What each mode gives and costs.

    Parameters
    ----------
    unavoidable_auc, unavoidable_tpr : float
        Of a faithful release made from the cohort's rows.
    individuals : int
        Training individuals of the largest population.
    epsilon : float, optional
        Of mode `statistics`, all measurements together.
    spent : list of float
        mu of the measurements so far.
    """
    rows = [
        ModeRow("none", unavoidable_auc, unavoidable_tpr, (1.0, 1.0), "judged by its audit alone"),
        ModeRow("public", 0.5, 0.01, (0.0, 0.0), "nothing of anybody's genotypes"),
    ]
    kept = 0.0
    if epsilon is not None:
        whole = mu_of(epsilon, delta)
        left = rest(whole, spent)
        share = (0.0, 0.0)
        if left > 0:
            sums = rest(left, [left * sqrt(FOR_COUNTS)])
            near, far = (kept_share(effective_sites, individuals, sums, x) for x in (NEAR, FAR))
            share, kept = (near, far), far
        costs = f"epsilon {epsilon:g} at delta {delta:g}, for good"
        if spent:
            used = epsilon_of(sqrt(sum(mu * mu for mu in spent)), delta)
            costs += f"; {used:.3g} of it is spent"
        name = f"statistics, epsilon {epsilon:g}"
        rows.append(
            ModeRow(name, largest_auc(whole), largest_rate_of_gaussian(whole), share, costs)
        )
    rows.append(
        ModeRow("statistics, epsilon null", None, None, None, "no guarantee; judged by its audit")
    )
    if unavoidable_auc <= max_auc:
        chosen = "none", "the cohort is large enough for a release of its own rows"
    elif kept >= WORTH:
        chosen = "statistics", "public individuals, moved as far as the noise lets the cohort show"
    else:
        chosen = "public", "of so few individuals noised statistics keep little; nothing is at risk"
    return ModePlan(rows, *chosen)
