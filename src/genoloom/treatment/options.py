"""The options of `genoloom treatment-effects`: the knobs of the planted trial."""

from typing import Annotated

from pydantic import Field

from genoloom.config_section import FiniteSection


class TrialOptions(FiniteSection):
    """How hard the planted trial is, and how it is repeated."""

    individuals: int | None = Field(
        None, ge=100, description="Individuals of each training set, drawn with replacement where"
        " there are fewer; none: as many as the smaller of train and synthetic has.",
    )  # fmt: skip
    draws: Annotated[int, Field(ge=1, le=1000)] = Field(
        3, description="Trials on the same genotypes; figures are means over them."
    )
    overlap: Annotated[float, Field(gt=0, le=0.5)] = Field(
        0.1, description="Least probability of either treatment; 0.5 is a randomised trial."
    )
    confounding: Annotated[float, Field(ge=0, le=10)] = Field(
        1.0, description="Change in log-odds of treatment 1 for one sd of prognosis."
    )
    heterogeneity: Annotated[float, Field(ge=0, le=10)] = Field(
        1.0, description="Factor of all that makes effects differ; 0 is one effect for everybody."
    )
    hidden: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0, description="Strength of a confounder that is not measured; 0 is none."
    )
    noise: Annotated[float, Field(gt=0, le=1000)] = Field(
        12.0, description="Standard deviation of the outcome given all else, in per cent."
    )
    cost: float = Field(10.0, description="Gain that treatment 1 must bring, in per cent.")
