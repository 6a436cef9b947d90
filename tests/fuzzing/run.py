"""Run mutants against a reader: each must end well or in an error of ours, soon and in little
memory.
"""

import contextlib
import hashlib
import logging
import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from fuzzing.targets import TARGETS, Target
from genoloom.errors import GenoLoomError

SECONDS = 10
MEMORY = 1 << 30  # bytes beyond what the process has when it begins
GOOD = ("read", "typed error")
INDEXES = (".fai", ".gzi")  # made next to a FASTA, whatever comes of what it is read for


@dataclass(frozen=True)
class Fault:
    """A mutant that was not handled.

    Attributes
    ----------
    target, outcome : str
    why : str
        The place of the exception, or the signal.
    files : dict
        Bytes by name.
    """

    target: str
    outcome: str
    why: str
    files: dict[str, bytes]

    def save(self, folder: Path) -> Path:
        """Write the files and WHY.txt below `folder`."""
        name = hashlib.sha256(b"".join(self.files.values()) + self.why.encode()).hexdigest()[:8]
        place = folder / f"{self.target}.{name}"
        place.mkdir(parents=True, exist_ok=True)
        for file, data in self.files.items():
            (place / file).write_bytes(data)
        (place / "WHY.txt").write_text(f"{self.outcome}: {self.why}\n")
        return place


def fuzz(target: Target, mutants: int, seed: int) -> tuple[Counter, list[Fault]]:
    """Outcomes by name, and every fault. A mutant follows from the seed and its number alone."""
    outcomes: Counter = Counter()
    faults: list[Fault] = []
    context = get_context("fork")
    number = 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        while number < mutants:
            receive, send = context.Pipe(duplex=False)
            process = context.Process(
                target=_work, args=(target, number, mutants, seed, Path(folder), send)
            )
            process.start()
            send.close()
            alive = True
            while alive and number < mutants:
                alive = receive.poll(2 * SECONDS)
                try:
                    outcome, why = receive.recv() if alive else ("hang", "no answer")
                except EOFError:
                    process.join()
                    code = process.exitcode or 0
                    outcome, why = (
                        "signal",
                        signal.Signals(-code).name if code < 0 else f"exit {code}",
                    )
                    alive = False
                outcomes[outcome] += 1
                if outcome not in GOOD:
                    faults.append(Fault(target.name, outcome, why, target.mutant(seed, number)))
                number += 1
            process.kill()
            process.join()
            receive.close()
    return outcomes, faults


class _Hang(BaseException):
    pass


def _hang(*_) -> None:
    raise _Hang


def _work(target: Target, first: int, stop: int, seed: int, folder: Path, send) -> None:
    """Read mutants one after the other; dies with one that kills it."""
    logging.disable(logging.CRITICAL)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    signal.signal(signal.SIGALRM, _hang)
    held = _data_bytes()
    resource.setrlimit(resource.RLIMIT_DATA, (held + MEMORY, resource.RLIM_INFINITY))
    for number in range(first, stop):
        place = folder / str(number)
        place.mkdir()
        files = target.mutant(seed, number)
        for name, data in files.items():
            (place / name).write_bytes(data)
        signal.alarm(SECONDS)
        try:
            outcome, why = _outcome(target, place)
        except _Hang:
            outcome, why = "hang", f"more than {SECONDS} s"
        signal.alarm(0)
        made = (path for path in place.rglob("*") if path.is_file() and path.name not in files)
        left = sorted(path.name for path in made if path.suffix not in INDEXES)
        if left and outcome != "read":
            outcome, why = "partial file", left[0]
        shutil.rmtree(place, ignore_errors=True)
        send.send((outcome, why))


def _outcome(target: Target, place: Path) -> tuple[str, str]:
    try:
        with contextlib.chdir(place):
            target.read(place)
    except GenoLoomError as error:
        return "typed error", str(error)
    except MemoryError:
        return "memory", "more than 1 GB"
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in at if "genoloom" in frame.filename] or at
        return (
            "untyped error",
            f"{type(error).__name__} at {Path(own[-1].filename).name}:{own[-1].lineno}",
        )
    return "read", ""


def _data_bytes() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData"))


def main() -> None:
    """The long form: see `make fuzz`."""
    import argparse

    parser = argparse.ArgumentParser(
        description="Fuzz every reader; exits with 1 where a mutant was not handled."
    )
    parser.add_argument("--mutants", type=int, default=10_000, help="for each reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--targets", nargs="+", choices=sorted(TARGETS), default=sorted(TARGETS))
    parser.add_argument(
        "--out", type=Path, default=Path("build/fuzz"), help="where faults are kept"
    )
    options = parser.parse_args()
    failed = 0
    for name in options.targets:
        began = time.monotonic()
        outcomes, faults = fuzz(TARGETS[name], options.mutants, options.seed)
        counts = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.most_common())
        print(f"{name:<28} {counts}  ({time.monotonic() - began:.0f} s)", flush=True)
        seen = set()
        for fault in faults:
            failed += 1
            if fault.why not in seen:  # one file for each kind of fault
                seen.add(fault.why)
                print(f"  {fault.outcome}: {fault.why}: {fault.save(options.out)}", flush=True)
    print(f"{failed} faults")
    raise SystemExit(failed > 0)
