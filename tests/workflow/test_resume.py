"""A training that is killed goes on where it stopped, and ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import run_genoloom

from genoloom.formats.histories import read_history
from genoloom.formats.tables import read_table


def train_command(project, out):
    return [
        "train", "transformer", "--panel", project / "results/panels/tiny/20", "--split",
        project / "results/splits/tiny.tsv",
        "--model", out / "m.safetensors", "--history", out / "h.tsv", "--state", out / "state",
        "--device", "cpu", "--steps", "120",
        "--evaluate-every", "20", "--width", "32", "--layers", "2", "--batch", "8", "--context",
        "8", "--seed", "3",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(finished, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    done = run_genoloom(*train_command(finished, out))
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 75)])
def test_signal_saves_and_a_rerun_gives_the_same_model(
    finished, uninterrupted, tmp_path, number, code
):
    command = [sys.executable, "-m", "genoloom", *map(str, train_command(finished, tmp_path))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "step 20/120" in line:
                process.send_signal(number)
                break
        rest = process.stderr.read()
    assert process.returncode == code, rest
    assert "the state is saved" in rest
    assert not (tmp_path / "m.safetensors").exists()
    done = run_genoloom(*train_command(finished, tmp_path))
    assert done.returncode == 0, done.stderr
    assert "resumed at step" in done.stderr
    assert (tmp_path / "m.safetensors").read_bytes() == (
        uninterrupted / "m.safetensors"
    ).read_bytes()


def test_two_processes_learn_as_much_as_one(finished, uninterrupted, tmp_path):
    done = run_genoloom(*train_command(finished, tmp_path), "--processes", "2")
    assert done.returncode == 0, done.stderr
    start, one, two = (
        read_history(place / "h.tsv")[row]["bits"]
        for place, row in ((tmp_path, 0), (uninterrupted, -1), (tmp_path, -1))
    )
    assert abs(one - two) < 0.1 * (start - one)


def test_state_of_other_options_is_refused(finished, tmp_path):
    command = train_command(finished, tmp_path)
    assert run_genoloom(*command, "--time-limit-minutes", "0.0001").returncode == 75
    done = run_genoloom(*command, "--dropout", "0.3")
    assert done.returncode == 2
    assert "belongs to another run" in done.stderr


def test_a_stopped_and_then_killed_workflow_goes_on_from_its_state(tiny_project):
    """SIGTERM saves the state; after it SIGKILL, which cannot be caught, costs only what came
    since.
    """
    config = tiny_project / "config/config.yaml"
    config.write_text(config.read_text().replace("steps: 30", "steps: 600"))
    target = tiny_project / "results/models/tiny/transformer/20.safetensors"
    log = tiny_project / "logs/train_haplotypes/tiny.transformer.20.log"
    command = [
        "run",
        "-C",
        str(tiny_project),
        "--cores",
        "1",
        "results/models/tiny/transformer/20.safetensors",
    ]
    for number, kill, words in (
        (signal.SIGTERM, os.kill, "step 20/600"),
        (signal.SIGKILL, os.killpg, "resumed at step"),
    ):
        log.unlink(missing_ok=True)
        whole = [sys.executable, "-m", "genoloom", *command]
        with subprocess.Popen(
            whole, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            for _ in range(2400):
                if log.exists() and words in log.read_text():
                    break
                time.sleep(0.05)
            kill(process.pid, number)
        assert words in log.read_text()
        assert not target.exists()
    done = run_genoloom(*command)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "the last run was killed; its lock is removed" in done.stderr
    assert "resumed at step" in log.read_text()
    steps = [int(row["step"]) for row in read_table(target.with_suffix(".history.tsv"))]
    assert steps == sorted(set(steps))
    assert steps[0] == 0
