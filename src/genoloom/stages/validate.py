"""Compare synthetic haplotypes with the held-out half."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
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
from genoloom.formats.window_sums import read_sums, write_sums
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
from genoloom.validation.reference_values import (
    REFERENCE_VALUES,
    ReferenceValues,
    comparison_key,
    reference_key,
)
from genoloom.validation.rows import MetricRow, own_rows
from genoloom.validation.verdicts import Role
from genoloom.validation.window_sums import Window, add_sums, sums_of, windows_of

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


@dataclass(frozen=True)
class Collection:
    """How the individuals are read: what collectors of all windows have in common."""

    comparands: Comparands
    individuals: Comparison
    options: ValidateOptions
    seed: int
    real_known: bool

    @property
    def windows(self) -> list[Window]:
        """Of all contigs, in order."""
        sizes = [len(real.sites) for _, real in self.comparands.pairs]
        return windows_of(sizes, [self.options.windows(n) for n in sizes])

    def begin(self, before: int = 0) -> Collector:
        """A collector that has read nothing; `before` as of `Window`."""
        n_sites = sum(len(real.sites) for _, real in self.comparands.pairs)
        return Collector(
            self.individuals, n_sites, self.options.ld_window, self.seed,
            real_known=self.real_known, before=before,
        )  # fmt: skip

    def read(self, window: Window) -> dict[str, np.ndarray]:
        """What is summed in one window."""
        collected = self.begin(window.before)
        synthetic, real = self.comparands.pairs[window.contig]
        cm = genetic_positions(real.sites)[window.rows]
        collected.add(synthetic.take_sites(window.rows), real.take_sites(window.rows), cm)
        return sums_of(collected)

    def key(self, number: int) -> str:
        """Digest of what the sums of a window follow from, but for the alleles themselves."""
        synthetic, reals = self.comparands.pairs[0][0], [real for _, real in self.comparands.pairs]
        compared = comparison_key(
            self.individuals, reals, self.options, self.seed, self.comparands.phased
        )
        chosen = [synthetic.individuals.id[i] for i in self.individuals.synthetic_individuals]
        own = repr([compared, chosen, reals[0].individuals.id, self.real_known, number])
        return hashlib.sha256(own.encode()).hexdigest()

    def read_all(self, name: str, parts: Sequence[Path]) -> Collector:
        """What is summed on all contigs; windows that jobs of their own have read are `parts`."""
        collected, windows = self.begin(), self.windows
        if len(windows) > len(self.comparands.pairs):
            for number, window in enumerate(windows):
                read = read_sums(parts[number], self.key(number)) if parts else self.read(window)
                add_sums(collected, read)
                log.info("%s: window %d of %d read", name, number + 1, len(windows))
            return collected
        for synthetic, real in self.comparands.pairs:
            collected.add(synthetic, real, genetic_positions(real.sites))
            log.info("%s: contig %s read, %d sites", name, real.sites.contig, len(real.sites))
        return collected


def _measure(
    name: str,
    collection: Collection,
    known: ReferenceValues | None,
    table: tuple[Metric, ...] = TABLE,
    parts: Sequence[Path] = (),
) -> tuple[list[Measured], Data]:
    """Read all contigs, and take the metrics of the table."""
    comparands, options, seed = collection.comparands, collection.options, collection.seed
    collected = collection.read_all(name, parts)
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
    part: tuple[int, int] | None = None,
    parts: Sequence[Path] = (),
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
    part : (int, int), optional
        Read only this window (1-based) of so many, and write its sums to `out`, for `parts`. Only
        whether there are `reference_values` matters then.
    parts : sequence of Path
        The sums of all windows, in order: the same table as without them.

    Raises
    ------
    InputError
        `reference_values` is no such file; `part` or `parts` are not as many as the windows, or of
        others; or see `compare`.
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
    if part or parts:
        collection = Collection(
            comparands, individuals, options, seed, real_known=reference_values is not None
        )
        number, windows = part[1] if part else len(parts), collection.windows
        if number != len(windows) or number == len(comparands.pairs):
            raise InputError(
                "--part" if part else "--parts", f"{number} windows",
                expected=f"{len(windows)}, by the sites and --window, and more than contigs",
            )  # fmt: skip
    if part:
        write_sums(out, collection.key(part[0] - 1), collection.read(windows[part[0] - 1]))
        return
    key = _key(comparands, individuals, options, seed)
    diploids, of_diploids = comparands.diploids, None
    if diploids is not None:
        of_diploids = _enough(diploids, options, seed)
    if of_diploids is not None:
        own_key = _key(diploids, of_diploids, options, seed)
        key = hashlib.sha256(f"{key} {own_key}".encode()).hexdigest()
    known = read_reference_values(reference_values, key) if reference_values else None
    real_known = known is not None
    collection = Collection(comparands, individuals, options, seed, real_known)
    measured, data = _measure(name, collection, known, table, parts)
    if of_diploids is not None:
        log.info(
            "%s: metrics of genotypes are those of %s each who have two haplotypes",
            name, individuals_count(of_diploids.n),
        )  # fmt: skip
        collection = Collection(diploids, of_diploids, options, seed, real_known)
        own, _ = _measure(name, collection, known, OF_GENOTYPES)
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
