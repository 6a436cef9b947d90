"""What is installed, which devices there are, and whether a configuration would run."""

import logging
import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

from genoloom import __version__
from genoloom.config_files import load_config, read_panel_sheet, read_sequence_sheet
from genoloom.errors import ConfigError, GenoLoomError
from genoloom.formats.maps import read_map
from genoloom.formats.reference import Reference
from genoloom.formats.sheets import match_people
from genoloom.formats.variants import open_variants

log = logging.getLogger(__name__)

PACKAGES = ("snakemake", "torch", "numpy", "cyvcf2", "pgenlib", "pysam", "scikit-allel", "biopython", "scikit-learn")
TOOLS = {
    "bcftools": "handling VCF and BCF by hand",
    "plink2": "reading the PGEN files by hand",
    "beagle": "phasing and imputation",
    "sbatch": "running on SLURM",
    "chromium": "testing the report",
}


def doctor(*, directory: Path | None) -> None:
    """Print what was found; with `directory`, check its configuration and open its inputs.

    Raises
    ------
    ConfigError
        Lists every problem found.
    """
    log.info("genoloom %s, Python %s, %s", __version__, platform.python_version(), platform.machine())
    for name in PACKAGES:
        try:
            log.info("  %-14s %s", name, version(name))
        except PackageNotFoundError:
            log.warning("  %-14s is missing: pip install %s", name, name)
    _say_devices()
    for tool, purpose in TOOLS.items():
        log.info("  %-14s %s", tool, "found" if shutil.which(tool) else f"not found (optional: {purpose})")
    if directory is not None:
        problems = _problems(directory)
        if problems:
            raise ConfigError(directory / "config", problems)
        log.info("%s: the configuration and its inputs look right", directory)


def _say_devices() -> None:
    memory = psutil.virtual_memory()
    log.info("  %-14s %d, %.0f of %.0f GB memory free", "CPU cores", os.cpu_count(), memory.available / 1e9, memory.total / 1e9)
    log.info("  %-14s %s", "CPU features", torch.backends.cpu.get_cpu_capability())
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            log.info("  %-14s %s", f"cuda:{i}", torch.cuda.get_device_name(i))
    else:
        log.info("  %-14s none; training runs on the CPU", "GPU")


def _problems(directory: Path) -> list[tuple[str, str, str]]:
    """Everything wrong with the configuration in `directory`, as far as opening its inputs shows."""
    here = Path.cwd()
    os.chdir(directory)
    try:
        try:
            config = load_config("config/config.yaml")
            panels = read_panel_sheet(config.panels) if config.panels else []
            sets = read_sequence_sheet(config.sequence_sets) if config.sequence_sets else []
        except ConfigError as error:
            return error.problems
        except GenoLoomError as error:
            return [("configuration", "", str(error))]
        problems = [] if panels or sets else [("panels", "", "neither panels nor sequence sets are named")]
        for row in panels:
            problems += [(f"{row.panel} {row.contig}", "", text) for text in _row_problems(row)]
        return problems
    finally:
        os.chdir(here)


def _row_problems(row) -> list[str]:
    def attempt(check) -> list[str]:
        try:
            check()
        except GenoLoomError as error:
            return [str(error).replace("\n", " ")]
        return []

    region = tuple(int(part.replace(",", "")) for part in row.region.split("-")) if row.region else None
    problems = attempt(lambda: open_variants(row.variants, row.contig, region))
    if problems:
        return problems
    if row.people:
        samples = open_variants(row.variants, row.contig, region).samples
        problems += attempt(lambda: match_people(row.people, row.variants, samples))
    if row.reference:
        problems += attempt(lambda: Reference(row.reference).check_contig(row.contig, row.variants))
    if row.map:
        problems += attempt(lambda: read_map(row.map, row.contig))
    return problems
