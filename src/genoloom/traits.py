"""The trait sheet: what phenotypes are simulated from. No file access; `formats.trait_sheets` reads
the file.

Variances are shares of the liability's (binary traits) or of the trait's (quantitative ones), which
is 1 among the individuals that effects are drawn on, shifts of populations apart.
"""

import re
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from genoloom.config_section import FiniteSection, Share

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Correlation = Annotated[float, Field(gt=-1, lt=1)]
Numbers = dict[str, float]
Correlations = dict[str, Annotated[float, Field(ge=-1, le=1)]]
# columns of the tables
RESERVED = {"fid", "iid", "sid", "pat", "mat", "sex", "individual", "population"}
MOST_COMPONENTS = 20


class Causal(FiniteSection):
    """Which sites cause a trait: one of `number`, `share`, `file` and `score`."""

    number: int | None = Field(None, ge=1, description="This many sites, drawn at random.")
    share: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="This share.")
    file: str | None = Field(None, description="Table: contig, position, ref, alt[, effect].")
    score: str | None = Field(None, description="Scoring file of the PGS Catalog.")
    min_maf: Annotated[float, Field(ge=0, lt=0.5)] = Field(0.01, description="Of sites to draw.")
    max_maf: Annotated[float, Field(gt=0, le=0.5)] = Field(0.5, description="Of sites to draw.")
    min_overlap: Share = Field(0.75, description="Share of the sites of a file that must be there.")

    @model_validator(mode="after")
    def _one_source(self):
        if sum(x is not None for x in (self.number, self.share, self.file, self.score)) != 1:
            raise ValueError("give one of number, share, file and score")
        return self


class Covariate(FiniteSection):
    """A covariate: normal with `mean` and `sd`, or 1 for a `share` of individuals, else 0."""

    mean: float | None = None
    sd: Annotated[float, Field(gt=0)] | None = None
    share: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _one_kind(self):
        if (self.share is None) != (self.mean is not None and self.sd is not None):
            raise ValueError("give mean and sd, or share")
        return self


class Trait(FiniteSection):
    """A trait: genetic value + covariates + shift of the population + normal noise."""

    name: Name
    type: Literal["quantitative", "binary"] = "quantitative"
    heritability: Share
    prevalence: Annotated[float, Field(gt=0, lt=1)] | None = None
    causal: Causal
    # Schoech et al. 2019, doi:10.1038/s41467-019-08424-6: mean over 25 traits
    alpha: Annotated[float, Field(ge=-2, le=2)] = -0.38
    mean: float = 0.0
    sd: Annotated[float, Field(gt=0)] = 1.0
    covariates: Numbers = Field(default_factory=dict)
    environment: Numbers = Field(default_factory=dict)
    population_effects: Correlations = Field(default_factory=dict)
    missing: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    def noise_variance(self) -> float:
        return 1 - self.heritability - sum(slope**2 for slope in self.covariates.values())

    @model_validator(mode="after")
    def _consistent(self):
        if (self.type == "binary") != (self.prevalence is not None):
            raise ValueError("prevalence is of binary traits, and they need it")
        if self.noise_variance < -1e-9:
            raise ValueError("heritability and squared slopes of covariates are more than 1 in all")
        return self


class Pair(FiniteSection):
    """Correlations of two traits."""

    traits: tuple[str, str]
    genetic: Correlation = 0.0
    environmental: Correlation = 0.0


class TraitSheet(FiniteSection):
    """All traits of a study."""

    traits: Annotated[list[Trait], Field(min_length=1)]
    build: Literal["GRCh37", "GRCh38"] | None = None
    components: Annotated[int, Field(ge=0, le=MOST_COMPONENTS)] = 0
    covariates: dict[Name, Covariate] = Field(default_factory=dict)
    correlations: list[Pair] = Field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [trait.name for trait in self.traits]

    @property
    def covariate_names(self) -> list[str]:
        """In the order of the tables: sex, covariates of the sheet, principal components."""
        return ["sex", *self.covariates, *(f"PC{i + 1}" for i in range(self.components))]

    def correlation(self, kind: Literal["genetic", "environmental"]) -> np.ndarray:
        """Correlation matrix of the traits, float64, shape (n_traits, n_traits)."""
        matrix, at = np.eye(len(self.traits)), {name: i for i, name in enumerate(self.names)}
        for pair in self.correlations:
            i, j = (at[name] for name in pair.traits)
            matrix[i, j] = matrix[j, i] = getattr(pair, kind)
        return matrix

    def groups(self) -> list[list[int]]:
        """Traits that are genetically correlated, directly or through others, together."""
        linked = self.correlation("genetic") != 0
        left, groups = list(range(len(self.traits))), []
        while left:
            group = [left.pop(0)]
            for member in group:
                group += [i for i in left if linked[member, i]]
                left = [i for i in left if i not in group]
            groups.append(sorted(group))
        return groups

    @model_validator(mode="after")
    def _consistent(self):
        columns = [name.lower() for name in [*self.names, *self.covariates]]
        for name in columns:
            if columns.count(name) > 1 or name in RESERVED or re.fullmatch(r"pc\d+", name):
                raise ValueError(f"the name '{name}' is taken; capitals make no difference")
        for trait in self.traits:
            for name in trait.covariates:
                if name not in self.covariate_names:
                    known = ", ".join(self.covariate_names)
                    raise ValueError(f"{trait.name}: no covariate '{name}'; there are {known}")
        for pair in self.correlations:
            for name in pair.traits:
                if name not in self.names:
                    raise ValueError(f"correlations: no trait '{name}'")
            if pair.traits[0] == pair.traits[1]:
                raise ValueError(f"correlations: '{pair.traits[0]}' with itself")
        seen = [frozenset(pair.traits) for pair in self.correlations]
        if len(set(seen)) != len(seen):
            raise ValueError("correlations: a pair is listed twice")
        for kind in ("genetic", "environmental"):
            if np.linalg.eigvalsh(self.correlation(kind)).min() < 1e-6:
                raise ValueError(f"the {kind} correlations contradict each other")
        for group in self.groups():
            first, *others = (self.traits[i] for i in group)
            for other in others:
                if (other.causal, other.alpha) != (first.causal, first.alpha):
                    both = f"'{first.name}' and '{other.name}' are genetically correlated"
                    raise ValueError(f"{both}, so causal and alpha must be the same")
            least = min(self.traits[i].heritability for i in group)
            if others and (first.causal.score or least == 0):
                needs = "genetic correlation needs drawn effects and a heritability"
                raise ValueError(f"'{first.name}': {needs}")
        return self
