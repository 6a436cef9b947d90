"""The configuration of personalised medicine: phenotypes, tasks of utility, planted trials."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from genoloom.config_section import FiniteSection, Section

NOISE = 12.0, 3.0  # of a single measurement, of a mean over 16
TASKS = ("imputation", "association", "scores", "ancestry")


class PhenotypeOptions(Section):
    """Phenotypes with known genetic effects, for real and synthetic individuals."""

    traits: str | None = Field(
        None, description="Trait sheet (docs/personalised_medicine.md); null makes no phenotypes."
    )


class UtilityOptions(FiniteSection):
    """What synthetic haplotypes are worth for daily work in genetics."""

    tasks: str = Field(",".join(TASKS), description="Tasks, separated by commas.")
    sites: int = Field(
        12_000,
        ge=500,
        description="Sites that are read at most, in windows of 3,000 spread evenly.",
    )
    targets: int = Field(
        120,
        ge=21,
        description="Held-out individuals that are imputed, equally many per population.",
    )
    array_bp: int = Field(
        4000, ge=1, description="Base pairs per observed site of the imputed individuals."
    )
    beagle: Literal["auto", "none"] = Field(
        "auto", description="Impute with Beagle too, where it is found."
    )
    minimac4: Literal["auto", "none"] = Field(
        "auto", description="Impute with minimac4 too, where it is found."
    )
    missing: str = Field(
        "0.25,0.5",
        description="Shares of calls that are missing at random, separated by commas; these are "
        "imputed as well. Empty: none.",
    )
    panel_populations: str | None = Field(
        None,
        description="TARGET:OTHER, such as AFR:EUR: individuals of TARGET are also imputed with "
        "haplotypes of TARGET alone, and with real ones of OTHER.",
    )
    traits: Annotated[int, Field(ge=5, le=1000)] = Field(
        40, description="Planted traits, and as many null traits."
    )
    binary_traits: Annotated[int, Field(ge=0, le=1000)] = Field(
        10, description="Of these, traits that are scanned as binary ones too; 0 is none."
    )
    prevalence: Annotated[float, Field(ge=0.01, le=0.5)] = Field(
        0.2, description="Of a binary trait."
    )
    causal: int = Field(10, ge=1, description="Causal sites of a planted trait.")
    heritability: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="Of a planted trait."
    )

    @field_validator("tasks")
    @classmethod
    def _known(cls, text: str) -> str:
        names = text.split(",")
        if not set(names) <= set(TASKS):
            raise ValueError(f"tasks are {', '.join(TASKS)}")
        return text

    @field_validator("missing")
    @classmethod
    def _shares(cls, text: str) -> str:
        for part in filter(None, text.split(",")):
            if not re.fullmatch(r"0?\.\d{1,4}", part.strip()) or not float(part):
                raise ValueError("give shares between 0 and 1, such as 0.25,0.5")
        return text

    @field_validator("panel_populations")
    @classmethod
    def _two(cls, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(r"[^:]+:[^:]+", text):
            raise ValueError("give TARGET:OTHER, such as AFR:EUR")
        return text

    @property
    def missing_shares(self) -> list[float]:
        return [float(part) for part in self.missing.split(",") if part]


class Switched(Section):
    """A part of the workflow that runs where it is asked for."""

    enabled: bool = Field(False, description="Whether the workflow runs it.")


class UtilitySection(UtilityOptions, Switched):
    """Imputation, association, polygenic scores and ancestry with every generator's haplotypes."""


class TrialOptions(FiniteSection):
    """How hard the planted trial is, and how it is repeated."""

    modifier: str | None = Field(
        None, description="CONTIG:POSITION:REF:ALT of a variant whose alternate allele is planted"
        " as a loss of function, in place of the star alleles of CYP2C19.",
    )  # fmt: skip
    outcome: Literal["inhibition", "events", "warfarin"] = Field(
        "inhibition", description="Inhibition of platelets; rare events that loss of function"
        " makes more frequent; or time in range on guided and fixed doses of warfarin (CYP2C9,"
        " VKORC1).",
    )  # fmt: skip
    causal_forest: bool = Field(
        False, description="Also train a causal forest, by econml: pip install 'genoloom[ite]'."
    )
    individuals: int | None = Field(
        None, ge=100, description="Individuals of each training set, drawn with replacement where"
        " there are fewer; none: as many as the smaller of train and synthetic has.",
    )  # fmt: skip
    draws: Annotated[int, Field(ge=1, le=1000)] = Field(
        3, description="Trials on the same genotypes; metrics are means over them."
    )
    overlap: Annotated[float, Field(gt=0, le=0.5)] = Field(
        0.1, description="Least probability of either treatment; 0.5 is a randomised trial."
    )
    confounding: Annotated[float, Field(ge=0, le=10)] = Field(
        1.0, description="Change in log-odds of treatment 1 for one sd of prognosis."
    )
    heterogeneity: Annotated[float, Field(ge=0, le=10)] = Field(
        1.0,
        description="Factor on all that makes effects differ; 0 gives everybody the same effect.",
    )
    hidden: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0, description="Strength of a confounder that is not measured; 0 is none."
    )
    noise: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        None, description="Residual standard deviation of the outcome, in per cent; null takes 12,"
                          " and 3 for the time in range, which is a mean over many visits.",
    )  # fmt: skip
    imbalance: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="Imbalance of ancestry: the share of individuals of other populations than"
        " the largest that training sets lack; 0 takes the files as they are, 1 the largest alone.",
    )  # fmt: skip
    cost: float = Field(10.0, description="Gain that treatment 1 must bring, in per cent.")

    @property
    def outcome_noise(self) -> float:
        return self.noise or NOISE[self.outcome == "warfarin"]

    @field_validator("modifier")
    @classmethod
    def _a_variant(cls, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(r"[^:\s]+:[1-9]\d{0,9}:[ACGT]+:[ACGT]+", text):
            raise ValueError("give CONTIG:POSITION:REF:ALT, such as 20:1389695:T:C")
        return text


class TrialSection(TrialOptions, Switched):
    """Treatment effects learned from every generator's haplotypes, in a planted trial."""

    build: Literal["GRCh37", "GRCh38"] | None = Field(
        None, description="Genome build of the panels, for the star alleles of CYP2C19."
    )


class StarAlleleSection(Switched):
    """Star alleles of pharmacogenes in every generator's haplotypes."""

    build: Literal["GRCh37", "GRCh38"] | None = Field(
        None, description="Genome build of the panels; needed."
    )
    genes: str | None = Field(
        None,
        description="Names, separated by commas; null takes all that a panel has a variant of.",
    )

    @model_validator(mode="after")
    def _has_a_build(self) -> "StarAlleleSection":
        if self.enabled and self.build is None:
            raise ValueError("star_alleles.build is not given: GRCh37 or GRCh38")
        return self
