"""Attack synthetic haplotypes; keep the findings private, and write what may be shown."""

import logging
from dataclasses import replace
from pathlib import Path

from genoloom.config import AuditOptions
from genoloom.errors import InputError
from genoloom.formats.tables import format_cell, write_table
from genoloom.models.haplotype import BASELINES
from genoloom.privacy.audit import PERSON_COLUMNS, PRIVATE_COLUMNS, PUBLIC_COLUMNS, AuditData
from genoloom.privacy.audit import audit as judge
from genoloom.stages.inputs import Comparands
from genoloom.stages.train import genetic_positions
from genoloom.stages.validate import control_rows
from genoloom.validation.cohorts import compare
from genoloom.validation.unphased import genotype_attacks

log = logging.getLogger(__name__)


def audit(
    *,
    name: str,
    comparands: Comparands,
    controls: list[Path],
    out: Path,
    public: Path | None,
    options: AuditOptions,
    seed: int,
    kind: str | None = None,
) -> None:
    """Write the private audit (`out`, and beside it `people.tsv` with scores by index) and the public table of verdicts.

    Parameters
    ----------
    kind : str, optional
        "generator" or "control"; by the name when not given.
    comparands : Comparands
        Of `open_comparands`: the workflow's files, or those of any tool.
    controls : list of Path
        Public tables of baselines.
    out : Path
        Its directory is closed to others (mode 0700).
    public : Path, optional
        Table of verdicts and intervals that may be shown.
    """
    windows = _window_sizes(options.windows)
    made, real = comparands.pairs[0]
    people = compare(made.people, real.people, comparands.roles, 0, seed)
    data = AuditData(people, windows, seed)
    for made, real in comparands.pairs:
        data.add(made, real, genetic_positions(real.sites))
    kind = kind or ("control" if name in BASELINES else "generator")
    found = judge(data, name, kind, options.bootstrap, options.max_auc, seed)
    if not comparands.phased:
        found = replace(found, public=genotype_attacks(found.public), private=genotype_attacks(found.private))

    out.parent.mkdir(parents=True, exist_ok=True)
    out.parent.chmod(0o700)
    write_table(out.with_name("people.tsv"), PERSON_COLUMNS, found.people)
    write_table(out, PRIVATE_COLUMNS, found.private)
    if public is not None:
        write_table(public, PUBLIC_COLUMNS, found.public + control_rows(controls))
    for row in found.public:
        if row["population"] == "all":
            value = format_cell(row.get("value")) or "-"
            log.info("%s: %-28s %s %s  %s", name, row["attack"], row["measure"], value, row["verdict"])


def _window_sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 10:
        raise InputError("--windows", f"'{text}'", expected="sizes of at least 10 sites, such as 200,400,800")
    return sizes
