"""Compare synthetic haplotypes with the held-out half."""

import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from genoloom import __version__
from genoloom.config import ValidateOptions
from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.provenance import Making, numbered, record_path
from genoloom.formats.tables import read_records, write_records
from genoloom.models.haplotype import BASELINES
from genoloom.panel import genetic_positions
from genoloom.panels.comparands import Comparands
from genoloom.programs.rephasing import measure_switch_errors
from genoloom.seeds import derive_seed
from genoloom.validation.accumulators import MIN_POPULATION, Collector
from genoloom.validation.cohorts import Comparison, compare
from genoloom.validation.data import Data
from genoloom.validation.fidelity import fidelity_rows, real_rows
from genoloom.validation.metric_table import (
    OF_GENOTYPES,
    TABLE,
    Measured,
    Metric,
    measure_all,
    measure_synthetic,
)
from genoloom.validation.plot_data import plot_data
from genoloom.validation.reference_values import REFERENCE_VALUES, ReferenceValues, reference_key
from genoloom.validation.rows import MetricRow, own_rows
from genoloom.validation.verdicts import Role

log = logging.getLogger(__name__)


def provenance(comparands: Comparands, options: ValidateOptions, seed: int) -> dict:
    """Seed, digests and versions of a set of metrics; no paths, no individuals."""
    h = hashlib.sha256()
    for synthetic, real in comparands.pairs:
        h.update(real.sites.digest().encode())
        for panel in (synthetic, real):
            for _, _, alleles in panel.blocks():
                h.update(np.ascontiguousarray(alleles).tobytes())
    return {
        "seed": seed,
        "data_digest": h.hexdigest(),
        "options_digest": hashlib.sha256(options.model_dump_json().encode()).hexdigest(),
        "versions": {"genoloom": __version__}
        | {name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
    }


def read_reference_values(path: Path, key: str) -> ReferenceValues | None:
    """What real individuals score, as another generator's validation wrote it; None where it is of
    other individuals, options or versions.
    """
    try:
        found = ReferenceValues.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise InputError(path, "not found", remedy="leave --reference-values out") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            path,
            f"cannot be read ({type(error).__name__})",
            expected=f"a {REFERENCE_VALUES} of `genoloom validate`",
        ) from None
    if found.key == key:
        return found
    log.info("the reference values are of other individuals or options: measured anew")
    return None


def _key(
    comparands: Comparands, individuals: Comparison, options: ValidateOptions, seed: int
) -> str:
    reals = [real for _, real in comparands.pairs]
    return reference_key(individuals, reals, options, seed, comparands.phased)


def _enough(comparands: Comparands, options: ValidateOptions, seed: int) -> Comparison | None:
    """Who is compared, where they are as many as a population needs to be shown."""
    synthetic, real = comparands.pairs[0]
    with suppress(InputError):  # no population has enough
        found = compare(
            synthetic.individuals, real.individuals, comparands.roles, options.n_permutations, seed
        )
        return found if found.n >= MIN_POPULATION else None
    return None


def _measure(
    name: str,
    comparands: Comparands,
    individuals: Comparison,
    options: ValidateOptions,
    seed: int,
    known: ReferenceValues | None,
    table: tuple[Metric, ...] = TABLE,
) -> tuple[list[Measured], Data]:
    """Read all contigs, and take the metrics of the table."""
    n_sites = sum(len(real.sites) for _, real in comparands.pairs)
    collected = Collector(
        individuals, n_sites, options.ld_window, seed, real_known=known is not None
    )
    for synthetic, real in comparands.pairs:
        collected.add(synthetic, real, genetic_positions(real.sites))
        log.info("%s: contig %s read, %d sites", name, real.sites.contig, len(real.sites))
    data = Data(collected, options.components, seed, comparands.phased, comparands.diploid)
    if known is None:
        return measure_all(data, table), data
    return measure_synthetic(data, known.scores, table), data


def validate(
    *,
    name: str,
    comparands: Comparands,
    baselines: list[Path],
    out: Path,
    details: Path | None,
    options: ValidateOptions,
    seed: int,
    role: Role | None = None,
    sources: Mapping[str, Path] | None = None,
    reference_values: Path | None = None,
    table: tuple[Metric, ...] = TABLE,
) -> None:
    """Write the fidelity table of `name`, with the baselines' rows, and the data of the report's
    plots. Next to the table is `reference_values.json`: what real individuals score.

    Parameters
    ----------
    role : Role, optional
        By the name when not given.
    comparands : Comparands
        Of `open_comparands`: the workflow's files, or files of any tool.
    baselines : list of Path
        Fidelity tables of baselines.
    details : Path, optional
        JSON to write.
    sources : mapping of str to Path, optional
        Of `source_files`: whose digests are recorded next to the table.
    reference_values : Path, optional
        The file of another generator. Where it is of the same individuals and options, the real
        ones are not measured again: the table is the same with and without it, and the file next
        to the table a copy.
    table : tuple of Metric
        The metrics to measure. Switch errors are measured next to all of them only.

    Raises
    ------
    InputError
        `reference_values` is no such file; or see `compare`.
    """
    record = Making("validate", {**(sources or {}), **numbered("baseline", baselines)})
    synthetic, real = comparands.pairs[0]
    individuals = compare(
        synthetic.individuals, real.individuals, comparands.roles, options.n_permutations, seed
    )
    log.info(
        "%s: comparing %s each of synthetic, held-out and training ones",
        name,
        individuals_count(individuals.n),
    )
    key = _key(comparands, individuals, options, seed)
    diploids, of_diploids = comparands.diploids, None
    if diploids is not None:
        of_diploids = _enough(diploids, options, seed)
    if of_diploids is not None:
        own_key = _key(diploids, of_diploids, options, seed)
        key = hashlib.sha256(f"{key} {own_key}".encode()).hexdigest()
    known = read_reference_values(reference_values, key) if reference_values else None
    measured, data = _measure(name, comparands, individuals, options, seed, known, table)
    if of_diploids is not None:
        log.info(
            "%s: metrics of genotypes are those of %s each who have two haplotypes",
            name, individuals_count(of_diploids.n),
        )  # fmt: skip
        own, _ = _measure(name, diploids, of_diploids, options, seed, known, OF_GENOTYPES)
        found = {m.metric.name: replace(m, n=of_diploids.n) for m in own}
        measured = [found.get(m.metric.name, m) for m in measured]
    scores = [m.real_score() for m in measured]
    if table is TABLE and options.phaser != "none" and comparands.phased and comparands.diploid:
        measured.append(
            measure_switch_errors(comparands.pairs, individuals, derive_seed(seed, "phaser"))
        )
    role = role or (Role.BASELINE if name in BASELINES else Role.GENERATOR)
    own = fidelity_rows(measured, name, role, individuals.n)
    rows = own + real_rows(measured, individuals.n)
    rows += own_rows((read_records(path, MetricRow) for path in baselines), BASELINES)
    if details is not None:
        drawn = plot_data(data) | {"phased": comparands.phased, "site_account": comparands.sites}
        drawn["provenance"] = provenance(comparands, options, seed)
        with write_beside(details) as [part]:
            part.write_text(json.dumps(drawn) + "\n")
    values = ReferenceValues(key=key, scores=scores)
    own_values = out.with_name(REFERENCE_VALUES)
    with write_beside(own_values) as [part]:
        part.write_text(json.dumps(values.model_dump()) + "\n")
    write_records(out, MetricRow, rows)
    record.write(record_path(out.with_suffix("")), [out, own_values], options, seed=seed)
    for row in own:
        if row.of_all:
            log.info("%s", row)
