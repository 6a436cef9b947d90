"""Call Snakemake on the shipped workflow: a convenience, and nothing that plain Snakemake could not do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from genoloom.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


def workflow_root() -> Path:
    """The checkout that holds Snakefile, workflow/ and profiles/.

    Raises
    ------
    InputError
        The package was installed without a checkout.
    """
    if not (ROOT / "workflow" / "Snakefile").exists():
        raise InputError(
            "genoloom run",
            "the workflow is not beside the installed package",
            remedy="install from a checkout (pip install -e .), or call: snakemake --snakefile CHECKOUT/Snakefile --directory DIR",
        )
    return ROOT


def run(*, directory: Path, cores: int | None, profile: Path | None, options: list[str]) -> int:
    """Run the workflow in `directory` and return Snakemake's exit code. Ctrl-C and SIGTERM reach the jobs.

    Parameters
    ----------
    cores : int or None
        All cores when None and no profile is given.
    profile : Path, optional
        A Snakemake profile on top of the shipped default one, such as profiles/slurm.
    options : list of str
        Handed to Snakemake as they are.
    """
    config = directory / "config" / "config.yaml"
    if not config.exists() and "--configfile" not in options:
        raise InputError(config, "not found", remedy=f"write one: genoloom init {directory} --vcf FILE")
    root = workflow_root()
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--directory", str(directory)]
    command += ["--workflow-profile", str(root / "profiles" / "default")]
    if profile is not None:
        command += ["--profile", str(profile)]
    if cores is not None or profile is None:
        command += ["--cores", str(cores or os.cpu_count() or 1)]
    with subprocess.Popen([*command, *options]) as process:
        # the terminal sends Ctrl-C to the whole group; Snakemake then ends its jobs, and we wait for it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGTERM))
        return process.wait()
