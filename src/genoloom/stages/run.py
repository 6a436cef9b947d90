"""Call Snakemake on the shipped workflow: a convenience, and nothing that plain Snakemake could not
do.
"""

import logging
import os
import resource
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import psutil

from genoloom.config_files import load_study
from genoloom.errors import InputError
from genoloom.faults import no_memory
from genoloom.programs.snakemake import TOKEN, note_holder, release_stale_lock, workflow_root

log = logging.getLogger(__name__)

LEAST_MEMORY = 700 * 2**20  # bytes of `ulimit -v`; with 450 MB Snakemake neither works nor ends
# options of Snakemake that take any number of NAME=VALUE
NAMED_VALUES = {
    "--config", "-C", "--resources", "--res", "--default-resources", "--default-res",
    "--set-threads", "--set-resources", "--set-resource-scopes", "--set-scatter", "--groups",
    "--group-components", "--consider-ancient",
}  # fmt: skip


def run(*, directory: Path, cores: int | None, profile: Path | None, options: list[str]) -> int:
    """Run the workflow in `directory` and return Snakemake's exit code. Ctrl-C and SIGTERM reach
    the jobs.

    Parameters
    ----------
    cores : int or None
        All cores when None and no profile is given.
    profile : Path, optional
        A directory with a Snakemake profile, or the name of a shipped one ("slurm"), in place of
        the default profile.
    options : list of str
        Options and targets for Snakemake.

    Raises
    ------
    InputError
        No configuration, no such profile or configuration file, no workflow next to the package, or
        another run is at work in the directory.
    ConfigError
        Lists every problem of the configuration and its sheets, before Snakemake starts.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < LEAST_MEMORY:
        raise no_memory()
    options = _targets_first(options)
    if "--configfile" not in options:
        config = directory / "config" / "config.yaml"
        if not config.exists():
            raise InputError(
                config, "not found", remedy=f"write one: genoloom init {directory} --variants FILE"
            )
        load_study(config, directory)
    root = workflow_root()
    if not {"--unlock", "--nolock"} & set(options):
        release_stale_lock(directory)
    token = uuid.uuid4().hex
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(root / "Snakefile"),
        "--directory",
        str(directory),
    ]
    # two profiles do not add up: the workflow's would overrule each key of another one, such as
    # default-resources
    command += ["--workflow-profile", str(_profile(root, profile))]
    if cores is not None or profile is None:
        command += ["--cores", str(cores or os.cpu_count() or 1)]
    with subprocess.Popen([*command, *options], env={**os.environ, TOKEN: token}) as process:
        # the terminal sends Ctrl-C to the whole group; Snakemake then waits for its jobs, and we
        # wait for it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: _stop(process.pid))
        note_holder(directory, process, token)
        code = process.wait()
        return code if code >= 0 else 128 - code  # as a shell says that a signal ended it


def _targets_first(words: list[str]) -> list[str]:
    """The same options and targets, with targets before the options that would swallow them.

    `--configfile` takes its first word, and further ones that are named as a configuration file;
    given twice, Snakemake would forget the first.
    """
    targets, configs, rest, taking = [], [], [], "targets"
    for word in words:
        option, equals, value = word.partition("=")
        if option in ("--configfile", "--configfiles"):
            configs += [value] if equals else []
            taking = "further" if equals else "first"
        elif word.startswith("-"):
            configs += [word] if taking == "first" else []  # no file, as the error says
            rest.append(word)
            taking = "values" if option in NAMED_VALUES else None
        elif taking == "first" or (taking == "further" and _names_configuration(word)):
            configs.append(word)
            taking = "further"
        elif taking is None or (taking == "values" and equals):
            rest.append(word)
        else:
            targets.append(word)
    if taking == "first":
        raise InputError("--configfile", "no file is named")
    missing = [f"'{config}'" for config in configs if not Path(config).is_file()]
    if missing:
        raise InputError("--configfile", f"no file {', '.join(missing)}")
    return [*targets, *(["--configfile", *configs] if configs else []), *rest]


def _names_configuration(word: str) -> bool:
    return Path(word).suffix in (".yaml", ".yml", ".json") and not word.startswith("results/")


def _profile(root: Path, asked: Path | None) -> Path:
    """The directory of a profile."""
    candidates = (
        [root / "profiles" / "default"] if asked is None else [asked, root / "profiles" / asked]
    )
    for candidate in candidates:
        if list(candidate.glob("config*.yaml")):
            return candidate.resolve()
    shipped = ", ".join(
        sorted(path.parent.name for path in (root / "profiles").glob("*/config.yaml"))
    )
    raise InputError(
        "--profile",
        f"no profile in '{asked}'",
        expected=f"a directory with a config.yaml, or one of {shipped}",
    )


def _stop(snakemake: int) -> None:
    """Tell Snakemake to start nothing more, and the jobs on this machine to stop: training then
    saves its state.

    Snakemake's own answer to SIGTERM is to wait for the running jobs, however long they take.
    """
    try:
        jobs = psutil.Process(snakemake).children(recursive=True)
        os.kill(snakemake, signal.SIGTERM)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return
    for job in jobs:
        try:
            if "genoloom" in job.cmdline():
                job.terminate()
        except psutil.Error:
            continue  # it has ended meanwhile
