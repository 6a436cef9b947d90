"""What a cohort can release, computed before any training: the unavoidable leak, and what would
pass.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, inf, isinf

from genoloom.disclosure import individuals_count
from genoloom.privacy.leak_budget import (
    CAUTIONS,
    Leak,
    epsilon_allowed,
    individuals_needed,
    synthetic_allowed,
    unavoidable,
)
from genoloom.privacy.mode_plan import ModePlan, plan_modes
from genoloom.privacy_config import Question

MIN_INDIVIDUALS = 30  # below, the normal approximation does not hold
# effective sites per megabase for whoever takes linkage off, from common variants of few Europeans
# in a region of strong linkage to all variants of five continental groups (docs/leak_budget.md)
SITES_PER_MEGABASE = (60.0, 750.0)


@dataclass(frozen=True)
class Group:
    """A cohort, or one of its populations.

    Attributes
    ----------
    name : str
        A population, or "all".
    individuals : int
        Of the training set.
    sites : int
        With at least `min_mac` copies of the minor allele in the training set.
    effective_sites : tuple of float
        Lowest and highest estimate; equal where they were estimated from genotypes.
    """

    name: str
    individuals: int
    sites: int
    effective_sites: tuple[float, float]


def expected_sites(sites: int, megabases: float | None) -> tuple[float, float]:
    """Lowest and highest number of effective sites where there are no genotypes.

    Without a length the sites are taken to be unlinked.
    """
    if megabases is None:
        return float(sites), float(sites)
    low, high = (min(float(sites), density * megabases) for density in SITES_PER_MEGABASE)
    return low, high


def leak_rows(group: Group, released: float, question: Question) -> list[dict]:
    """One row per attacker and size of the release: AUC and true positive rate, lowest and
    highest.
    """
    n = group.individuals
    attackers = {
        "as many reference individuals as the cohort": n,
        f"a public panel of {question.panel_size}": question.panel_size,
        "a reference without limit": inf,
    }
    rows = []
    for attacker, reference in attackers.items():
        for size in (released, inf):
            leaks = [unavoidable(m, n, reference, size) for m in group.effective_sites]
            rows.append({
                "population": group.name,
                "attacker": attacker,
                "released": None if isinf(size) else round(size),
                "auc": [leak.auc for leak in leaks],
                "tpr_at_1_percent_fpr": [leak.true_positive_rate() for leak in leaks],
            })  # fmt: skip
    return rows


def remedies(whole: Group, cuts: list[tuple[int, float]], question: Question) -> dict:
    """What would keep the unavoidable AUC of the whole cohort within the limit; None where nothing
    does.

    Parameters
    ----------
    cuts : list of (copies, effective sites)
        Estimates for other frequency cuts, rising; may be empty.
    """
    n, limit = whole.individuals, question.max_auc
    worst = max(whole.effective_sites)
    allowed = synthetic_allowed(worst, n, limit, question.panel_size)
    released = question.released(whole.individuals, whole.individuals)
    passing = (
        copies for copies, m in cuts
        if unavoidable(m, n, question.panel_size, released).auc <= limit
    )  # fmt: skip
    return {
        "training_individuals": ceil(individuals_needed(worst, limit, inf, released / n)),
        "training_individuals_any_release": ceil(individuals_needed(worst, limit)),
        "synthetic_individuals": None if isinf(allowed) else int(allowed),
        "min_mac": next(passing, None),
        "epsilon": epsilon_allowed(limit, question.delta),
        "delta": question.delta,
    }


@dataclass(frozen=True)
class Plan:
    """The answer; `text` is for individuals, `record` for machines."""

    question: Question
    groups: list[Group]
    rows: list[dict]
    remedies: dict
    spent: Leak
    measured: tuple[float, ...] = ()  # mu of what was measured of these individuals with noise
    jobs: Sequence[dict] = ()  # of a study, by contig: how many jobs share it at each stage

    @property
    def lower_bound(self) -> tuple[float, float]:
        """AUC of the planned release against a public panel, with the earlier releases."""
        whole, reference = self.groups[0], self.question.panel_size
        released = self.question.released(whole.individuals, whole.individuals)
        low, high = (
            (unavoidable(m, whole.individuals, reference, released) + self.spent).auc
            for m in whole.effective_sites
        )
        return low, high

    @property
    def verdict(self) -> str:
        """One sentence on the whole cohort."""
        low, high = self.lower_bound
        limit = f"{self.question.max_auc:g}"
        value = span([low, high])
        if low > self.question.max_auc:
            return (
                "No release that is faithful to these individuals can pass: the unavoidable AUC "
                f"is {value}, the limit {limit}."
            )
        if high > self.question.max_auc:
            return (
                f"A faithful release may fail: the unavoidable AUC is {value}, the limit {limit}."
            )
        return f"A faithful release can pass: the unavoidable AUC is {value}, the limit {limit}."

    def modes(self) -> ModePlan:
        """What each privacy mode gives and costs."""
        whole, question = self.groups[0], self.question
        worst = max(whole.effective_sites)
        leak = unavoidable(
            worst,
            whole.individuals,
            question.panel_size,
            question.released(whole.individuals, whole.individuals),
        )
        leak = leak + self.spent
        largest = max(self.groups[1:] or self.groups, key=lambda group: group.individuals)
        return plan_modes(
            unavoidable_auc=leak.auc, unavoidable_tpr=leak.true_positive_rate(),
            effective_sites=worst, individuals=largest.individuals, epsilon=question.epsilon,
            delta=question.delta, max_auc=question.max_auc, spent=list(self.measured),
        )  # fmt: skip

    def record(self) -> dict:
        """JSON-ready."""
        return {
            "question": self.question.model_dump(),
            "groups": [asdict(group) for group in self.groups],
            "leak": self.rows,
            "auc_with_earlier_releases": list(self.lower_bound),
            "spent": self.spent.separation,
            "verdict": self.verdict,
            "what_would_pass": self.remedies,
            "modes": self.modes().record(),
            "cautions": list(CAUTIONS),
        } | ({"jobs": list(self.jobs)} if self.jobs else {})

    def text(self) -> str:
        """What `genoloom plan` prints."""
        whole, question = self.groups[0], self.question
        lines = [
            "The leak that no release faithful to the sample can avoid",
            f"{individuals_count(whole.individuals, 'training individuals')}, {whole.sites:,} "
            f"sites with at least {question.min_mac} copies of the minor allele, which amount to "
            f"{span(whole.effective_sites, '.0f')} independent sites",
            "",
            f"{'population':<12} {'attacker has':<44} {'released':>9} {'AUC':>12} "
            f"{'TPR at 1 % FPR':>16}",
        ]
        for row in self.rows:
            size = "any" if row["released"] is None else f"{row['released']:,}"
            rate = span([100 * r for r in row["tpr_at_1_percent_fpr"]], ".1f") + " %"
            lines.append(
                f"{row['population']:<12} {row['attacker']:<44} {size:>9} {span(row['auc']):>12} "
                f"{rate:>16}"
            )
        if self.spent.separation:
            lines += ["", f"Earlier releases alone: AUC {self.spent.auc:.3f}."]
        lines += ["", self.verdict, "", "What would pass, each alone:"]
        lines += [f"- {line}" for line in remedy_lines(self.remedies, question.max_auc)]
        lines += ["", *self.modes().lines()]
        lines += _job_lines(self.jobs)
        lines += ["", "Read with care:", *(f"- {line}" for line in CAUTIONS)]
        return "\n".join(lines) + "\n"


def _job_lines(jobs: Sequence[dict]) -> list[str]:
    """The contigs that are several jobs, in words; nothing where there are none."""
    columns = ("contig", "sites", "training", "generate", "consensus", "validation")
    shared = [row for row in jobs if max(row[stage] for stage in columns[2:]) > 1]
    if not shared:
        return []
    lines = [
        "",
        "Jobs of each generator on a contig, at most (training: of a transformer); other contigs "
        "are one job:",
    ]
    return lines + [
        "".join(f"{cell!s:>12}" for cell in row)
        for row in (columns, *([row[name] for name in columns] for row in shared))
    ]


def remedy_lines(found: dict, max_auc: float) -> list[str]:
    """What would pass, each alone, in words.

    Parameters
    ----------
    found : dict
        Of `remedies`.
    """
    limit = f"AUC {max_auc:g}"
    lines = [
        f"at least {found['training_individuals']:,} training individuals for a release in this"
        f" proportion, {found['training_individuals_any_release']:,} for one of any size"
    ]
    synthetic = found["synthetic_individuals"]
    if synthetic is None:
        lines.append("any number of synthetic individuals")
    elif synthetic:
        lines.append(f"at most {synthetic:,} synthetic individuals, counted over all releases")
    if found["min_mac"] is not None:
        copies = f"{found['min_mac']} copies of the minor allele"
        lines.append(f"only sites with at least {copies} in training")
    lines.append(
        f"noised statistics of these individuals (privacy.mode: statistics), epsilon at most "
        f"{found['epsilon']:.2f} at delta {found['delta']:g}: "
        f"then no attack whatever exceeds {limit}"
    )
    lines.append(
        "a generator trained on a public panel, so that nothing is learned from these individuals"
        " (privacy.mode: public)"
    )
    return lines


def span(values, form: str = ".3f") -> str:
    """One number, or two as "low to high" where they differ."""
    low, high = (format(value, form) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
