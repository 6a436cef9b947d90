"""The small workflow on a real SLURM on this machine, and the flags of its jobs with a stand-in."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

NODES = 2
CONF = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
SlurmctldPort=16817
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
JobRequeue=0
KillWait=5
MinJobAge=300
SlurmdParameters=config_overrides
GresTypes=gpu
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=10:00:00 State=UP
"""

SLURM_OPTIONS = [
    "--jobs",
    "4",
    "--slurm-no-account",
    "--slurm-status-command",
    "squeue",
    "--slurm-init-seconds-before-status-checks",
    "3",
    "--latency-wait",
    "5",
    "--default-resources",
    "slurm_partition=cpu",
    "mem_mb=1500",
    "runtime=10",
    "--set-resources",
    *(
        f"{rule}:mem_mb=3000"
        for rule in ("train_haplotypes", "prepare_sequences", "generate_sequences")
    ),
]


def run(*command, check=True, **options):
    return subprocess.run(
        [*map(str, command)], check=check, capture_output=True, text=True, **options
    )


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A SLURM controller and two nodes on this machine; skipped, visibly, where they cannot be
    had.
    """
    for program in ("slurmctld", "slurmd", "munged", "sbatch"):
        if not shutil.which(program):
            pytest.skip(
                f"no {program}: install slurm-wlm and munge (tests/install_test_tools.sh) to run "
                "this test"
            )
    if os.geteuid() != 0:
        pytest.skip("starting SLURM needs root")
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "state").mkdir()
    for i in range(1, NODES + 1):
        (folder / f"spool.n{i}").mkdir()
    host = socket.gethostname().split(".")[0]
    last = "Gres=gpu:1 "
    nodes = "\n".join(
        f"NodeName=n{i} NodeHostname={host} NodeAddr=127.0.0.1 Port={16820 + i} CPUs=2 "
        f"RealMemory=16000 {last if i == NODES else ''}State=UNKNOWN"
        for i in range(1, NODES + 1)
    )
    (folder / "slurm.conf").write_text(CONF.format(host=host, folder=folder, nodes=nodes))
    (folder / "gres.conf").write_text(f"NodeName=n{NODES} Name=gpu File=/dev/null\n")
    etc = Path("/etc/slurm")
    if any(
        (etc / name).exists() and not (etc / name).is_symlink()
        for name in ("slurm.conf", "gres.conf")
    ):
        pytest.skip("this machine has a SLURM configuration of its own")
    etc.mkdir(exist_ok=True)
    Path("/run/munge").mkdir(exist_ok=True)
    run("chown", "munge:munge", "/run/munge")
    Path("/run/munge").chmod(0o755)
    links = [etc / "slurm.conf", etc / "gres.conf"]
    started_munge = not run("pgrep", "munged", check=False).stdout.strip()
    try:
        for link in links:
            link.unlink(missing_ok=True)
            link.symlink_to(folder / link.name)
        if started_munge:
            run("runuser", "-u", "munge", "--", "munged")
        run("slurmctld")
        for i in range(1, NODES + 1):
            run("slurmd", "-N", f"n{i}")
        for _ in range(100):
            if "idle" in run("sinfo", "-h", "-o", "%t", check=False).stdout:
                break
            time.sleep(0.1)
        else:
            pytest.fail(f"SLURM did not start: {(folder / 'slurmctld.log').read_text()[-2000:]}")
        yield folder
    finally:
        run("scontrol", "shutdown", check=False)
        time.sleep(0.5)
        for process in psutil.process_iter(["environ"]):  # what killed jobs have left behind
            submitted = (process.info["environ"] or {}).get("SLURM_SUBMIT_DIR")
            if submitted and Path(submitted).is_relative_to(folder.parent):
                process.kill()
        if started_munge:
            run("pkill", "munged", check=False)
        for link in links:
            link.unlink(missing_ok=True)


@pytest.mark.slurm
@pytest.mark.timeout(1800)
def test_the_workflow_runs_on_slurm(slurm, tiny_project, repository):
    """One generator, and no sequences: each SLURM job costs seconds of polling."""
    config = tiny_project / "config/config.yaml"
    settings = yaml.safe_load(config.read_text())
    settings |= {"generators": ["transformer"], "baselines": [], "sequence_sets": None}
    config.write_text(yaml.safe_dump(settings))
    command = [
        sys.executable, "-m", "genoloom", "run", "-C", tiny_project, "--profile",
        repository / "profiles/slurm", *SLURM_OPTIONS,
    ]  # fmt: skip
    done = run(*command, check=False, timeout=1780)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert (tiny_project / "results/report/index.html").exists()
    assert "SLURM jobid" in done.stdout + done.stderr


def wait_for(what: str, seen, process: subprocess.Popen, output: Path, seconds: int = 600) -> None:
    """Wait until `seen` is true."""
    for _ in range(5 * seconds):
        if seen():
            return
        if process.poll() is not None:
            break
        time.sleep(0.2)
    pytest.fail(f"{what}: not seen\n{output.read_text()[-6000:]}")


@pytest.mark.slurm
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_workflow_survives_what_a_cluster_does_to_it(slurm, tiny_project, repository, tmp_path):
    """In one run: a job killed for its memory, one for its wall time, one that is cancelled, and a
    node that is set down. Everything is made, trainings go on, files are what was written.
    """
    config = tiny_project / "config/config.yaml"
    settings = yaml.safe_load(config.read_text())
    settings |= {"generators": ["transformer", "gan"], "baselines": []}
    settings["sequence_generators"] = ["transformer"]
    # longer than its limit
    settings["train"]["transformer"] |= {"steps": None, "minutes": 1.3, "patience": None}
    settings["train"]["gan"] |= {"steps": 600, "evaluate_every": 50}
    settings["train_sequences"]["transformer"] |= {"steps": 1000, "evaluate_every": 50}
    config.write_text(yaml.safe_dump(settings))
    models = ["tiny/transformer/20", "tiny/gan/20", "sequences/slice/transformer"]
    logs = {
        name: tiny_project / "logs" / f"{log}.log"
        for name, log in {
            "gan": "train_haplotypes/tiny.gan.20",
            "sequences": "train_sequences/slice.transformer",
        }.items()
    }
    command = [
        sys.executable, "-m", "genoloom", "run", "-C", tiny_project, "--profile",
        repository / "profiles/slurm", *(f"results/models/{name}.safetensors" for name in models),
        *SLURM_OPTIONS,
        # 100 MB and then 3200; a minute and then 32; the node that goes down has one training
        "prepare_panel:mem_mb=100 * attempt**5", "train_haplotypes:runtime=attempt**5",
        "train_haplotypes:slurm_extra='--nodelist=n1'",
        "train_sequences:slurm_extra='--nodelist=n2'",
    ]  # fmt: skip
    output = tmp_path / "output"
    with output.open("w") as file:
        process = subprocess.Popen([*map(str, command)], stdout=file, stderr=subprocess.STDOUT)

    def running(name: str) -> bool:
        return logs[name].exists() and "step 50/" in logs[name].read_text()

    try:
        wait_for("the training of the GAN", lambda: running("gan"), process, output)
        jobs = run("squeue", "-h", "-t", "R", "-o", "%i %k").stdout.splitlines()
        [job] = [line.split()[0] for line in jobs if "gan" in line]
        run("scancel", job)
        wait_for("the training on sequences", lambda: running("sequences"), process, output)
        run("scontrol", "update", "nodename=n2", "state=down", "reason=test")
        time.sleep(1)
        run("scontrol", "update", "nodename=n2", "state=resume", check=False)  # if it is not yet
        code = process.wait(timeout=1500)
    finally:
        process.kill()
    said = output.read_text()
    assert code == 0, said[-6000:]
    # on a busy machine the minute of the transformer is over before its first step
    for name in ("gan", "sequences"):
        assert "resumed at step" in logs[name].read_text(), name
    for state in ("FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"):
        assert f"status is: '{state}'" in said, said[-6000:]
    verified = run(sys.executable, "-m", "genoloom", "verify", tiny_project / "results")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_jobs_ask_slurm_for_what_their_rules_declare(tiny_project, repository, tmp_path):
    """A stand-in sbatch records its flags; no SLURM is needed."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "sbatch").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {tmp_path}/flags\nexit 1\n')
    for name in ("sacct", "squeue", "sinfo", "scontrol", "sacctmgr", "scancel"):
        (tools / name).write_text("#!/bin/sh\nexit 0\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    command = [
        sys.executable, "-m", "snakemake", "results/panels/tiny/20.pgen", "--snakefile",
        repository / "Snakefile", "--directory", tiny_project, "--executor", "slurm",
        "--jobs", "1", "--slurm-no-account", "--slurm-init-seconds-before-status-checks", "3",
        "--default-resources", "slurm_partition=cpu", "mem_mb=1500", "runtime=10",
    ]  # fmt: skip
    run(
        *command,
        check=False,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        timeout=120,
    )
    flags = (tmp_path / "flags").read_text()
    assert "-t 120" in flags or "--time=120" in flags or "-t 2:00:00" in flags
    assert "--mem" in flags
    assert "--cpus-per-task=1" in flags or "-c 1" in flags
