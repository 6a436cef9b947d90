"""Chaos: the workflow on a small cut of the demo, stopped at random moments, must end as if nothing
had happened.

    make chaos                     # 20 faults
    make chaos CHAOS="--faults 40 --seed 7"

A clean run comes first. Then the same project is run again and again; each time one fault strikes
at a random moment: SIGTERM, SIGKILL of the whole process tree, a full disk, or a limit of memory.
After every fault each file under `results` must be, byte for byte, that of the clean run or not be
there at all, and no log may hold a traceback. When a round is complete it is compared and a new one
begins. What is not compared: training states (`results/.state`), which no output is made from but
by resuming, logs, benchmarks and Snakemake's own files.
"""

import argparse
import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src")]

from small_project import TINY, write_project  # noqa: E402 - it is next to this script

DEMO = HERE.parent / "resources" / "demo"
KINDS = ("SIGTERM", "SIGKILL", "disk full", "memory limit")
SPACE_MB = 64  # of the disk that fills up
PATIENCE_S, HUNG = 600, 999
UNHURT = "ended before"
MINI = {
    **{
        key: TINY[key]
        for key in (
            "panels",
            "sequence_sets",
            "consensus",
            "validate",
            "generate_sequences",
            "validate_sequences",
            "audit_sequences",
        )
    },
    "generators": ["transformer"],
    "baselines": ["independent"],
    "sequence_generators": [],
    "audit": {**TINY["audit"], "bootstrap": 400},
    "train": {key: TINY["train"][key] for key in ("common", "transformer") if key in TINY["train"]},
    "train_sequences": {key: {"max_order": 3} for key in ("markov", "context_mixing")},
}


