"""Imputation by other programs, where they are found: Beagle and minimac4."""

import gzip
import logging
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pysam

from genoloom.programs.rephasing import write_genotypes
from genoloom.utility.imputation import Imputer, Window

log = logging.getLogger(__name__)


def found_programs() -> dict[str, Imputer]:
    """Imputers by the names of their programs."""
    known = {"beagle": by_beagle, "minimac4": by_minimac4}
    return {name: imputer for name, imputer in known.items() if shutil.which(name)}


def by_beagle(
    window: Window, templates: np.ndarray, observed: np.ndarray, targets: np.ndarray
) -> np.ndarray:  # fmt: skip
    """Dosages by Beagle (Browning et al. 2018, doi:10.1016/j.ajhg.2018.07.015), with the phase of
    the targets; nan where it fails.

    Sites at one position are one to Beagle: the first is imputed, the others are 0.
    """
    first = _first_of_position(window)
    with tempfile.TemporaryDirectory(prefix="genoloom-") as folder:
        place = Path(folder)
        _write(place, window, first, templates, observed, targets)
        lines = zip(window.cm[first], window.sites.position[first], strict=True)
        text = (f"{window.sites.contig} . {cm:.8f} {position}\n" for cm, position in lines)
        (place / "map").write_text("".join(text))
        return _run(place, window, targets, [
            ["beagle", "gt=target.vcf.gz", "ref=reference.vcf.gz", "map=map", "out=imputed",
             "nthreads=1", "seed=1"],
        ])  # fmt: skip


def by_minimac4(
    window: Window, templates: np.ndarray, observed: np.ndarray, targets: np.ndarray
) -> np.ndarray:  # fmt: skip
    """The same by minimac4 (Das et al. 2016, doi:10.1038/ng.3656), with its own rates of
    recombination.
    """
    first = _first_of_position(window)
    with tempfile.TemporaryDirectory(prefix="genoloom-") as folder:
        place = Path(folder)
        _write(place, window, first, templates, observed, targets)
        for name in ("reference", "target"):  # minimac4 asks for indexes
            plain = place / f"{name}.vcf"
            with gzip.open(place / f"{name}.vcf.gz", "rb") as packed, open(plain, "wb") as out:
                shutil.copyfileobj(packed, out)
            pysam.tabix_index(str(plain), preset="vcf", force=True)
        return _run(place, window, targets, [
            ["minimac4", "--compress-reference", "reference.vcf.gz", "-o", "reference.msav"],
            ["minimac4", "-f", "DS", "-O", "vcf.gz", "-o", "imputed.vcf.gz", "reference.msav",
             "target.vcf.gz"],
        ])  # fmt: skip


def _first_of_position(window: Window) -> np.ndarray:
    return np.flatnonzero(np.diff(window.sites.position, prepend=-1) > 0)


def _write(
    place: Path, window: Window, first: np.ndarray, templates: np.ndarray, observed: np.ndarray,
    targets: np.ndarray,
) -> None:  # fmt: skip
    given = np.isin(observed, first)
    sites = window.sites.take(observed[given])
    write_genotypes(place / "target.vcf.gz", sites, targets[given], "|")
    write_genotypes(place / "reference.vcf.gz", window.sites.take(first), templates[first], "|")


def _run(
    place: Path, window: Window, targets: np.ndarray, commands: list[list[str]]
) -> np.ndarray:  # fmt: skip
    """Dosages of `imputed.vcf.gz`, 0 where a site is not in it; nan where a command fails."""
    dosage = np.zeros((len(window.cm), targets.shape[1] // 2))
    for command in commands:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            log.warning("%s ended with exit code %d", command[0], done.returncode)
            log.debug("%s", done.stderr)
            return np.full_like(dosage, np.nan)
    first = _first_of_position(window)
    at = dict(zip(window.sites.position[first].tolist(), first.tolist(), strict=True))
    with gzip.open(place / "imputed.vcf.gz", "rt") as lines:
        for line in lines:
            if not line.startswith("#"):
                _, position, *fields = line.rstrip("\n").split("\t")
                form = fields[6].split(":").index("DS")
                cells = (cell.split(":")[form] for cell in fields[7:])
                dosage[at[int(position)]] = np.fromiter(cells, float)
    return dosage
