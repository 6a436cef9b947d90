"""No name of a file or directory reaches the shell as a command, or breaks a sheet; the checkout's
own path included.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest
from helpers import run_genoloom

from genoloom.config_files import load_study
from genoloom.formats.tables import read_table

# what a shell, Python's format or a sheet may trip over
WEIRD = """a 'b' "c" $(touch pwned) `touch pwned` $HOME {} { } %s \\ ; & | * ? # ~ ü\tt\nn"""
WILD = "${HOME} {{d}} {e}"  # and Snakemake, which reads wildcards in every path of an input


@pytest.fixture
def weird_project(tmp_path, tiny_project):
    """The small project in a directory with such a name, with inputs of such names, set up by
    `genoloom init`.
    """
    place = tmp_path / WEIRD / "project"
    (place / "data").mkdir(parents=True)
    vcf, individuals = place / "data" / f"{WEIRD}.vcf.gz", place / "data" / f"{WEIRD}.tsv"
    shutil.copy(tiny_project / "data/cohort.vcf.gz", vcf)
    shutil.copy(tiny_project / "data/cohort.vcf.gz.tbi", f"{vcf}.tbi")
    shutil.copy(tiny_project / "data/samples.tsv", individuals)
    done = run_genoloom(
        "init", place, "--variants", vcf, "--samples", individuals, "--name", "tiny"
    )
    assert done.returncode == 0, done.stderr
    return place


def test_a_sheet_holds_any_path(weird_project):
    [row] = load_study(weird_project / "config/config.yaml", weird_project).panels
    assert row.variants == str(weird_project / "data" / f"{WEIRD}.vcf.gz")


def test_what_snakemake_takes_for_a_wildcard_is_refused(weird_project):
    wild = weird_project / "data" / f"{WILD}.vcf.gz"
    shutil.copy(weird_project / "data" / f"{WEIRD}.vcf.gz", wild)
    done = run_genoloom("init", weird_project, "--force", "--variants", wild)
    assert done.returncode == 2
    assert "{HOME} would be a wildcard of the workflow" in done.stderr
    sheet = weird_project / "config/panels.tsv"
    sheet.write_text(f"panel\tcontig\tvariants\ntiny\t20\tdata/{WILD}.vcf.gz\n")
    done = run_genoloom("run", "-C", weird_project)
    assert done.returncode == 2
    assert "line 2 variants" in done.stderr
    assert "{HOME} would be a wildcard of the workflow" in done.stderr


def test_a_checkout_with_a_weird_name(weird_project, repository, tmp_path):
    """A plan of everything, and two rules that really run."""
    checkout = tmp_path / re.sub("[{}]", "", WEIRD) / "checkout"
    checkout.mkdir(parents=True)
    for name in ("src", "workflow", "profiles", "envs", "Snakefile"):
        copy = shutil.copytree if (repository / name).is_dir() else shutil.copy
        copy(repository / name, checkout / name)

    def run(*options):
        command = [
            sys.executable,
            "-m",
            "genoloom",
            "run",
            "-C",
            str(weird_project),
            "--cores",
            "1",
            *options,
        ]
        environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    planned = run("-n")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    done = run("results/splits/tiny.tsv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(read_table(weird_project / "results/splits/tiny.tsv")) == 60
    assert not list(tmp_path.rglob("pwned"))

    checkout = checkout.rename(tmp_path / WILD)
    refused = run("-n")
    assert refused.returncode == 2
    assert "braces in the path of the checkout" in refused.stderr
