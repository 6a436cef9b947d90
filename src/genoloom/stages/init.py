"""Write a configuration for somebody's own data."""

import logging
import shutil
from pathlib import Path

from genoloom.config import Config
from genoloom.config_files import PANEL_COLUMNS, SEQUENCE_COLUMNS, default_yaml
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.sheets import SEX_WORDS, read_sheet
from genoloom.formats.tables import write_table
from genoloom.formats.variants import list_contigs, open_variants

log = logging.getLogger(__name__)

# what others call our columns, in lower case
ALIASES = {
    "person": ("person", "sample", "sample_id", "sample name", "iid", "#iid", "individual", "id"),
    "population": ("population", "pop", "population code", "super_pop", "superpopulation"),
    "sex": ("sex", "gender"),
    "family": ("family", "family_id", "fid", "#fid"),
}


def init(
    *,
    directory: Path,
    variants: list[Path],
    fasta: Path | None,
    samples: Path | None,
    genetic_map: Path | None,
    name: str,
    force: bool,
) -> None:
    """Write config/config.yaml and the sheets below `directory`; inputs are named by absolute paths.

    With genotypes, the FASTA is their reference; without, its sequences are what is learned.

    Raises
    ------
    InputError
        Nothing to work on, a configuration that is there already, or a file that cannot be read.
    """
    if not variants and fasta is None:
        raise InputError("genoloom init", "neither --vcf nor --fasta", expected="data to learn from")
    for path in (*variants, fasta, samples, genetic_map):
        if path is not None and not path.exists():
            raise InputError(path, "not found")
    config_dir = directory / "config"
    target = config_dir / "config.yaml"
    if target.exists() and not force:
        raise InputError(target, "is there already", remedy="give --force to overwrite it, or another directory")
    if variants:
        people = _write_people(config_dir / "people.tsv", samples, variants[0]) if samples else None
        rows = [
            {
                "panel": name, "contig": contig, "variants": path.resolve(), "people": people,
                "reference": fasta and fasta.resolve(), "map": genetic_map and genetic_map.resolve(),
            }
            for path in variants
            for contig in list_contigs(path)
        ]  # fmt: skip
        write_table(config_dir / "panels.tsv", list(PANEL_COLUMNS), rows)
        config = Config(panels="config/panels.tsv")
        log.info("%s: %d contigs of %d files", config_dir / "panels.tsv", len(rows), len(variants))
    else:
        rows = [{"set": name, "source": fasta.resolve()}]
        write_table(config_dir / "sequences.tsv", list(SEQUENCE_COLUMNS), rows)
        config = Config(sequence_sets="config/sequences.tsv")
    with write_beside(target) as [part]:
        part.write_text(default_yaml(config, "# Every value shown is the default; see config/README.md of GenoLoom.\n"))
    log.info("%s written. Next: genoloom doctor -C %s, then genoloom run -C %s", target, directory, directory)
    if shutil.which("sbatch"):
        log.info("SLURM found: genoloom run -C %s --profile PROFILE, see profiles/slurm", directory)


def _write_people(path: Path, sheet: Path, variants: Path) -> str:
    """Write the people of the genotype file with our column names; returns the path for the sheet of panels."""
    rows = read_sheet(sheet)
    if not rows:
        raise InputError(sheet, "has no rows")
    by_lower = {column.lower(): column for column in rows[0][1]}
    found = {ours: next((by_lower[a] for a in aliases if a in by_lower), None) for ours, aliases in ALIASES.items()}
    for column in ("person", "population"):
        if found[column] is None:
            raise InputError(
                sheet, f"no column for '{column}' among {', '.join(rows[0][1])}", expected=f"one of {', '.join(ALIASES[column])}"
            )
    wanted = set(open_variants(variants, list_contigs(variants)[0]).samples)
    columns = [column for column in ALIASES if found[column]]
    kept = [{c: row[found[c]] for c in columns} for _, row in rows if row[found["person"]] in wanted]
    lacking = len(wanted) - len(kept)
    if lacking:
        raise InputError(
            sheet,
            f"{lacking} of the {len(wanted)} samples of {variants} are missing",
            remedy="add them, or take them out of the file",
        )
    for row in kept:
        if row.get("sex", "").lower() not in SEX_WORDS:
            row["sex"] = "unknown"
    write_table(path, columns, kept)
    log.info("%s: %d people, %d populations", path, len(kept), len({row["population"] for row in kept}))
    return "config/people.tsv"
