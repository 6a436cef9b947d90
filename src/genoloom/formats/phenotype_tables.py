"""Phenotypes and covariates in the dialects of plink2 and REGENIE.

plink2: `#IID` first, cases 2 and controls 1. REGENIE: `FID IID` first, cases 1 and controls 0.
Missing values are NA in both. https://www.cog-genomics.org/plink/2.0/input#pheno and
https://rgcgithub.github.io/regenie/options/
"""

import math
from pathlib import Path

import numpy as np

from genoloom.formats.tables import table_writer
from genoloom.panel import People

PRIVATE = 0o600
SEX_CODES = {"male": 1.0, "female": 2.0}


def write_plink2(
    path: Path, people: People, columns: dict[str, np.ndarray], binary: set[str]
) -> None:  # fmt: skip
    """A .pheno or .covar of plink2; `binary` columns of 0, 1 and nan become 1, 2 and NA."""
    shifted = {name: v + 1 if name in binary else v for name, v in columns.items()}
    _write(path, {"#IID": people.id}, shifted)


def write_regenie(path: Path, people: People, columns: dict[str, np.ndarray]) -> None:
    """A table for `--phenoFile` or `--covarFile` of REGENIE; binary columns are 0, 1 and nan.

    FID is the family; 0, as plink2 takes it, where there is none.
    """
    _write(path, {"FID": [family or "0" for family in people.family], "IID": people.id}, columns)


def _write(path: Path, names: dict[str, list[str]], columns: dict[str, np.ndarray]) -> None:
    with table_writer(path, [*names, *columns]) as write:
        for i in range(len(names[next(iter(names))])):
            values = (_cell(column[i]) for column in columns.values())
            write([*(name[i] for name in names.values()), *values])
    path.chmod(PRIVATE)


def _cell(value: float) -> str:
    return "NA" if math.isnan(value) else f"{value:.8g}"
