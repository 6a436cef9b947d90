"""Haplotypes as imperfect mosaics of all training haplotypes, with the exact likelihood: the
reference among likelihoods.

Li & Stephens 2003, doi:10.1093/genetics/165.4.2213. A haplotype copies one training haplotype at a
time, switches along the genetic map, and shows a mutated allele with a small chance. Three numbers
are fitted on the validation set: the rate of switches, the chance of a mutation, and how much
likelier templates of the own population are than others. Samples copy individuals, as samples of
any mosaic do.

Time goes with asked x training haplotypes x sites, memory with one column of states.
"""

import numpy as np
import torch
from pydantic import Field
from scipy.optimize import minimize

from genoloom.declared import Description, Positive, Weight
from genoloom.models.haplotype.base import HaplotypeDescription, TrainingHaplotypes
from genoloom.models.haplotype.mosaic import MosaicGenerator, Templates
from genoloom.panel import HaplotypeSource, HaplotypeView
from genoloom.training_config import LiStephensOptions

ROWS = 64  # haplotypes at a time: their states fit into the cache
READ = 1024  # variants at a time
START = {"segment_cm": 0.03, "mutation_rate": 1e-3, "own": 2.0}  # where the fit begins
EVALUATIONS = 60  # of the likelihood, in the fit
# of what is fitted; a segment of 10,000 cM has no end
BOUNDS = {"segment_cm": (1e-6, 1e4), "mutation_rate": (1e-5, 0.5), "own": (0.0, 1e6)}
SMALLEST = 1e-15  # states are scaled up below this


