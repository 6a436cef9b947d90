"""A training that is killed goes on where it stopped, and ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import run_genoloom

pytestmark = pytest.mark.xdist_group("workflow")


def train_command(project, out):
    return [
        "train", "transformer", "--panel", project / "results/panels/tiny/20", "--split", project / "results/splits/tiny.tsv",
        "--model", out / "m.safetensors", "--history", out / "h.tsv", "--state", out / "state", "--device", "cpu", "--steps", "120",
        "--evaluate-every", "20", "--width", "32", "--layers", "2", "--batch", "8", "--context", "8", "--seed", "3",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(finished, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    done = run_genoloom(*train_command(finished, out))
    assert done.returncode == 0, done.stderr
    return (out / "m.safetensors").read_bytes()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 75)])
def test_signal_saves_and_a_rerun_gives_the_same_model(finished, uninterrupted, tmp_path, number, code):
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
    assert (tmp_path / "m.safetensors").read_bytes() == uninterrupted


def test_state_of_other_options_is_refused(finished, tmp_path):
    command = train_command(finished, tmp_path)
    assert run_genoloom(*command, "--time-limit-minutes", "0.0001").returncode == 75
    done = run_genoloom(*command, "--dropout", "0.3")
    assert done.returncode == 2
    assert "belongs to another run" in done.stderr


def test_a_killed_workflow_goes_on(tiny_project):
    """SIGKILL in the middle of training: no final model, and the next run ends well."""
    config = tiny_project / "config/config.yaml"
    config.write_text(config.read_text().replace("steps: 30", "steps: 4000"))
    command = [sys.executable, "-m", "genoloom", "run", "-C", tiny_project, "--cores", "1"]
    target = "results/models/tiny/transformer/20.safetensors"
    with subprocess.Popen([*map(str, command), target], stderr=subprocess.DEVNULL, start_new_session=True) as process:
        log = tiny_project / "logs/train_haplotypes/tiny.transformer.20.log"
        for _ in range(1200):
            if log.exists() and "step 10/4000" in log.read_text():
                break
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (tiny_project / target).exists()
    config.write_text(config.read_text().replace("steps: 4000", "steps: 30"))
    subprocess.run([*map(str, command), "--unlock"], check=True, capture_output=True)
    done = subprocess.run([*map(str, command), target], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tiny_project / target).exists()
