"""Divide the people of a panel, once for all its contigs."""

import json
import logging
from collections import Counter
from pathlib import Path

from genoloom.config import SplitOptions
from genoloom.disclosure import people_count
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.pgen import panel_files, read_psam
from genoloom.formats.private_directories import close_directory
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.splits import write_split
from genoloom.splits import split_people

log = logging.getLogger(__name__)


def split(*, panels: list[Path], out: Path, summary: Path, options: SplitOptions, seed: int) -> None:
    """Write the split table and the summary of the whole panel.

    Parameters
    ----------
    panels : list of Path
        Panel prefixes, one a contig; all must hold the same people in the same order.
    out, summary : Path
        The table, and the contigs' summaries in one JSON.

    Raises
    ------
    InputError
        The contigs differ in their people, or a population is too small.
    """
    read = {f"panel/{p.name}": p for prefix in panels for p in (panel_files(prefix)[2], Path(f"{prefix}.summary.json"))}
    made = Making("split", read)
    sheets = [read_psam(panel_files(prefix)[2]) for prefix in panels]
    for prefix, sheet in zip(panels, sheets, strict=True):
        if sheet.id != sheets[0].id:
            raise InputError(
                panel_files(prefix)[2], f"has other people than {panel_files(panels[0])[2]}", expected="the same people on every contig",
                remedy="take the same samples on every contig: bcftools view -S; with drop-people, drop them from all files",
            )  # fmt: skip
    people = sheets[0]
    roles = split_people(people, options.holdout, seed)
    contigs = [json.loads(Path(f"{prefix}.summary.json").read_text()) for prefix in panels]
    counts = Counter(zip(people.population, roles, strict=True))
    merged = {
        "people": len(people),
        "roles": dict(sorted(Counter(roles).items())),
        "populations": {p: {r: counts[p, r] for r in ("train", "holdout")} for p in sorted(set(people.population))},
        "records": sum(c["records"] for c in contigs),
        "sites": sum(c["kept"] for c in contigs),
        "contigs": contigs,
    }
    close_directory(summary.parent)
    close_directory(out.parent)
    with write_beside(summary) as [part]:
        part.write_text(json.dumps(merged, indent=2) + "\n")
    write_split(out, people, roles)
    made.write(record_path(out.with_suffix("")), [out, summary], options, seed=seed)
    log.info("%s train, %s are held out", people_count(roles.count("train")), people_count(roles.count("holdout")))
