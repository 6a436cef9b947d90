"""Compare synthetic haplotypes with the held-out half."""

import json
import logging
from pathlib import Path

from genoloom.config import ValidateOptions
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.pgen import open_panel
from genoloom.formats.splits import read_roles
from genoloom.formats.tables import read_table, write_table
from genoloom.models.haplotype import BASELINES
from genoloom.panel import Panel
from genoloom.validation.cohorts import compare, match_sites
from genoloom.validation.fidelity import COLUMNS, Accumulator, Metrics, fidelity_rows, real_rows
from genoloom.validation.figures import figure_data

log = logging.getLogger(__name__)


def open_pairs(synthetic: list[Path], panels: list[Path]) -> list[tuple[Panel, Panel]]:
    """Synthetic and real panels, contig by contig, at the same sites.

    Raises
    ------
    InputError
        The contigs or sites do not match, or files of one side differ in their people.
    """
    real_of = {panel.sites.contig: panel for panel in map(open_panel, panels)}
    pairs = []
    for path in synthetic:
        made = open_panel(path)
        if made.sites.contig not in real_of:
            raise InputError(path, f"no panel of contig {made.sites.contig}", expected=f"one of {', '.join(real_of)}")
        pairs.append(match_sites(made, real_of[made.sites.contig]))
    for path, (made, real) in zip(synthetic, pairs, strict=True):
        if made.people.id != pairs[0][0].people.id or real.people.id != pairs[0][1].people.id:
            raise InputError(path, "has other people than the first contig", expected="the same people on every contig")
    return pairs


def control_rows(paths: list[Path]) -> list[dict]:
    """The own rows of the baselines' tables, as controls."""
    rows = [row for path in paths for row in read_table(path)]
    return [row for row in rows if row["row"] in BASELINES]


def validate(
    *,
    name: str,
    synthetic: list[Path],
    panels: list[Path],
    split: Path,
    controls: list[Path],
    out: Path,
    figures: Path,
    options: ValidateOptions,
    seed: int,
) -> None:
    """Write the fidelity table of `name`, with the controls' rows, and the data of the report's figures.

    Parameters
    ----------
    synthetic, panels : list of Path
        Prefixes of PGEN trios, matched by contig.
    controls : list of Path
        Fidelity tables of baselines.
    """
    pairs = open_pairs(synthetic, panels)
    made, real = pairs[0]
    people = compare(made.people, real.people, read_roles(split, real.people), options.resplits, seed)
    log.info("%s: comparing %d synthetic, held-out and training people each", name, people.n)
    sums = Accumulator(people, options.ld_window, options.haplotype_window)
    for made, real in pairs:
        sums.add(made, real)
        log.info("%s: contig %s read, %d sites", name, real.sites.contig, len(real.sites))
    metrics = Metrics(sums, options.components, seed)
    table = metrics.all()
    kind = "control" if name in BASELINES else "generator"
    rows = fidelity_rows(table, name, kind) + real_rows(table) + control_rows(controls)
    with write_beside(figures) as [part]:
        part.write_text(json.dumps(figure_data(metrics)) + "\n")
    write_table(out, COLUMNS, rows)
    for row in rows[: len(table)]:
        if row["population"] == row["bin"] == "all":
            log.info("%s: %-24s %8.4g  floor %8.4g  %s", name, row["metric"], row["value"], row["floor"], row["verdict"])
