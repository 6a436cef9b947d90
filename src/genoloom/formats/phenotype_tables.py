"""Phenotypes and covariates in the dialects of plink2 and REGENIE.

plink2: `#IID` or `#FID IID` first, cases 2 and controls 1. REGENIE: `FID IID` first, cases 1 and
controls 0. Missing values are NA in both. https://www.cog-genomics.org/plink/2.0/input#pheno and
https://rgcgithub.github.io/regenie/options/
"""

import math
from pathlib import Path

import numpy as np

from genoloom.formats.tables import table_writer

PRIVATE = 0o600
SEX_CODES = {"male": 1.0, "female": 2.0}


def write_plink2(
    path: Path, names: list[tuple[str, str]], columns: dict[str, np.ndarray], binary: set[str]
) -> None:  # fmt: skip
    """A .pheno or .covar of plink2; `binary` columns of 0, 1 and nan become 1, 2 and NA.

    `names` are FID and IID of each individual. The column FID is there where one is not 0.
    """
    shifted = {name: v + 1 if name in binary else v for name, v in columns.items()}
    if any(family != "0" for family, _ in names):
        _write(path, ["#FID", "IID"], names, shifted)
    else:
        _write(path, ["#IID"], [(name,) for _, name in names], shifted)


def write_regenie(
    path: Path, names: list[tuple[str, str]], columns: dict[str, np.ndarray]
) -> None:  # fmt: skip
    """A table for `--phenoFile` or `--covarFile` of REGENIE; binary columns are 0, 1 and nan."""
    _write(path, ["FID", "IID"], names, columns)


def _write(
    path: Path, header: list[str], names: list[tuple[str, ...]], columns: dict[str, np.ndarray]
) -> None:  # fmt: skip
    with table_writer(path, [*header, *columns]) as write:
        for i, name in enumerate(names):
            write([*name, *(_cell(column[i]) for column in columns.values())])
    path.chmod(PRIVATE)


def _cell(value: float) -> str:
    return "NA" if math.isnan(value) else f"{value:.8g}"
