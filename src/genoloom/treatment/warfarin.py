"""Guided against fixed doses of warfarin: a planted trial on CYP2C9 and VKORC1.

The guided dose is that of the pharmacogenetic algorithm of the International Warfarin
Pharmacogenetics Consortium (Klein et al. 2009, doi:10.1056/NEJMoa0809329), in mg a week:

    sqrt dose = 5.6044 - 0.2614 decades of age + 0.0087 cm + 0.0128 kg + VKORC1 + CYP2C9

Its terms for race, enzyme inducers and amiodarone are 0 here, and haplotypes of CYP2C9 other than
*2 and *3 count as *1. The dose that an individual needs is the guided one times a log-normal
factor; with it 80 per cent of the time is in the therapeutic range, and with another dose that
times exp(-|log(dose / needed dose)| / 0.4). All but the algorithm is made up: nothing here is
clinical.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from genoloom.treatment.cyp2c19 import Diplotypes
from genoloom.treatment.star_alleles import StarCalls

INTERCEPT, PER_DECADE, PER_CM, PER_KG = 5.6044, -0.2614, 0.0087, 0.0128
VKORC1 = np.array([0.0, -0.8677, -1.6974])  # of copies of -1639A (rs9923231)
CYP2C9 = np.array(  # of copies of *2 and of *3; nan where there are more than two
    [[0.0, -0.9357, -2.3312], [-0.5211, -1.9206, np.nan], [-1.0616, np.nan, np.nan]]
)
AGE, AGE_SD, HEIGHT, FEMALE_HEIGHT, BODY_MASS, BODY_MASS_SD = 60.0, 12.0, 175.0, -13.0, 27.0, 4.0
FIXED = 35.0  # mg a week
SPREAD = 0.3  # standard deviation of the logarithm of the needed dose, given the guided one
IN_RANGE = 80.0  # per cent of time, with the dose that an individual needs
WIDTH = 0.4  # of logarithms: so far off a dose has 1 / e of it
GAIN = 10.0  # of the guided dose where effects do not differ
LOW, HIGH = 21.0, 49.0  # dose groups of the consortium, mg a week


@dataclass(frozen=True)
class WarfarinGenotypes(Diplotypes):
    """Star alleles of CYP2C9 and haplotypes of VKORC1; `function` is of the former."""

    vkorc1: list[str]
    cyp2c9: StarCalls

    @classmethod
    def of(cls, cyp2c9: StarCalls, vkorc1: StarCalls) -> "WarfarinGenotypes":
        return cls(cyp2c9.allele, [""] * len(cyp2c9.allele), vkorc1.allele, cyp2c9)

    @property
    def features(self) -> np.ndarray:
        columns = ((self.vkorc1, "rs9923231"), (self.allele, "*2"), (self.allele, "*3"))
        carried = np.array([[own == name for own in alleles] for alleles, name in columns])
        return (carried[:, 0::2] + carried[:, 1::2].astype(float)).T

    @property
    def names(self) -> list[str]:
        """Such as "A/G *1/*2"."""
        words = ("G/G", "A/G", "A/A")
        copies = self.features[:, 0].astype(int).tolist()
        return [f"{words[n]} {own}" for n, own in zip(copies, self.cyp2c9.diplotype, strict=True)]

    @property
    def phenotype(self) -> list[str]:
        return self.cyp2c9.phenotype


def weekly_dose(x: np.ndarray) -> np.ndarray:
    """The guided dose, mg a week, float64, shape (n,).

    Parameters
    ----------
    x : ndarray, shape (n, 7)
        Copies of VKORC1 -1639A, CYP2C9*2 and *3; age and body mass index in standard deviations,
        diabetes (no matter), female.
    """
    vkorc1, two, three = x[:, :3].T.astype(int)
    height = HEIGHT + FEMALE_HEIGHT * x[:, 6]
    weight = (BODY_MASS + BODY_MASS_SD * x[:, 4]) * (height / 100) ** 2
    decades = np.floor(np.clip(AGE + AGE_SD * x[:, 3], 20, 99) / 10)
    root = INTERCEPT + PER_DECADE * decades + PER_CM * height + PER_KG * weight
    return (root + VKORC1[vkorc1] + CYP2C9[two, three]) ** 2


def time_in_range(dose: float | np.ndarray, guided: np.ndarray) -> np.ndarray:
    """Expected per cent of time, where the logarithm of the needed dose is normal around that of
    the guided one: the mean of exp(-|z| / width) of a normal z.
    """
    away = np.log(dose / guided)
    rate = SPREAD / WIDTH
    sides = (
        np.exp(sign * away / WIDTH) * norm.cdf(-sign * away / SPREAD - rate) for sign in (1, -1)
    )
    return IN_RANGE * np.exp(rate**2 / 2) * sum(sides)


def fixed_and_gained(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per cent of time in range with the fixed dose, and what the guided one gains over it,
    float64, shape (n,) each.
    """
    guided = weekly_dose(x)
    fixed = time_in_range(FIXED, guided)
    return fixed, time_in_range(guided, guided) - fixed


def needed_dose(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return weekly_dose(x) * np.exp(SPREAD * rng.standard_normal(len(x)))


def within_20(dose: float | np.ndarray, needed: np.ndarray) -> dict[str, tuple[float, int]]:
    """Share of individuals whose dose is within 20 % of the needed one, and how many they are, for
    all and by dose group.
    """
    right = np.abs(dose - needed) <= 0.2 * needed
    groups = {
        "all": needed > 0, "low dose": needed <= LOW,
        "intermediate dose": (needed > LOW) & (needed < HIGH), "high dose": needed >= HIGH,
    }  # fmt: skip
    return {name: (float(right[own].mean()), int(own.sum())) for name, own in groups.items()}