@dataclass
class Run:
    """One `genoloom run` with all its processes."""

    process: subprocess.Popen
    started: float

    @classmethod
    def start(
        cls, project: Path, log: Path, cores: int, targets: list[str], memory_mb: int | None = None
    ) -> "Run":
        command = [
            sys.executable,
            "-m",
            "genoloom",
            "run",
            "-C",
            str(project),
            "--cores",
            str(cores),
            *targets,
        ]

        def limit() -> None:
            if memory_mb:
                resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20,) * 2)

        with open(log, "w") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=out, start_new_session=True, preexec_fn=limit
            )
        return cls(process, time.monotonic())

    def goes_on_for(self, seconds: float) -> bool:
        """Whether it is still at work this many seconds after its start."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, seconds - (time.monotonic() - self.started)))
        return self.process.poll() is None

    def kill_all(self) -> None:
        """SIGKILL to every process."""
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            family = psutil.Process(self.process.pid).children(recursive=True)
            os.killpg(self.process.pid, signal.SIGKILL)
            for process in family:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        self.process.wait()

    def end(self) -> int:
        """Wait for it; its exit code, `HUNG` where it does not end by itself."""
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill_all()
            return HUNG


def outputs(project: Path) -> dict[str, bytes]:
    """Every file under `results` that is an output; parts that are being written, or were when they
    were killed, are none.
    """
    results = project / "results"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*"))
        if path.is_file()
        and ".state" not in path.parts
        and not any(part.startswith(".") for part in path.relative_to(results).parts)
    }


def differing(found: dict[str, bytes], clean: dict[str, bytes]) -> list[str]:
    """Outputs that are not those of the clean run."""
    return [name for name, content in found.items() if clean.get(name) != content]


def lacking(found: dict[str, bytes], clean: dict[str, bytes], targets: list[str]) -> list[str]:
    """Outputs that should be there: the targets, or all of the clean run."""
    wanted = [target.removeprefix("results/") for target in targets] or list(clean)
    return [f"no {name}" for name in wanted if name not in found]


def mistakes(project: Path) -> list[str]:
    """Logs of commands that hold a traceback."""
    return [
        str(path.relative_to(project))
        for path in (project / "logs").rglob("*.log")
        if "Traceback" in path.read_text() or "This is a defect" in path.read_text()
    ]


class Disk:
    """A directory on a small disk of its own, where we may mount one; elsewhere "disk full" is a
    limit on the size of files.
    """

    def __init__(self, place: Path):
        self.place = place
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={SPACE_MB}m", "chaos", str(place)]
        self.mounted = (
            os.geteuid() == 0
            and subprocess.run(command, capture_output=True, check=False).returncode == 0
        )

    def fill(self) -> None:
        """Leave no room."""
        with (
            open(self.place / "ballast", "wb", buffering=0) as handle,
            contextlib.suppress(OSError),
        ):
            while True:
                handle.write(b"\0" * 4096)

    def empty(self) -> None:
        (self.place / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", str(self.place)], check=False)


def strike(
    kind: str,
    moment: float,
    project: Path,
    disk: Disk,
    log: Path,
    cores: int,
    targets: list[str],
    rng: random.Random,
) -> tuple[str, int]:
    """Run the project with one fault; what happened in words, and the exit code."""
    memory = rng.choice((450, 800, 1200, 2000)) if kind == "memory limit" else None
    run = Run.start(project, log, cores, targets, memory)
    if kind == "memory limit":
        return f"{memory} MB", run.end()
    if not run.goes_on_for(moment):
        return UNHURT, run.end()
    if kind == "disk full":
        disk.fill()
        try:
            return f"at {moment:.1f} s", run.end()
        finally:
            disk.empty()
    if kind == "SIGTERM":
        run.process.send_signal(signal.SIGTERM)
        return f"at {moment:.1f} s", run.end()
    run.kill_all()
    return f"at {moment:.1f} s", -signal.SIGKILL


def clean_run(
    work: Path, settings: dict, cores: int, targets: list[str]
) -> tuple[dict[str, bytes], float]:
    """Outputs of a run that nothing disturbs, and its seconds."""
    project = write_project(work / "clean", DEMO, settings)
    run = Run.start(project, work / "clean.log", cores, targets)
    if run.end() != 0:
        sys.exit((work / "clean.log").read_text()[-4000:])
    return outputs(project), time.monotonic() - run.started


def chaos(
    work: Path,
    clean: dict[str, bytes],
    whole_s: float,
    *,
    faults: int,
    seed: int,
    settings: dict,
    targets: list[str],
    cores: int = 1,
    kinds: tuple[str, ...] = KINDS,
) -> int:
    """Strike this many times; the number of things that were wrong.

    Parameters
    ----------
    clean : dict
        `outputs` of a run that nothing disturbed; it may have made more than the targets.
    whole_s : float
        About how long such a run takes.
    """
    rng, wrong = random.Random(seed), 0
    print(f"seed {seed}, {faults} faults, {cores} core(s)")
    print(f"a clean run: {whole_s:.1f} s, {len(clean)} files", flush=True)
    disk = Disk(work / "disk")
    kinds = tuple(kind for kind in kinds if kind != "disk full" or disk.mounted)
    project, rounds = write_project(disk.place / "project", DEMO, settings), 1
    print(f"{'fault':>5}  {'kind':<13} {'when':<13} {'exit':>4}  {'files':>5}  result", flush=True)
    try:
        for number in range(1, faults + 1):
            kind = kinds[(number - 1) % len(kinds)]
            words, code = strike(
                kind,
                rng.uniform(0.05, 0.5) * whole_s,
                project,
                disk,
                work / "run.log",
                cores,
                targets,
                rng,
            )
            found = outputs(project)
            bad = differing(found, clean) + mistakes(project) + ["hangs"] * (code == HUNG)
            if code == 0:
                bad += lacking(found, clean, targets)
            elif words == UNHURT:
                bad += ["fails although nothing struck"]
            wrong += bool(bad)
            print(
                f"{number:>5}  {kind:<13} {words:<13} {code:>4}  {len(found):>5}  "
                f"{', '.join(bad[:3]) or 'sound'}",
                flush=True,
            )
            if code == 0:
                shutil.rmtree(project)
                project, rounds = write_project(project, DEMO, settings), rounds + 1
        last = Run.start(project, work / "run.log", cores, targets).end()
        found = outputs(project)
        bad = differing(found, clean) + lacking(found, clean, targets)
        wrong += bool(last or bad)
        print(
            f"the last round ends with exit code {last}: {len(found)} files, "
            f"{', '.join(bad[:9]) or 'all equal to the clean run'}"
        )
        if last:
            print((work / "run.log").read_text()[-4000:])
    finally:
        disk.close()
    print(f"{faults} faults in {rounds} round(s), {wrong} wrong")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument(
        "--seed", type=int, default=None, help="Of the moments; a new one each time by default."
    )
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument(
        "targets", nargs="*", help="Files to make, such as results/splits/tiny.tsv; all by default."
    )
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(2**31) if arguments.seed is None else arguments.seed
    with tempfile.TemporaryDirectory(prefix="chaos-") as work:
        run = {"settings": MINI, "targets": arguments.targets, "cores": arguments.cores}
        wrong = chaos(
            Path(work), *clean_run(Path(work), **run), faults=arguments.faults, seed=seed, **run
        )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
