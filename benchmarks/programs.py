"""Programs that are measured: this package's commands and their peers, each in its own process."""

import json
import shutil
import subprocess
import sys

from genoloom.errors import InputError


def needs(*programs: str) -> None:
    """Raise an InputError unless these programs are installed."""
    for program in programs:
        if not shutil.which(program):
            raise InputError(program, "is not installed", remedy="tests/install_test_tools.sh")


def output_of(*words) -> str:
    """What a program prints; it must succeed."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words[0]} {words[1]} failed: {done.stderr[-500:]}")
    return done.stdout


# A process takes over the peak memory of the one that started it, so that one must be small.
LAUNCHER = """
import json, resource, subprocess, sys, time
started = time.monotonic()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, used.ru_utime + used.ru_stime, time.monotonic() - started, used.ru_maxrss]))
"""


def timed(*words) -> dict:
    """Processor seconds, wall seconds and peak memory (MB) of a program and its children; it must
    succeed.
    """
    launched = [sys.executable, "-S", "-c", LAUNCHER, *map(str, words)]
    done = subprocess.run(launched, capture_output=True, text=True, check=True)
    code, cpu, wall, kilobytes = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{words[0]} {words[1]} failed: {done.stderr[-500:]}")
    return {"cpu_s": cpu, "wall_s": wall, "peak_mb": kilobytes / 1024}


def genoloom(*words) -> dict:
    """Measure a command of this package."""
    return timed(sys.executable, "-m", "genoloom", *words)
