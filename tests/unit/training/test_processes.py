"""Training in several processes: the same model up to rounding, one that leads, and clear ends."""

import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest
from helpers import call_genoloom, founder_mosaic, make_panel, run_genoloom
from safetensors.numpy import load_file

from genoloom.formats.histories import read_history
from genoloom.formats.pgen import PanelWriter
from genoloom.training import processes

STEPS = (
    "--steps",
    "30",
    "--evaluate-every",
    "10",
    "--batch",
    "7",
    "--width",
    "16",
    "--dropout",
    "0",
    "--device",
    "cpu",
)


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    """A prepared set of random sequences, whose last base is their first."""
    folder, rng = tmp_path_factory.mktemp("sequences"), np.random.default_rng(1)
    bases = rng.choice(list("ACGT"), p=[0.4, 0.1, 0.2, 0.3], size=(200, 60))
    bases[:, -1] = bases[:, 0]
    (folder / "s.txt").write_text("\n".join("".join(row) for row in bases) + "\n")
    done = call_genoloom(
        "sequences", "prepare", "--source", folder / "s.txt", "--out", folder / "set"
    )
    assert done.returncode == 0, done.stderr
    return folder / "set/train.fa.gz"


def command(sequences, place, *more):
    files = (
        "--train",
        sequences,
        "--model",
        place / "m.safetensors",
        "--history",
        place / "h.tsv",
        "--state",
        place / "state",
    )
    return ["sequences", "train", "transformer", *map(str, (*files, *STEPS, *more))]


@pytest.fixture(scope="module")
def trained(sequences, tmp_path_factory):
    """Folders of the same training in one process, in two, and in two under torchrun."""
    place = tmp_path_factory.mktemp("trained")
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "genoloom",
    ]
    starts = {
        "one": [sys.executable, "-m", "genoloom", *command(sequences, place / "one")],
        "two": [
            sys.executable,
            "-m",
            "genoloom",
            *command(sequences, place / "two", "--processes", "2"),
        ],
        "torchrun": [*torchrun, *command(sequences, place / "torchrun")],
    }
    for name, start in starts.items():
        done = subprocess.run(start, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        assert done.stderr.count("model written") == 1
        assert "Traceback" not in done.stderr
    return place


def test_two_processes_learn_what_one_does(trained):
    one, two = (load_file(trained / name / "m.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        np.testing.assert_allclose(value, two[name], atol=2e-3, err_msg=name)
    losses = [
        [row["loss"] for row in read_history(trained / name / "h.tsv")[1:]]
        for name in ("one", "two")
    ]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_two_processes_learn_haplotypes_as_one_does(tmp_path):
    """Whose input alleles are mutated and whose tokens are hidden does not depend on them."""
    panel = make_panel(founder_mosaic(64, 120, np.random.default_rng(1)))
    with PanelWriter(tmp_path / "1", panel.individuals, panel.sites.contig) as writer:
        writer.append(panel.sites, panel.haplotypes.read(0, 64))
    (tmp_path / "1.summary.json").write_text('{"contig": "20", "records": 64, "kept": 64}')
    done = call_genoloom("split", "--panel", tmp_path / "1", "--out", tmp_path / "split.tsv",
                         "--summary", tmp_path / "s.json", "--kinship", "false")  # fmt: skip
    assert done.returncode == 0, done.stderr
    losses = {}
    for n, call in ((1, call_genoloom), (2, run_genoloom)):
        place = tmp_path / str(n)
        done = call("train", "transformer", "--panel", tmp_path / "1", "--split",
                    tmp_path / "split.tsv", "--model", place / "m.safetensors", "--history",
                    place / "h.tsv", "--state", place / "state", *STEPS,
                    "--processes", n)  # fmt: skip
        assert done.returncode == 0, done.stderr
        losses[n] = [row["loss"] for row in read_history(place / "h.tsv")[1:]]
    assert len(losses[1]) == 3
    np.testing.assert_allclose(losses[1], losses[2], rtol=1e-4)


def test_the_same_number_of_processes_gives_the_same_bytes(trained):
    """Whoever starts them."""
    two, torchrun = (trained / name / "m.safetensors" for name in ("two", "torchrun"))
    assert two.read_bytes() == torchrun.read_bytes()


def test_what_is_resumed_equals_what_was_not_stopped(trained, sequences, tmp_path):
    arguments = command(sequences, tmp_path, "--processes", "2")
    stopped = run_genoloom(*arguments, "--time-limit-minutes", "0.0001")
    assert stopped.returncode == 75, stopped.stderr
    done = run_genoloom(*arguments)
    assert done.returncode == 0, done.stderr
    assert "resumed at step 1 of 30" in done.stderr
    assert (tmp_path / "m.safetensors").read_bytes() == (trained / "two/m.safetensors").read_bytes()


@pytest.fixture
def long_training(sequences, tmp_path):
    """A training in two processes that has begun and would take hours, in a group of its own."""
    arguments = [
        *command(sequences, tmp_path, "--processes", "2"),
        "--steps",
        "1000000",
        "--evaluate-every",
        "1000000",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "genoloom", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    said = []
    for line in process.stderr:
        said.append(line)
        if "step 0/" in line:
            break
    else:
        pytest.fail("".join(said))
    yield process
    process.kill()
    process.wait()


def test_a_signal_to_all_processes_saves_and_ends_them(long_training, tmp_path):
    helpers = psutil.Process(long_training.pid).children()
    os.killpg(long_training.pid, signal.SIGTERM)
    assert "the state is saved, run again to go on" in long_training.communicate(timeout=60)[1]
    assert long_training.returncode == 75
    assert (tmp_path / "state/checkpoint.safetensors").exists()
    assert psutil.wait_procs(helpers, timeout=10)[1] == []


def test_a_helper_that_dies_ends_the_training_with_a_message(long_training):
    [helper] = [
        p
        for p in psutil.Process(long_training.pid).children()
        if "spawn_main" in " ".join(p.cmdline())
    ]
    helper.kill()
    said = long_training.communicate(timeout=60)[1]
    assert long_training.returncode == 2, said
    assert "a process of this training is gone" in said
    assert "Traceback" not in said


def test_each_row_of_a_batch_belongs_to_one_process(monkeypatch):
    monkeypatch.setattr(processes, "size", lambda: 3)
    rows, seen = np.arange(7), []
    for rank in range(3):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        seen += rows[processes.share(7)].tolist()
    assert sorted(seen) == rows.tolist()


def test_what_cannot_be_shared_is_said(sequences, tmp_path):
    done = call_genoloom(*command(sequences, tmp_path, "--processes", "8"))
    assert done.returncode == 2
    assert "8, more than the 7 rows of a batch" in done.stderr
    chain = [
        x if x != "transformer" else "markov" for x in command(sequences, tmp_path)[: -len(STEPS)]
    ]
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "genoloom",
        *chain,
    ]
    done = subprocess.run(torchrun, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "'markov' trains in one process" in done.stderr
    assert call_genoloom(*chain, "--processes", "2").returncode == 0
    assert (tmp_path / "m.safetensors").exists()
