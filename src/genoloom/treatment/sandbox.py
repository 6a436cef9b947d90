"""A planted trial of two antiplatelet treatments, with the exact effect for each individual.

The outcome is inhibition of platelet aggregation in per cent, higher is better. Treatment 0 is a
prodrug that CYP2C19 activates (as clopidogrel), treatment 1 an alternative that does not need it:

    Y(0) = 40 - 12 d - 3 age - 4 diabetes - 2 bmi + noise        d = 2 - enzyme activity
    Y(1) = Y(0) + tau,    tau = 8 + heterogeneity (12 d + 3 bmi)
    P(T = 1) = overlap + (1 - 2 overlap) logistic(confounding (age + diabetes + bmi) / sqrt 3)

With the outcome `events` it is 100 where a rare event did not happen, else 0, and the effect is
the risk that treatment 1 takes away, in per cent: carriers of a haplotype without function have a
higher risk under treatment 0 alone, and nobody else gains anything:

    logit P(event | 0) = -2.7 + 0.3 age + 0.5 diabetes + 0.2 bmi + 1.3 heterogeneity carrier
    logit P(event | 1) = -2.7 + 0.3 age + 0.5 diabetes + 0.2 bmi

With the outcome `warfarin` it is the time in the therapeutic range in per cent, treatment 0 a fixed
dose and treatment 1 a guided one (`genoloom.treatment.warfarin`), with less noise, as it is a mean
over many visits:

    Y(0) = time(fixed dose) - 3 age - 4 diabetes - 2 bmi + noise
    tau = 10 + heterogeneity (time(guided dose) - time(fixed dose) - 10)

Covariates are in standard deviations. Only the direction of the genotype's effect is that of the
guideline (Lee et al. 2022, doi:10.1002/cpt.2526); the numbers are made up: nothing here is
clinical.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from genoloom.medicine_config import TrialOptions
from genoloom.treatment.warfarin import GAIN, fixed_and_gained

ACTIVITY = {"no": 0.0, "decreased": 0.5, "normal": 1.0, "uncertain": 1.0, "increased": 1.5}
GENOTYPE = ("no_function", "decreased_function", "increased_function")
COVARIATES = ("age", "bmi", "diabetes", "female")
FEATURES = GENOTYPE + COVARIATES
DISCRETE = (*GENOTYPE, "diabetes", "female")
DIABETES, FEMALE = 0.3, 0.4  # shares
BASE, PER_ACTIVITY, EFFECT = 40.0, 12.0, 8.0
AGE, DIABETES_EFFECT, BMI, BMI_MODIFIER, HIDDEN = -3.0, -4.0, -2.0, 3.0, -5.0
# log-odds of an event, and what the hidden confounder takes from the outcome then
RISK, RISK_AGE, RISK_DIABETES, RISK_BMI, RISK_CARRIER, RISK_HIDDEN = -2.7, 0.3, 0.5, 0.2, 1.3, -2.0


@dataclass(frozen=True)
class Trial:
    """Individuals of a trial.

    Attributes
    ----------
    x : ndarray, float64, shape (n, len(FEATURES))
        Counts of haplotypes by function, or of VKORC1 -1639A, CYP2C9*2 and *3; age and bmi in
        standard deviations; 0/1.
    t : ndarray, float64, shape (n,)
        0 or 1.
    y : ndarray, float64, shape (n,)
    tau, propensity : ndarray, float64, shape (n,), or None
        The true effect, where the structural model drew the trial.
    """

    x: np.ndarray
    t: np.ndarray
    y: np.ndarray
    tau: np.ndarray | None = None
    propensity: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)


def draw_covariates(n: int, rng: np.random.Generator) -> np.ndarray:
    """Age, bmi, diabetes and female, float64, shape (n, 4)."""
    normal = rng.standard_normal((n, 2))
    shares = rng.random((n, 2)) < (DIABETES, FEMALE)
    return np.hstack([normal, shares])


def lost_activity(genotype: np.ndarray) -> np.ndarray:
    """2 - enzyme activity of the two haplotypes, float64, shape (n,)."""
    lost = [1 - ACTIVITY[f] for f in ("no", "decreased", "increased")]
    return genotype @ np.array(lost)


def true_effect(x: np.ndarray, heterogeneity: float) -> np.ndarray:
    """The effect of treatment 1 over treatment 0, float64, shape (n,)."""
    modifier = PER_ACTIVITY * lost_activity(x[:, :3]) + BMI_MODIFIER * x[:, 4]
    return EFFECT + heterogeneity * modifier


def diabetes_in_sd(x: np.ndarray) -> np.ndarray:
    return (x[:, 5] - DIABETES) / np.sqrt(DIABETES * (1 - DIABETES))


def expected(x: np.ndarray, options: TrialOptions) -> tuple[np.ndarray, np.ndarray]:
    """Mean outcome under treatment 0, without the hidden confounder, and the effect; float64, shape
    (n,) each.
    """
    age, bmi, diabetes = x[:, 3], x[:, 4], diabetes_in_sd(x)
    if options.outcome == "events":
        odds = RISK + RISK_AGE * age + RISK_DIABETES * diabetes + RISK_BMI * bmi
        alone = expit(odds + RISK_CARRIER * options.heterogeneity * (x[:, 0] > 0))
        return 100 * (1 - alone), 100 * (alone - expit(odds))
    if options.outcome == "warfarin":
        untreated, gained = fixed_and_gained(x)
        effect = GAIN + options.heterogeneity * (gained - GAIN)
    else:
        untreated = BASE - PER_ACTIVITY * lost_activity(x[:, :3])
        effect = true_effect(x, options.heterogeneity)
    untreated += AGE * age + DIABETES_EFFECT * diabetes + BMI * bmi
    return untreated, effect


def draw_events(mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """100 with a chance of `mean` per cent, else 0."""
    return 100.0 * (rng.random(len(mean)) < mean / 100)


def run_trial(
    x: np.ndarray, options: TrialOptions, rng: np.random.Generator, tau: np.ndarray | None = None
) -> Trial:  # fmt: skip
    """Treat the individuals `x` and observe them; `tau` replaces the effect of the model."""
    hidden = options.hidden * rng.standard_normal(len(x))
    odds = options.confounding * (x[:, 3] + diabetes_in_sd(x) + x[:, 4]) / np.sqrt(3) + hidden
    propensity = options.overlap + (1 - 2 * options.overlap) * expit(odds)
    t = (rng.random(len(x)) < propensity).astype(float)
    untreated, effect = expected(x, options)
    tau = effect if tau is None else tau
    mean = untreated + t * tau
    if options.outcome == "events":
        y = draw_events(mean + RISK_HIDDEN * hidden, rng)
    else:
        y = mean + HIDDEN * hidden + options.outcome_noise * rng.standard_normal(len(x))
    return Trial(x, t, y, tau, propensity)


def negative_controls(
    trial: Trial, options: TrialOptions, rng: np.random.Generator
) -> dict[str, Trial]:  # fmt: skip
    """Data that lost what treatment decisions need: their errors must be large."""
    order = rng.permutation(len(trial))
    decoupled = trial.x.copy()
    decoupled[:, :3] = trial.x[order, :3]
    constant = np.full(len(trial), trial.tau.mean())
    return {
        "genotype decoupled": replace(trial, x=decoupled),
        "main effects only": run_trial(trial.x, options, rng, constant),
        "treatment shuffled": replace(trial, t=trial.t[order]),
    }
