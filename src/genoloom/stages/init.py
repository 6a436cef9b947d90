"""Write a configuration for somebody's own data."""

import logging
import shutil
import tempfile
from pathlib import Path

from genoloom.config import Config, PrepareOptions
from genoloom.config_files import default_yaml
from genoloom.config_sheets import PANEL_COLUMNS, SEQUENCE_COLUMNS, check_name, wildcard_in
from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.maps import read_map
from genoloom.formats.sheets import check_listed, read_individuals
from genoloom.formats.tables import write_table
from genoloom.formats.variants import list_contigs, open_variants
from genoloom.panels.preparation import examine
from genoloom.ploidy import Ploidy

log = logging.getLogger(__name__)

# of a sheet of individuals, as `read_individuals` gives them
COLUMNS = ["individual", "population", "sex", "family", "superpopulation"]


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
    """Write config/config.yaml and the sheets below `directory`; inputs are named by absolute
    paths.

    With genotypes, the FASTA is their reference; without, its sequences are what is learned.

    Raises
    ------
    InputError
        Nothing to work on, a configuration that is there already, or a file that cannot be read.
    """
    if not variants and fasta is None:
        raise InputError(
            "genoloom init", "neither --variants nor --reference", expected="data to learn from"
        )
    for path in (*variants, fasta, samples, genetic_map):
        if path is not None and not path.exists():
            raise InputError(path, "not found")
        if path is not None and (part := wildcard_in(path.resolve())):
            raise InputError(
                path,
                f"{part} would be a wildcard of the workflow",
                remedy="rename the file or directory, or link to it",
            )
    check_name("--name", name)
    target = directory / "config" / "config.yaml"
    if target.exists() and not force:
        raise InputError(
            target, "is there already", remedy="give --force to overwrite it, or another directory"
        )
    if variants:
        config = _write_panels(target.parent, variants, fasta, samples, genetic_map, name)
    else:
        write_table(
            target.parent / "sequences.tsv",
            list(SEQUENCE_COLUMNS),
            [{"set": name, "source": fasta.resolve()}],
        )
        config = Config(sequence_sets="config/sequences.tsv")
    with write_beside(target) as [part]:
        part.write_text(
            default_yaml(
                config, "# Every value shown is the default; see config/README.md of GenoLoom.\n"
            )
        )
    log.info(
        "%s written. Next: genoloom doctor -C %s, then genoloom run -C %s",
        target,
        directory,
        directory,
    )
    if shutil.which("sbatch"):
        log.info(
            "SLURM found: genoloom run -C %s --profile slurm, see profiles/README.md of GenoLoom",
            directory,
        )


def _write_panels(
    folder: Path,
    variants: list[Path],
    fasta: Path | None,
    samples: Path | None,
    genetic_map: Path | None,
    name: str,
) -> Config:
    """Write the sheet of panels, and of individuals when there are labels; returns the
    configuration that names them.
    """
    places = [(path, contig) for path in variants for contig in list_contigs(path)]
    if not places:
        raise InputError(
            variants[0], "holds no records", expected="genotypes of at least one contig"
        )
    first_of = {contig: path for path, contig in reversed(places)}
    for path, contig in places:
        if first_of[contig] != path:
            raise InputError(
                path,
                f"holds contig '{contig}' as well as {first_of[contig]}",
                expected="one file per contig",
            )
    maps = _maps_of(genetic_map, [contig for _, contig in places])
    with tempfile.TemporaryDirectory() as scratch:
        labels = Path(scratch) / "samples.tsv"
        individuals = _write_individuals(labels, samples, *places[0]) if samples else None
        ploidies = _accepted(places, fasta, maps, labels if individuals else None)
        if individuals:
            (folder / "samples.tsv").parent.mkdir(parents=True, exist_ok=True)
            with write_beside(folder / "samples.tsv") as [part]:
                part.write_text(labels.read_text())
            log.info("%s written", folder / "samples.tsv")
    usual = Ploidy.DIPLOID if Ploidy.DIPLOID in ploidies.values() else min(ploidies.values())
    rows = [
        {
            # contigs of one panel are of one ploidy
            "panel": name if ploidy is usual else f"{name}.{ploidy}",
            "contig": contig,
            "variants": path.resolve(),
            "samples": individuals,
            "reference": fasta and fasta.resolve(),
            "map": maps.get(contig),
        }
        for (path, contig), ploidy in ploidies.items()
    ]
    write_table(folder / "panels.tsv", list(PANEL_COLUMNS), rows)
    log.info("%s: %d contigs of %d files", folder / "panels.tsv", len(rows), len(variants))
    return Config(panels="config/panels.tsv")


def _accepted(
    places: list[tuple[Path, str]],
    fasta: Path | None,
    maps: dict[str, Path],
    individuals: Path | None,
) -> dict[tuple[Path, str], Ploidy]:
    """Those that `prepare` takes, with their ploidy; the others are left out, which is said. Raises
    where none is left.
    """
    taken, refused = {}, []
    for path, contig in places:
        try:
            taken[path, contig] = examine(
                variants=path, contig=contig, options=PrepareOptions(), samples=individuals,
                reference=fasta, genetic_map=maps.get(contig)
            ).ploidy  # fmt: skip
        except InputError as error:
            refused.append(error)
            log.warning(
                "contig %s of %s is left out: %s", contig, path, " ".join(str(error).split())
            )
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


def _write_individuals(path: Path, sheet: Path, variants: Path, contig: str) -> str:
    """Write the individuals of the genotype file with our column names; returns the path for the
    sheet of panels.
    """
    samples, odd_sexes = open_variants(variants, contig).samples, []
    individuals = read_individuals(sheet, set(samples), odd_sexes, foreign=True)
    check_listed(sheet, variants, samples, individuals)
    columns = [
        column
        for i, column in enumerate(COLUMNS)
        if i < 2 or any(row[i - 1] for row in individuals.values())
    ]
    write_table(
        path,
        columns,
        [dict(zip(COLUMNS, (name, *row), strict=True)) for name, row in individuals.items()],
    )
    if odd_sexes:
        log.warning(
            "%s: %d sexes are not understood, the first on line %d; they are unknown",
            sheet,
            len(odd_sexes),
            odd_sexes[0],
        )
    log.info(
        "%s: %s, %d populations",
        path.name,
        individuals_count(len(individuals)),
        len({row[0] for row in individuals.values()}),
    )
    return "config/samples.tsv"
