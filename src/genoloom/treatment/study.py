"""Learners trained on real and on synthetic trials, judged on held-out real individuals."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genoloom.disclosure import FEW
from genoloom.errors import InputError
from genoloom.medicine_config import TrialOptions
from genoloom.seeds import derive_seed
from genoloom.task_rows import EffectRow
from genoloom.treatment.cyp2c19 import UNMATCHED, Diplotypes, PlantedDiplotypes, total_variation
from genoloom.treatment.learners import estimates, fit_outcome, fit_propensity
from genoloom.treatment.routes import factorised, joint, only_genotypes
from genoloom.treatment.sandbox import Trial, draw_covariates, negative_controls, run_trial
from genoloom.treatment.scores import (
    calibration_slope,
    policy_value,
    qini,
    rank_agreement,
    regret,
    root_pehe,
    weighted_effects,
    weighted_policy_value,
)
from genoloom.treatment.warfarin import FIXED, needed_dose, weekly_dose, within_20

REAL, TRUTH = "real", "truth"
ROUTES = ("genotypes", "joint", "factorised")
CONTROLS = ("genotype decoupled", "main effects only", "treatment shuffled")
ALL, SYNTHETIC = "all", "synthetic"
# metrics of which the table has a ratio to the same learner trained on real data
RATIO = "root_pehe"


@dataclass(frozen=True)
class Group:
    """Individuals of one role: their star alleles and populations."""

    diplotypes: Diplotypes
    population: list[str]


def effect_rows(
    train: Group, holdout: Group, synthetic: Group, options: TrialOptions, seed: int,
    routes: tuple[str, ...] = ROUTES, controls: bool = True,
) -> list[EffectRow]:  # fmt: skip
    """Scores of every learner, trained on the real training individuals, on each route's synthetic
    trial, and on negative controls.

    Groups of up to 20 held-out individuals have no row of their own.
    """
    draws: dict[tuple, list[float]] = {}
    for draw in range(options.draws):
        for key, value in _one_draw(
            train, holdout, synthetic, options, seed, draw, routes, controls
        ):
            draws.setdefault(key, []).append(value)
    rows = []
    for key, values in draws.items():
        known = np.array(values)[~np.isnan(values)]
        value = float(known.mean()) if len(known) else np.nan
        sd = float(known.std(ddof=1)) if len(known) > 1 else np.nan
        rows.append(EffectRow(*key, value, sd, len(values)))
    return rows


def _one_draw(
    train: Group, holdout: Group, synthetic: Group, options: TrialOptions, seed: int, draw: int,
    routes: tuple[str, ...], controls: bool,
) -> Iterator[tuple[tuple, float]]:  # fmt: skip
    def rng(purpose: str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(seed, "trial", draw, purpose))

    size = options.individuals or min(len(train.diplotypes), len(synthetic.diplotypes))
    largest = Counter(train.population).most_common(1)[0][0]
    lacking = largest, options.imbalance
    own = drawn_features(train, size, lacking, rng("real individuals"))
    x = np.hstack([own, draw_covariates(size, rng("real covariates"))])
    real = run_trial(x, options, rng("real trial"))
    copied = drawn_features(synthetic, size, lacking, rng("synthetic individuals"))
    model_seed = derive_seed(seed, "learners", draw)
    trials = {REAL: real}
    if "genotypes" in routes:
        trials["genotypes"] = only_genotypes(copied, options, rng("genotypes"))
    if "joint" in routes:
        trials["joint"] = joint(real, size, rng("joint"))
    if "factorised" in routes:
        trials["factorised"] = factorised(real, copied, rng("factorised"), model_seed)
    if controls:
        trials |= negative_controls(real, options, rng("controls"))
    judges = holdout.diplotypes.features
    judges = np.hstack([judges, draw_covariates(len(judges), rng("holdout covariates"))])
    judge = run_trial(judges, options, rng("holdout trial"))
    kinds = (holdout.diplotypes.phenotype, holdout.diplotypes.names)
    masks = {name: np.array(kind) == name for kind in kinds for name in sorted(set(kind))}
    groups = {name: mask for name, mask in masks.items() if mask.sum() > FEW}
    for name, mask in groups.items():
        yield (TRUTH, "", "effect", name), float(judge.tau[mask].mean())
    base: dict[str, float] = {}
    propensity = fit_propensity(judge.x, judge.t)(judge.x)
    for data, trial in trials.items():
        for learner, estimate in estimates(
            trial, judge.x, model_seed, options.causal_forest
        ).items():
            if learner == "zero effect" and data != REAL:
                continue  # it does not depend on the data
            found = dict(_scores(estimate, judge, propensity, groups, options))
            for (metric, group), value in found.items():
                yield (data, learner, metric, group), value
            if data == REAL:
                base[learner] = found[RATIO, ALL]
            ratio = found[RATIO, ALL] / base[learner]
            yield (data, learner, f"{RATIO}_ratio", ALL), ratio
    if options.outcome == "warfarin":
        yield from _doses(trials, judge.x, model_seed, rng("doses"))


def _doses(
    trials: dict[str, Trial], target: np.ndarray, seed: int, rng: np.random.Generator
) -> Iterator[tuple[tuple, float]]:  # fmt: skip
    """Shares of held-out individuals with a dose within 20 % of the needed one: of a regression of
    needed doses on features, trained on real and on synthetic individuals; of the algorithm that
    the needed doses come from; and of the fixed dose.
    """
    needed = needed_dose(target, rng)
    doses = {(TRUTH, "algorithm"): weekly_dose(target), (TRUTH, "fixed dose"): FIXED}
    for data in (REAL, "genotypes"):
        if data in trials:
            x = trials[data].x
            predict = fit_outcome(x, np.sqrt(needed_dose(x, rng)), seed)
            doses[data, "dose regression"] = predict(target) ** 2
    for (data, learner), dose in doses.items():
        for group, (share, n) in within_20(dose, needed).items():
            if n > FEW:
                yield (data, learner, "dose_within_20", group), share


def drawn_features(
    group: Group, size: int, lacking: tuple[str, float], rng: np.random.Generator
) -> np.ndarray:  # fmt: skip
    """Features of individuals drawn from a group; of populations other than that of `lacking` fewer
    by its share, and then with replacement.
    """
    rows, (largest, share) = group.diplotypes.features, lacking
    if not share:
        return rows[rng.choice(len(rows), size, replace=size > len(rows))]
    weight = np.where(np.array(group.population) == largest, 1.0, 1.0 - share)
    if not weight.any():
        raise InputError(
            "imbalance", f"there is nobody of {largest}, the largest population that trains",
            expected="synthetic individuals of the populations of the training ones",
            remedy="give a smaller imbalance",
        )  # fmt: skip
    return rows[rng.choice(len(rows), size, p=weight / weight.sum())]


def _scores(
    estimate: np.ndarray, judge: Trial, propensity: np.ndarray, groups: dict[str, np.ndarray],
    options: TrialOptions,
) -> Iterator[tuple[tuple[str, str], float]]:  # fmt: skip
    treat = estimate > options.cost
    seen = weighted_effects(judge.y, judge.t, propensity)
    yield (RATIO, ALL), root_pehe(estimate, judge.tau)
    yield ("ate_error", ALL), float(estimate.mean() - judge.tau.mean())
    yield ("policy_value", ALL), policy_value(judge.tau, treat, options.cost)
    yield ("regret", ALL), regret(judge.tau, treat, options.cost)
    yield ("calibration_slope", ALL), calibration_slope(estimate, judge.tau)
    yield ("rank_agreement", ALL), rank_agreement(estimate, judge.tau)
    yield ("qini", ALL), qini(estimate, seen)
    seen_value = weighted_policy_value(judge.y, judge.t, propensity, treat, options.cost)
    yield ("policy_value_weighted", ALL), seen_value
    for name, mask in groups.items():
        yield ("bias", name), float((estimate - judge.tau)[mask].mean())


def diplotype_rows(train: Group, holdout: Group, synthetic: Group) -> list[EffectRow]:
    """Total-variation distance of diplotype and phenotype frequencies from the held-out
    individuals, for everybody and by population of more than 20 in each role; next to it that of
    the training individuals.

    Also the share of synthetic haplotypes whose variants no star allele has together. A planted
    variant has diplotypes only.
    """
    rows = []
    groups = {REAL: train, SYNTHETIC: synthetic}
    planted = isinstance(synthetic.diplotypes, PlantedDiplotypes)
    kinds = {"diplotype_tv": "names"} | ({} if planted else {"phenotype_tv": "phenotype"})
    populations = sorted(set(holdout.population))
    names = populations if len(populations) > 1 else []
    for data, group in groups.items():
        for metric, kind in kinds.items():
            one, other = (np.array(getattr(g.diplotypes, kind)) for g in (group, holdout))
            for name in (ALL, *names):
                chosen = one[_of(group, name)].tolist(), other[_of(holdout, name)].tolist()
                if min(map(len, chosen)) > FEW:
                    rows.append(EffectRow(data, "", metric, name, total_variation(*chosen)))
    if planted:
        return rows
    unmatched = np.mean([allele == UNMATCHED for allele in synthetic.diplotypes.allele])
    rows.append(EffectRow(SYNTHETIC, "", "unmatched_haplotypes", ALL, float(unmatched)))
    return rows


def _of(group: Group, name: str) -> list[int]:
    return [i for i, p in enumerate(group.population) if name in (ALL, p)]
