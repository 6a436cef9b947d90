"""Locks of killed runs, of live ones, and of those of which nobody knows."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace

import psutil
import pytest

from genoloom.errors import InputError
from genoloom.programs import snakemake
from genoloom.programs.snakemake import TOKEN, Holder, lock_files, note_holder, release_stale_lock

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
LOCKER = """
import pathlib, sys, time
locks = pathlib.Path(sys.argv[1]) / ".snakemake/locks"
locks.mkdir(parents=True)
for kind in ("input", "output"):
    (locks / f"0.{kind}.lock").write_text("file")
time.sleep(60)
"""


@pytest.fixture
def locked(tmp_path):
    """A directory with a noted lock of a process that was killed."""
    process = subprocess.Popen([sys.executable, "-c", LOCKER, str(tmp_path)])
    note_holder(tmp_path, process, "token")
    process.kill()
    process.wait()
    assert len(lock_files(tmp_path)) == 2
    return tmp_path


def holder_of(directory) -> Holder:
    return Holder(**json.loads(snakemake._note(directory).read_text()))


def rewrite(directory, **changes) -> None:
    snakemake._note(directory).write_text(
        json.dumps(asdict(replace(holder_of(directory), **changes)))
    )


def refused(directory, words: str) -> None:
    before = lock_files(directory)
    with pytest.raises(InputError, match=words):
        release_stale_lock(directory)
    assert lock_files(directory) == before


def test_no_lock_is_no_trouble(tmp_path):
    release_stale_lock(tmp_path)


def test_the_lock_of_a_killed_run_is_removed(locked, caplog):
    release_stale_lock(locked)
    assert lock_files(locked) == []
    assert "its lock is removed" in caplog.text


def test_the_number_of_a_killed_process_may_be_used_again(locked):
    rewrite(locked, pid=os.getpid(), started=psutil.Process().create_time() - 1000)
    release_stale_lock(locked)
    assert lock_files(locked) == []


def test_a_run_that_works_is_left_alone(locked):
    rewrite(locked, pid=os.getpid(), started=psutil.Process().create_time())
    refused(locked, f"another run works here \\(process {os.getpid()}\\)")


def test_snakemake_without_genoloom_is_seen(locked, tmp_path):
    script = tmp_path / "snakemake"
    script.write_text("import time; print('up', flush=True); time.sleep(60)")
    with subprocess.Popen(
        [sys.executable, str(script)], cwd=locked, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        refused(locked, f"another run works here \\(process {process.pid}\\)")
        process.kill()


@pytest.mark.parametrize("changes", [{"host": "another"}, {"space": "another"}])
def test_a_lock_of_another_machine_is_never_removed(locked, changes):
    rewrite(locked, **changes)
    refused(locked, "on another machine")


def test_after_a_restart_of_the_machine_no_process_is_left(locked):
    rewrite(
        locked,
        pid=os.getpid(),
        started=psutil.Process().create_time(),
        boot="another",
        space="another",
    )
    release_stale_lock(locked)
    assert lock_files(locked) == []


def test_a_lock_that_somebody_else_made_since_is_not_removed(locked):
    path = locked / ".snakemake/locks/0.input.lock"
    os.utime(path, ns=(1, 1))
    refused(locked, "not known which process")


@pytest.mark.parametrize("text", ["", "{}", "[1]", None])
def test_without_a_note_nobody_knows(locked, text):
    if text is None:
        snakemake._note(locked).unlink()
    else:
        snakemake._note(locked).write_text(text)
    refused(locked, "not known which process")


def test_jobs_of_a_killed_run_are_stopped(locked):
    environment = {**os.environ, TOKEN: "token"}
    with (
        subprocess.Popen(SLEEP, env=environment, stdout=subprocess.PIPE) as job,
        subprocess.Popen(SLEEP, stdout=subprocess.PIPE) as other,
    ):
        for process in (job, other):
            process.stdout.readline()
        started = time.monotonic()
        release_stale_lock(locked)
        assert not psutil.pid_exists(job.pid)
        assert other.poll() is None
        other.kill()
    assert time.monotonic() - started < 30
