"""Trait sheets (TOML or YAML), and the file of drawn effects (JSON), which holds a sheet and all
that was drawn for it.
"""

import json
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from pydantic import ValidationError

from genoloom.errors import ConfigError, InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.text import read_json, text_lines
from genoloom.traits import TraitSheet

FORMAT = "genoloom effects 1"
MAKE = "make it with `genoloom phenotypes --traits TRAITS --effects FILE`"


@dataclass(frozen=True)
class SiteTable:
    """Sites of any contigs (without "chr"), and the frequency of the alternate allele among the
    individuals that effects were drawn on. Columns of equal length; positions are 1-based.
    """

    contig: list[str]
    position: np.ndarray
    ref: list[str]
    alt: list[str]
    frequency: np.ndarray

    def __len__(self) -> int:
        return len(self.contig)


@dataclass(frozen=True)
class PlantedEffects:
    """The structural model of phenotypes.

    Attributes
    ----------
    sheet : TraitSheet
    sites : SiteTable
        Causal sites of any trait.
    effects : dict of ndarray, float64, shape (n_traits, n_sites)
        Of the alternate allele, by population; "" for all others.
    centre : ndarray, float64, shape (n_traits,)
        Mean genetic value among the individuals that effects were drawn on.
    threshold : ndarray, float64, shape (n_traits,)
        Liability above which individuals are cases; nan for quantitative traits.
    axes : SiteTable
        Sites of the principal components.
    loadings : ndarray, float64, shape (n_components, n_axes_sites)
        On dosages less twice the frequency.
    """

    sheet: TraitSheet
    sites: SiteTable
    effects: dict[str, np.ndarray]
    centre: np.ndarray
    threshold: np.ndarray
    axes: SiteTable
    loadings: np.ndarray


def read_trait_sheet(path: str | Path) -> TraitSheet:
    """The traits of a sheet: TOML where the name ends in .toml, else YAML.

    Raises
    ------
    InputError
        The file is missing or is neither.
    ConfigError
        Lists every problem: unknown keys, wrong types, values out of bounds, contradictions.
    """
    text = "\n".join(line for _, line in text_lines(path))
    try:
        values = tomllib.loads(text) if str(path).endswith(".toml") else yaml.safe_load(text)
    except (yaml.YAMLError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        kind = "TOML" if str(path).endswith(".toml") else "YAML"
        raise InputError(path, f"is no {kind} ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise InputError(path, "is no mapping of keys to values", expected="traits: and a list")
    return _sheet(path, values)


def _sheet(path: str | Path, values: dict) -> TraitSheet:
    try:
        return TraitSheet.model_validate(values)
    except ValidationError as error:
        raise ConfigError(path, [_problem(problem) for problem in error.errors()]) from None


def _problem(problem: dict) -> tuple[str, str, str]:
    key = ".".join(str(p + 1 if isinstance(p, int) else p) for p in problem["loc"]) or "sheet"
    if problem["type"] == "extra_forbidden":
        return key, "", "unknown key"
    value = "" if isinstance(problem["input"], dict) else repr(problem["input"])[:60]
    message = problem["msg"].removeprefix("Value error, ")
    return key, value, message[0].lower() + message[1:]


def write_planted_effects(path: str | Path, planted: PlantedEffects) -> None:
    """Write drawn effects as JSON; nothing partial is left."""
    values = {
        "format": FORMAT,
        "sheet": planted.sheet.model_dump(exclude_none=True),
        "sites": _columns(planted.sites),
        "effects": {name: effects.tolist() for name, effects in planted.effects.items()},
        "centre": planted.centre.tolist(),
        "threshold": [None if math.isnan(t) else t for t in planted.threshold.tolist()],
        "axes": _columns(planted.axes),
        "loadings": planted.loadings.tolist(),
    }
    with write_beside(path) as [part]:
        part.write_text(json.dumps(values) + "\n")


def _columns(sites: SiteTable) -> dict[str, list]:
    return {
        "contig": sites.contig, "position": sites.position.tolist(), "ref": sites.ref,
        "alt": sites.alt, "frequency": sites.frequency.tolist(),
    }  # fmt: skip


def read_planted_effects(path: str | Path) -> PlantedEffects:
    """Effects that `write_planted_effects` wrote.

    Raises
    ------
    InputError, ConfigError
        The file is missing, is no such file, or its parts do not fit each other.
    """
    keys = ("format", "sheet", "sites", "effects", "centre", "threshold", "axes", "loadings")
    values = read_json(path, keys, MAKE)
    if values["format"] != FORMAT or not isinstance(values["sheet"], dict):
        raise InputError(path, "is no file of effects", expected=FORMAT, remedy=MAKE)
    sheet = _sheet(path, values["sheet"])
    n = len(sheet.traits)
    try:
        sites, axes = _sites(values["sites"]), _sites(values["axes"])
        given = values["effects"].items()
        effects = {str(name): _numbers(rows, (n, len(sites))) for name, rows in given}
        threshold = [0.0 if t is None else t for t in values["threshold"]]
        planted = PlantedEffects(
            sheet, sites, effects, _numbers(values["centre"], (n,)), _numbers(threshold, (n,)),
            axes, _numbers(values["loadings"], (sheet.components, len(axes))),
        )  # fmt: skip
        if "" not in effects:
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise InputError(path, "holds parts that do not fit each other", remedy=MAKE) from None
    return planted


def _sites(columns: dict) -> SiteTable:
    names = ("contig", "ref", "alt")
    texts = [[text for text in columns[name] if isinstance(text, str) and text] for name in names]
    n = len(columns["contig"])
    position = np.array(columns["position"]).reshape(n)
    if n and position.dtype.kind != "i":
        raise ValueError
    frequency = _numbers(columns["frequency"], (n,))
    if any(len(text) != n for text in texts) or ((frequency < 0) | (frequency > 1)).any():
        raise ValueError
    return SiteTable(texts[0], position.astype(np.int64), texts[1], texts[2], frequency)


def _numbers(values: list, shape: tuple[int, ...]) -> np.ndarray:
    array = np.array(values, dtype=np.float64)
    if 0 in shape and array.size == 0:
        return np.zeros(shape)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError
    return array