class WeightedTemplates(Templates):
    """All training haplotypes as templates; templates of the own population count for 1 + `own`
    each.
    """

    def __init__(self, population: np.ndarray, n_populations: int, own: float):
        self.order = np.argsort(population, kind="stable")
        self.size = np.bincount(population, minlength=n_populations)
        self.first = np.cumsum(self.size) - self.size
        self.own = own

    def draw(self, population: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        extra = self.own * self.size[population]
        at = uniforms * (extra + len(self.order))
        within = self.first[population] + np.floor(at / max(self.own, 1e-300))
        return self.order[np.where(at < extra, within, at - extra).astype(np.int64)]


def log_likelihood(
    templates: HaplotypeSource, template_population: np.ndarray, haplotypes: HaplotypeSource,
    population: np.ndarray,
    map_cm: np.ndarray, segment_cm: float, mutation_rate: float, own: float,
) -> np.ndarray:  # fmt: skip
    """Natural-log likelihood of each haplotype under mosaics of the templates; float64 (n,).

    Parameters
    ----------
    templates, haplotypes : HaplotypeSource
        At the same sites; missing calls of templates count as reference, missing calls of
        haplotypes drop out.
    template_population, population : ndarray of int
    """
    # (n_populations, n_templates)
    weight = 1 + own * (template_population == np.arange(population.max(initial=0) + 1)[:, None])
    prior = torch.from_numpy(weight / weight.sum(axis=1, keepdims=True)).float()
    starts = range(0, len(population), ROWS)
    batches = [
        _Forward(slice(low, low + ROWS), prior[torch.from_numpy(population[low : low + ROWS])])
        for low in starts
    ]
    switch = -np.expm1(-np.diff(map_cm, prepend=map_cm[:1]) / segment_cm)
    for start in range(0, templates.n_variants, READ):
        stop = min(start + READ, templates.n_variants)
        known = torch.from_numpy(np.maximum(templates.read(start, stop), 0))
        asked = haplotypes.read(start, stop)
        for batch in batches:
            batch.add(known, asked[:, batch.rows], switch[start:stop].tolist(), mutation_rate)
    total = np.zeros(haplotypes.n_haplotypes)
    for batch in batches:
        total[batch.rows] = (batch.log_scale + batch.sum.double().log()).numpy()
    return total


class _Forward:
    """Chances of the alleles so far together with each present template, for some haplotypes.

    Parameters
    ----------
    rows : slice
    prior : float32, shape (n, n_templates)
        Chance of each template after a switch, for each haplotype.
    """

    def __init__(self, rows: slice, prior: torch.Tensor):
        self.rows, self.prior = rows, prior
        self.state = prior.clone()
        self.sum = torch.ones(len(prior))
        self.log_scale = torch.zeros(len(prior), dtype=torch.float64)

    def add(
        self, templates: torch.Tensor, asked: np.ndarray, switch: list[float], mutation_rate: float
    ) -> None:
        """Go on by the sites of a block: int8 (n_sites, n_templates) and (n_sites, n)."""
        alternate, missing = asked == 1, asked < 0
        some, gaps = alternate.any(axis=1).tolist(), missing.any(axis=1).tolist()
        alternate, missing = torch.from_numpy(alternate), torch.from_numpy(missing)
        # of a reference allele, by site and template
        chances = torch.where(templates == 0, 1 - mutation_rate, mutation_rate)
        for site, (reference, chance) in enumerate(zip(chances, switch, strict=True)):
            if chance > 0:
                self.state.mul_(1 - chance).addcmul_(self.prior, self.sum[:, None], value=chance)
            # most alleles are the reference: all rows first read one, then those that did not are
            # corrected
            self.state.mul_(reference)
            if some[site]:
                self.state[alternate[site]] *= (1 - reference) / reference
            if gaps[site]:
                self.state[missing[site]] /= reference
            self.sum = self.state.sum(dim=1)
            if self.sum.min() < SMALLEST:
                self.log_scale += self.sum.double().log()
                self.state /= self.sum[:, None]
                self.sum = torch.ones_like(self.sum)


class NumbersDescription(Description):
    """What was fitted."""

    segment_cm: Positive
    mutation_rate: float = Field(ge=BOUNDS["mutation_rate"][0], le=BOUNDS["mutation_rate"][1])
    own: Weight


class LiStephensDescription(HaplotypeDescription):
    """The words of such a model."""

    options: LiStephensOptions
    parameters: NumbersDescription


class LiStephensGenerator(MosaicGenerator):
    """Mosaic of all training haplotypes with fitted switches, mutations and population weight, and
    its likelihood.
    """

    name = "li_stephens"
    description_class = LiStephensDescription
    has_likelihood = True
    options_class = LiStephensOptions

    def fit(self, data: TrainingHaplotypes, run) -> None:
        super().fit(data, run)
        fitted, validation = np.flatnonzero(~data.validation), np.flatnonzero(data.validation)
        count = min(len(validation), self.options.fit_haplotypes)
        validation = validation[np.linspace(0, len(validation) - 1, count).astype(np.int64)]
        middle = max(0, (self.n_variants - self.options.fit_sites) // 2)
        sites = np.arange(middle, min(middle + self.options.fit_sites, self.n_variants))
        templates = HaplotypeView(self.training, sites, fitted)
        asked = HaplotypeView(data.haplotypes, sites, validation)

        fitted_numbers = [name for name in START if name != "own" or self.options.populations]

        def numbers(raw: np.ndarray) -> dict[str, float]:
            values = {"own": 0.0} | dict(zip(fitted_numbers, np.exp(raw).tolist(), strict=True))
            return {name: float(np.clip(x, *BOUNDS[name])) for name, x in values.items()}

        def loss(raw: np.ndarray) -> float:
            score = log_likelihood(
                templates, self.population[fitted], asked, self.population[validation],
                self.map_cm[sites], **numbers(raw)
            )  # fmt: skip
            return -float(score.mean())

        start = np.log([START[name] for name in fitted_numbers])
        best = minimize(
            loss,
            start,
            method="Nelder-Mead",
            options={"maxfev": EVALUATIONS, "initial_simplex": _simplex(start)},
        )
        self.parameters = numbers(best.x)

    @property
    def segment_cm(self) -> float:
        return self.parameters["segment_cm"]

    @property
    def mutation_rate(self) -> float:
        return self.parameters["mutation_rate"]

    def templates(self) -> WeightedTemplates:
        return WeightedTemplates(
            self.population, len(self.population_names), self.parameters["own"]
        )

    def log_likelihood(self, haplotypes: HaplotypeSource, population: np.ndarray) -> np.ndarray:
        return log_likelihood(
            self.training, self.population, haplotypes, population, self.map_cm, **self.parameters
        )

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays, description = super().state()
        return arrays, description | {"parameters": self.parameters}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "LiStephensGenerator":
        generator = super().from_state(arrays, description)
        generator.parameters = description["parameters"]
        return generator


def _simplex(start: np.ndarray) -> np.ndarray:
    """Starts of the search: the numbers, and each of them three times as large."""
    return start + np.log(3) * np.eye(len(start) + 1, len(start), k=-1)
