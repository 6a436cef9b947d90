"""Files of statistics of a private cohort: what a model in mode `statistics` knows of it."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genoloom.errors import InputError
from genoloom.formats.models import save_model
from genoloom.formats.tensors import TensorFile, digest_tensors

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
AGAIN = "measure again with `genoloom panel measure`"


class Words(BaseModel):
    """A part of what such a file says."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Guarantee(Words):
    """What is guaranteed, and by what: it goes into every model that uses the statistics.

    Attributes
    ----------
    epsilon, delta : float or None
        Of everything that was ever measured of the cohort, this included; None where there is no
        noise and so no guarantee.
    mu : float or None
        The same as Gaussian differential privacy.
    mu_of_this : float or None
        Of this measurement alone.
    noise : str
        "secret key": cannot be guessed; "seed": can, for tests alone; "none".
    noise_multiplier : float or None
        Standard deviation of the noise over the sensitivity, of the sums.
    sensitivity : dict of str to float
        Of each population's sum: largest length of an individual's vector.
    """

    mode: Literal["statistics"] = "statistics"
    epsilon: Positive | None
    delta: Positive | None
    mu: Positive | None
    mu_of_this: Positive | None
    mechanism: str
    unit: str = "an individual: both haplotypes on all contigs; neighbours have one more or fewer"
    noise: Literal["secret key", "seed", "none"]
    noise_multiplier: Positive | None
    sensitivity: dict[str, Positive]


class Statistics(Words):
    """What such a file says in addition to its arrays.

    Attributes
    ----------
    stands_for : dict of str to str
        Each population of the cohort, and the public one that it is drawn as.
    weights : dict of str to dict
        Of each population over the public ones, those above 0.
    counts : dict of str to float
        Noised numbers of individuals; none without noise.
    contigs : dict of str to str
        Digest of the sites of each.
    """

    format: Literal[1] = 1
    guarantee: Guarantee
    stands_for: dict[str, str]
    weights: dict[str, dict[str, Share]]
    counts: dict[str, float]
    contigs: dict[str, str]
    digest: str = ""


def write_statistics(path: Path, words: Statistics, arrays: dict[str, np.ndarray]) -> None:
    """Write `path` (.safetensors) and the same name with .json; both appear together."""
    save_model(path, arrays, words.model_dump(exclude={"digest"}))


def read_statistics(path: Path) -> tuple[Statistics, dict[str, np.ndarray]]:
    """What `write_statistics` wrote.

    Raises
    ------
    InputError
        The file is missing or damaged.
    """
    with TensorFile(path, "file of statistics", remedy=AGAIN) as file:
        said = file.words("description")
        try:
            words = Statistics.model_validate(said)
        except ValidationError as error:
            place = ".".join(map(str, error.errors()[0]["loc"]))[:200]
            raise InputError(path, f"is damaged: '{place}'", remedy=AGAIN) from None
        arrays = {name: file.read(name) for name in file.headers}
    if words.digest != digest_tensors(said, arrays):
        raise InputError(path, "is damaged: its content is not what was written", remedy=AGAIN)
    return words, arrays
