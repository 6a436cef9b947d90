"""What is installed, which devices there are, and whether a configuration would run."""

import logging
import os
import platform
import shutil
from collections import deque
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

from genoloom import __version__
from genoloom.config import PrepareOptions
from genoloom.config_files import load_study
from genoloom.config_sheets import PanelRow, SequenceRow
from genoloom.errors import ConfigError, GenoLoomError
from genoloom.formats.maps import read_map
from genoloom.formats.reference import Reference
from genoloom.formats.sequence_sets import read_pieces
from genoloom.formats.sheets import match_individuals
from genoloom.formats.variants import open_variants
from genoloom.panels.preparation import examine
from genoloom.sequence_config import SequenceOptions
from genoloom.training.devices import choose_device

log = logging.getLogger(__name__)

PACKAGES = (
    "snakemake", "torch", "numpy", "cyvcf2", "pgenlib", "pysam", "scikit-allel", "biopython",
    "scikit-learn",
)  # fmt: skip
EXTRAS = {"crypt4gh": "encrypt", "econml": "ite", "lightmotif": "motifs", "pyjaspar": "motifs"}
TOOLS = {
    "bcftools": "handling VCF and BCF by hand",
    "plink2": "reading the PGEN files by hand",
    "beagle": "switch errors after phasing anew, validate.phaser",
    "sbatch": "running on SLURM",
    "conda": "running with --sdm conda",
    "apptainer": "running in a container",
    "chromium": "testing the report",
}


def doctor(*, directory: Path | None) -> None:
    """Print what was found; with `directory`, check its configuration and open its inputs.

    Raises
    ------
    ConfigError
        Lists every problem found.
    """
    log.info(
        "genoloom %s, Python %s, %s", __version__, platform.python_version(), platform.machine()
    )
    for name in PACKAGES:
        if found := _version(name):
            log.info("  %-14s %s", name, found)
        else:
            log.warning("  %-14s is missing: pip install %s", name, name)
    for name, extra in EXTRAS.items():
        log.info("  %-14s %s", name, _version(name) or f"not installed (optional: extra '{extra}')")
    _say_devices()
    for tool, purpose in TOOLS.items():
        log.info(
            "  %-14s %s",
            tool,
            "found" if shutil.which(tool) else f"not found (optional: {purpose})",
        )
    if directory is not None:
        _check(directory)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _say_devices() -> None:
    memory = psutil.virtual_memory()
    # a container or a batch job may use fewer cores than the machine has
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    log.info("  %-14s %d usable of %d", "CPU cores", usable, os.cpu_count())
    log.info("  %-14s %s", "CPU features", torch.backends.cpu.get_cpu_capability())
    log.info("  %-14s %.0f of %.0f GB free", "memory", memory.available / 1e9, memory.total / 1e9)
    for i in range(torch.cuda.device_count()):
        gigabytes = torch.cuda.get_device_properties(i).total_memory / 1e9
        log.info("  %-14s %s, %.0f GB", f"cuda:{i}", torch.cuda.get_device_name(i), gigabytes)
    if not torch.cuda.is_available():
        log.info("  %-14s none; training runs on the CPU", "GPU")


def _check(directory: Path) -> None:
    study = load_study(directory / "config" / "config.yaml", directory)
    problems = [
        ("train.common.device", "", text)
        for text in _attempt(lambda: choose_device(study.config.train.common.device))
    ]
    for row in study.panels:
        found = _panel_problems(row, directory, study.config.prepare)
        problems += [(f"{row.panel} {row.contig}", "", text) for text in found]
    for row in study.sequence_sets:
        problems += [
            (row.set, "", text)
            for text in _sequence_problems(row, directory, study.config.sequences)
        ]
    if problems:
        raise ConfigError(directory / "config", problems)
    log.info(
        "%s: the configuration and its inputs look right (%d panel rows, %d sequence sets)",
        directory, len(study.panels), len(study.sequence_sets),
    )  # fmt: skip


def _attempt(check: Callable[[], object]) -> list[str]:
    """What is wrong, on one line, or nothing."""
    try:
        check()
    except GenoLoomError as error:
        return [" ".join(str(error).split())]
    return []


def _panel_problems(row: PanelRow, directory: Path, options: PrepareOptions) -> list[str]:
    region = row.interval
    path = directory / row.variants
    try:
        samples = open_variants(path, row.contig, region).samples
    except GenoLoomError as error:
        return [" ".join(str(error).split())]
    problems = []
    if row.samples:
        problems += _attempt(lambda: match_individuals(directory / row.samples, path, samples))
    if row.reference:
        problems += _attempt(
            lambda: Reference(directory / row.reference).check_contig(row.contig, path)
        )
    if row.map:
        limits = (options.map_min_rate, options.map_max_rate)
        problems += _attempt(lambda: read_map(directory / row.map, row.contig, limits))
    return problems or _attempt(lambda: _prepared(row, directory, options, region))


def _prepared(
    row: PanelRow, directory: Path, options: PrepareOptions, region: tuple[int, int] | None
) -> None:
    """Look at the records as `prepare` does."""
    samples, reference, genetic_map = (
        directory / name if name else None for name in (row.samples, row.reference, row.map)
    )
    examined = examine(
        variants=directory / row.variants, contig=row.contig, options=options, samples=samples,
        reference=reference,
        genetic_map=genetic_map, region=region,
    )  # fmt: skip
    if not examined.whole:
        log.info(
            "%s %s: the file is long, only a part of its records was looked at",
            row.panel,
            row.contig,
        )


def _sequence_problems(row: SequenceRow, directory: Path, options: SequenceOptions) -> list[str]:
    """What `sequences prepare` would refuse in the source and its intervals, all of which are
    read.
    """
    source, regions = directory / row.source, directory / row.regions if row.regions else None
    pieces = read_pieces(source, regions, options.label_column)
    return _attempt(lambda: deque(pieces, maxlen=0))
