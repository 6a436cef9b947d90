"""Where the workflow is, and whose lock a working directory has, so that a run goes on after it was
killed.

Snakemake locks the directory that it works in, and a process that is killed leaves the lock. Its
lock files do not say who made them, so each `genoloom run` notes that next to them: the machine,
the process, and the lock files themselves. A lock is removed only if it is the one that was noted,
by a process of this very machine that is gone.
"""

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from genoloom.errors import InputError

log = logging.getLogger(__name__)

TOKEN = "GENOLOOM_RUN"  # in the environment of all that a run starts
ROOT = Path(__file__).resolve().parents[3]
POLL_S, SAME_START_S = 0.1, 2.0
PATIENCE_S = 60.0  # for jobs of a killed run to save their state
REMEDY = "when no run works there any more: genoloom run -C DIRECTORY --unlock"


@dataclass(frozen=True)
class Holder:
    """Who started Snakemake in a directory.

    Attributes
    ----------
    host, boot, space : str
        The machine, its present uptime, and the space in which its process numbers count
        (containers have their own).
    pid : int
        Of Snakemake.
    started : float
        When that process began, in seconds since 1970: numbers of processes are used again.
    token : str
        What its jobs have in their environment.
    locks : list of [name, int, int]
        The lock files: name, inode and time.
    """

    host: str
    boot: str
    space: str
    pid: int
    started: float
    token: str
    locks: list

    def on_this_machine(self) -> bool:
        host, boot, space = _machine()
        # after a restart nothing that ran before is left, whatever its numbers
        return self.host == host and (self.boot != boot or self.space == space)

    def is_alive(self) -> bool:
        return self.boot == _machine()[1] and _runs(self.pid, self.started)


def _machine() -> tuple[str, str, str]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:  # not Linux
        boot, space = str(round(psutil.boot_time())), ""
    return socket.gethostname(), boot, space


def _runs(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        return (
            abs(process.create_time() - started) < SAME_START_S
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False


def lock_files(directory: Path) -> list[list]:
    """Snakemake's lock files of a working directory, as in `Holder.locks`."""
    found = []
    for path in sorted((directory / ".snakemake" / "locks").glob("*.lock")):
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append([path.name, status.st_ino, status.st_mtime_ns])
    return found


def _note(directory: Path) -> Path:
    return directory / ".snakemake" / "genoloom.run.json"


def _read_note(directory: Path) -> Holder | None:
    try:
        return Holder(**json.loads(_note(directory).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def release_stale_lock(directory: Path) -> None:
    """Remove the lock that a killed run has left, and stop the jobs that it has left running.

    Raises
    ------
    InputError
        Another run is at work, or it cannot be known whose lock it is.
    """
    found = lock_files(directory)
    if not found:
        return
    holder = _read_note(directory)
    other = _snakemake_in(directory)
    if other is not None or (holder is not None and holder.on_this_machine() and holder.is_alive()):
        number = other if other is not None else holder.pid
        raise InputError(
            directory,
            f"another run works here (process {number})",
            remedy=f"wait until it has ended, or stop it: kill {number}",
        )
    if holder is None or holder.locks != found:
        raise InputError(
            directory,
            "is locked by Snakemake, and it is not known which process did so",
            remedy=REMEDY,
        )
    if not holder.on_this_machine():
        raise InputError(
            directory, f"is locked by a run on another machine ({holder.host})",
            remedy=f"wait until it has ended; {REMEDY}",
        )  # fmt: skip
    _stop_jobs(holder.token)
    for name, *_ in found:
        (directory / ".snakemake" / "locks" / name).unlink(missing_ok=True)
    log.warning(
        "the last run was killed; its lock is removed, and what it left incomplete is made again"
    )


def _snakemake_in(directory: Path) -> int | None:
    """A process of Snakemake on this machine that works in the directory."""
    here = directory.resolve()
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = process.info["cmdline"] or []
        with contextlib.suppress(psutil.Error):
            # a process that only just starts has not gone there yet
            if (
                any("snakemake" in Path(word).name for word in words[:4])
                and Path(process.cwd()) == here
            ):
                return process.pid
    return None


def _stop_jobs(token: str) -> None:
    """Stop what a killed run has started and is still running: two trainings must not share a
    state.
    """
    jobs = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(TOKEN) == token:
                jobs.append(process)
    if not jobs:
        return
    log.warning("%d processes of the last run are still at work; they are stopped", len(jobs))
    for job in jobs:
        with contextlib.suppress(psutil.Error):
            job.send_signal(signal.SIGTERM)
    _, left = psutil.wait_procs(jobs, timeout=PATIENCE_S)
    for job in left:
        with contextlib.suppress(psutil.Error):
            job.kill()
    psutil.wait_procs(left, timeout=PATIENCE_S)


def note_holder(directory: Path, process: subprocess.Popen, token: str) -> None:
    """Wait until Snakemake, the `process`, has locked the directory or has ended, and note who
    holds the lock.
    """
    try:
        started = psutil.Process(process.pid).create_time()
    except psutil.Error:
        return
    before = lock_files(directory)
    while process.poll() is None:
        found = lock_files(directory)
        if found != before and len(found) == 2:  # one of inputs, one of outputs
            note, part = _note(directory), _note(directory).with_suffix(".part")
            part.write_text(
                json.dumps(asdict(Holder(*_machine(), process.pid, started, token, found)))
            )
            part.replace(note)
            return
        time.sleep(POLL_S)


def workflow_root() -> Path:
    """The checkout that holds Snakefile, workflow/ and profiles/.

    Raises
    ------
    InputError
        The package was installed without a checkout, or where Snakemake cannot work.
    """
    if not (ROOT / "workflow" / "Snakefile").exists():
        raise InputError(
            "genoloom run",
            "the workflow is not next to the installed package",
            remedy="install from a checkout (pip install -e .), or call: snakemake --snakefile "
            "CHECKOUT/Snakefile --directory DIR",
        )
    if {"{", "}"} & set(str(ROOT)):
        raise InputError(
            ROOT,
            "braces in the path of the checkout, which Snakemake takes for fields",
            remedy="rename the directory",
        )
    return ROOT
