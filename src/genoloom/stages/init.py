"""Write a configuration for somebody's own data."""

import logging
import shutil
from pathlib import Path

from genoloom.config import Config, PrepareOptions
from genoloom.config_files import EMPTY, PANEL_COLUMNS, SEQUENCE_COLUMNS, check_name, default_yaml
from genoloom.disclosure import people_count
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.maps import read_map
from genoloom.formats.sheets import SEX_WORDS, read_sheet
from genoloom.formats.tables import write_table
from genoloom.formats.variants import list_contigs, open_variants
from genoloom.stages.prepare import examine

log = logging.getLogger(__name__)

# what others call our columns, in lower case and without a leading '#'; the first that is there is taken
ALIASES = {
    "person": ("person", "sample", "sample_id", "sample name", "iid", "individual", "id"),
    "population": ("population", "pop", "population code", "super_pop", "superpopulation"),
    "superpopulation": ("superpopulation", "super_pop", "superpop", "superpopulation code"),
    "sex": ("sex", "gender"),
    "family": ("family", "family_id", "fid"),
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
    check_name("--name", name)
    target = directory / "config" / "config.yaml"
    if target.exists() and not force:
        raise InputError(target, "is there already", remedy="give --force to overwrite it, or another directory")
    if variants:
        config = _write_panels(target.parent, variants, fasta, samples, genetic_map, name)
    else:
        write_table(target.parent / "sequences.tsv", list(SEQUENCE_COLUMNS), [{"set": name, "source": fasta.resolve()}])
        config = Config(sequence_sets="config/sequences.tsv")
    with write_beside(target) as [part]:
        part.write_text(default_yaml(config, "# Every value shown is the default; see config/README.md of GenoLoom.\n"))
    log.info("%s written. Next: genoloom doctor -C %s, then genoloom run -C %s", target, directory, directory)
    if shutil.which("sbatch"):
        log.info("SLURM found: genoloom run -C %s --profile slurm, see profiles/README.md of GenoLoom", directory)


def _write_panels(
    folder: Path, variants: list[Path], fasta: Path | None, samples: Path | None, genetic_map: Path | None, name: str
) -> Config:
    """Write the sheet of panels, and of people when there are labels; returns the configuration that names them."""
    places = [(path, contig) for path in variants for contig in list_contigs(path)]
    if not places:
        raise InputError(variants[0], "holds no records", expected="genotypes of at least one contig")
    first_of = {contig: path for path, contig in reversed(places)}
    for path, contig in places:
        if first_of[contig] != path:
            raise InputError(path, f"holds contig '{contig}' as well as {first_of[contig]}", expected="one file a contig")
    maps = _maps_of(genetic_map, [contig for _, contig in places])
    places = _accepted(places, fasta, maps)
    people = _write_people(folder / "people.tsv", samples, *places[0]) if samples else None
    rows = [
        {
            "panel": name,
            "contig": contig,
            "variants": path.resolve(),
            "people": people,
            "reference": fasta and fasta.resolve(),
            "map": maps.get(contig),
        }
        for path, contig in places
    ]
    write_table(folder / "panels.tsv", list(PANEL_COLUMNS), rows)
    log.info("%s: %d contigs of %d files", folder / "panels.tsv", len(rows), len(variants))
    return Config(panels="config/panels.tsv")


def _accepted(places: list[tuple[Path, str]], fasta: Path | None, maps: dict[str, Path]) -> list[tuple[Path, str]]:
    """Those that `prepare` takes; the others are left out, which is said. Raises where none is left."""
    taken, refused = [], []
    for path, contig in places:
        try:
            examine(
                variants=path, contig=contig, options=PrepareOptions(), reference=fasta, genetic_map=maps.get(contig)
            )  # fmt: skip
            taken.append((path, contig))
        except InputError as error:
            refused.append(error)
            log.warning("contig %s of %s is left out: %s", contig, path, " ".join(str(error).split()))
    if not taken:
        raise refused[0]
    return taken


def _maps_of(genetic_map: Path | None, contigs: list[str]) -> dict[str, Path]:
    """The map, for the contigs that it has; a map of one chromosome must not stop the others.

    Raises
    ------
    InputError
        It can be used for none of them.
    """
    found, errors = {}, []
    for contig in contigs if genetic_map is not None else ():
        try:
            read_map(genetic_map, contig)
            found[contig] = genetic_map.resolve()
        except InputError as error:
            errors.append(error)
            log.warning("%s is not taken for contig %s: %s", genetic_map, contig, error.found)
    if errors and not found:
        raise errors[0]
    return found


def _write_people(path: Path, sheet: Path, variants: Path, contig: str) -> str:
    """Write the people of the genotype file with our column names; returns the path for the sheet of panels."""
    rows = _foreign_sheet(sheet)
    by_lower = {column.lower().lstrip("#"): column for column in rows[0]}
    found = {ours: next((by_lower[a] for a in aliases if a in by_lower), None) for ours, aliases in ALIASES.items()}
    if found["superpopulation"] == found["population"]:  # the sheet has no finer label
        found["superpopulation"] = None
    for column in ("person", "population"):
        if found[column] is None:
            raise InputError(
                sheet, f"no column for '{column}' among {', '.join(rows[0])}", expected=f"one of {', '.join(ALIASES[column])}"
            )
    samples = open_variants(variants, contig).samples
    columns = [column for column in ALIASES if found[column]]
    wanted = set(samples)
    kept = [{c: row[found[c]] for c in columns} for row in rows if row[found["person"]] in wanted]
    _check_coverage(sheet, variants, samples, [row["person"] for row in kept])
    for row in kept:
        if row.get("sex", "").lower() not in SEX_WORDS:
            row["sex"] = "unknown"
        if row.get("family") in (*EMPTY, "0"):  # PLINK writes 0 for none; people without a family are not one family
            row["family"] = ""
    write_table(path, columns, kept)
    log.info("%s: %s, %d populations", path, people_count(len(kept)), len({row["population"] for row in kept}))
    return "config/people.tsv"


def _foreign_sheet(sheet: Path) -> list[dict[str, str]]:
    """Rows of a sheet in somebody else's form: a header that begins with `#` (PLINK) is a header."""
    lines = [line for line in sheet.read_text(encoding="utf-8-sig", errors="replace").splitlines() if not line.startswith("##")]
    if lines and lines[0].startswith("#") and "\t" in lines[0]:
        header = [cell.strip() for cell in lines[0].split("\t")]
        return [
            dict(zip(header, (cell.strip() for cell in line.split("\t")), strict=False)) for line in lines[1:] if line.strip()
        ]
    rows = [row for _, row in read_sheet(sheet)]
    if not rows:
        raise InputError(sheet, "has no rows")
    return rows


def _check_coverage(sheet: Path, variants: Path, samples: list[str], listed: list[str]) -> None:
    """Everybody of the genotype file stands in the sheet, once."""
    known = set(listed)
    lacking = [number for number, sample in enumerate(samples, 1) if sample not in known]
    if lacking:
        raise InputError(
            sheet,
            f"{people_count(len(lacking), 'samples')} of {variants} are missing, the first is its sample {lacking[0]} (counted from 1)",
            remedy="add them, or take them out of the file (bcftools view -S)",
        )
    if len(listed) > len(known):
        raise InputError(sheet, f"{people_count(len(listed) - len(known))} stand twice", expected="one row a person")
