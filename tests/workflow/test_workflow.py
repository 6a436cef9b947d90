"""The workflow as its users run it."""

import gzip
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import cyvcf2
import numpy as np
import pytest
import yaml
from helpers import add_contig, run_genoloom
from small_project import traced

from genoloom.formats.pgen import open_panel
from genoloom.formats.tables import read_table

RULES = [
    "prepare_panel", "split_individuals", "train_haplotypes", "make_cohort", "generate_haplotypes",
    "write_consensus", "validate_haplotypes",
    "shadow_haplotypes", "audit_haplotypes", "prepare_sequences", "train_sequences",
    "generate_sequences", "validate_sequences", "audit_sequences", "write_report",
]  # fmt: skip


INDEXES = (".fai", ".gzi", ".tbi", ".csi")


def snakemake(*arguments, cwd, **options):
    command = [sys.executable, "-m", "snakemake", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **options)


def resources_of(output: str) -> dict[str, dict[str, str]]:
    """The resources of each job of a dry run, by the first wildcard-dependent file that it
    writes.
    """
    jobs = re.findall(
        r"^ +output: ([^,\n]+).*?^ +resources: ([^\n]+)", output, re.MULTILINE | re.DOTALL
    )
    return {path: dict(part.split("=", 1) for part in text.split(", ")) for path, text in jobs}


def undeclared_reads(
    folder: Path, demo: Path, repository: Path, *targets: str
) -> dict[str, list[str]]:
    """Files that commands of traced runs read although their rule does not declare them, by log
    file; "" without a trace.
    """
    done = snakemake("-n", "-F", "--snakefile", repository / "Snakefile", *targets, cwd=folder)
    read: dict[str, set[Path]] = {}
    for trace in (folder.parent / "trace").iterdir():
        log, *opened = trace.read_text().splitlines()
        read.setdefault(log, set()).update(map(Path, opened))
    found = {}
    for job in re.split(r"^(?:local)?rule ", done.stdout + done.stderr, flags=re.MULTILINE)[1:]:
        named = {
            key: re.search(rf"^ +{key}: (.*)", job, re.MULTILINE)
            for key in ("input", "output", "log")
        }
        if not named["log"]:
            continue
        log = named["log"][1]
        declared = [
            folder / path for files in named.values() if files for path in files[1].split(", ")
        ]
        # what is gone was temporary; an index is only used where there is one
        opened = {
            path for path in read.get(log, ()) if path.is_file() and path.suffix not in INDEXES
        }
        opened -= {
            *declared,
            *(path for path in opened if folder / "results/.state" in path.parents),
        }
        found[log] = sorted(
            str(p) for p in opened if p.is_relative_to(demo) or p.is_relative_to(folder)
        )
        found[log] += [] if log in read else [""]
    return {log: paths for log, paths in found.items() if paths}


def test_lint_is_clean(repository):
    done = snakemake("--lint", cwd=repository)
    assert done.returncode == 0, done.stderr


def test_formatting_is_that_of_snakefmt(repository):
    command = [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_dry_run_of_the_demo_plans_every_rule(repository, tmp_path):
    shutil.copytree(repository / "config", tmp_path / "config")
    (tmp_path / "resources").symlink_to(repository / "resources")
    # a GPU of this machine says nothing of where jobs run
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    done = snakemake(
        "-n", "--snakefile", repository / "Snakefile", "--directory", tmp_path, cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {
        found.get("gpu", "0") for found in resources_of(done.stdout + done.stderr).values()
    } == {"0"}
    # the audits make the shadow models of `auto` themselves
    for rule in set(RULES) - {"shadow_haplotypes"}:
        assert re.search(rf"^{rule} +\d+$", done.stdout + done.stderr, re.MULTILINE), rule


def test_learned_generators_ask_for_the_gpu_that_the_configuration_asks_for(
    tiny_project, repository
):
    settings = yaml.safe_load((tiny_project / "config/config.yaml").read_text())
    settings["train"]["common"]["device"] = "cuda"
    (tiny_project / "config/config.yaml").write_text(yaml.safe_dump(settings))
    models = {
        f"results/models/{kind}/{generator}{suffix}.safetensors": generator
        for kind, suffix in (("tiny", "/20"), ("sequences/slice", ""))
        for generator in ("gan", "transformer", "markov")
    }
    done = snakemake("-n", "--snakefile", repository / "Snakefile", *models, cwd=tiny_project)
    found = resources_of(done.stdout + done.stderr)
    asked = {path: (found[path]["gpu"], found[path]["device"]) for path in models}
    assert asked == {
        path: ("0", "auto") if name == "markov" else ("1", "cuda") for path, name in models.items()
    }


def test_a_release_is_only_made_when_asked_for(repository, tmp_path):
    shutil.copytree(repository / "config", tmp_path / "config")
    (tmp_path / "resources").symlink_to(repository / "resources")
    planned = {}
    for target in ([], ["release"]):
        done = snakemake(
            "-n",
            "--snakefile",
            repository / "Snakefile",
            "--directory",
            tmp_path,
            *target,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        planned[bool(target)] = dict(
            re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE)
        )
    assert "make_release" not in planned[False]
    assert "shadow_haplotypes" not in planned[False]  # those of `auto` are made by the audit
    assert planned[True]["make_release"] == "2"
    assert "write_report" not in planned[True]


def test_individuals_are_redrawn_when_asked_for(tiny_project, repository):
    settings = yaml.safe_load((tiny_project / "config/config.yaml").read_text())
    settings["redraw"] = {"enabled": True}
    (tiny_project / "config/config.yaml").write_text(yaml.safe_dump(settings))
    done = snakemake(
        "-n", "--snakefile", repository / "Snakefile", "--directory", tiny_project, cwd=tiny_project
    )
    assert done.returncode == 0, done.stderr
    planned = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE))
    assert planned["redraw_individuals"] == planned["make_cohort"] == planned["generate_haplotypes"]
    assert "cohort.drawn.tsv" in done.stdout + done.stderr


def test_the_gate_holds_back_models_that_learned_little(finished, demo_dir, repository):
    """Twenty steps of training do not make faithful individuals: the gate says why, and leaves no
    bundle.
    """
    done = run_genoloom("run", "-C", finished, "--cores", 2, "release", env=traced(finished))
    assert done.returncode != 0
    text = done.stdout + done.stderr
    assert "may not be released" in text
    assert "fidelity: " in text
    assert "alleles carried by as few as 1 training individuals may be modelled" in text
    assert (
        "fidelity: was made with validate.n_permutations 3, which is looser than the default 40"
        in text
    )
    for broken in (
        "record of what it was made from",
        "was made from another",
        "was made without",
        "was also made",
        "was written",
        "not made with",
    ):
        assert broken not in text  # the chain of evidence is whole, from the raw input to the audit
    # of all that `release` takes digests of, only the ledger is declared by no rule: every release
    # adds to it
    reads = {
        log: paths
        for log, paths in undeclared_reads(finished, demo_dir, repository, "release").items()
        if "release" in log
    }
    assert reads == {}
    assert not (finished / "results/release/tiny/gan").exists()
    assert not list((finished / "results/release").rglob("MANIFEST.sha256"))


def test_environments_exist_and_agree_with_the_constraints(repository):
    texts = (path.read_text().lower() for path in repository.glob("constraints-py311*.txt"))
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", "".join(texts), flags=re.MULTILINE))
    names = {"pytorch-cpu": "torch", "python-edlib": "edlib", "matplotlib-base": "matplotlib"}
    used = set()
    for rules in (repository / "workflow/rules").glob("*.smk"):
        used |= {
            (rules.parent / path).resolve()
            for path in re.findall(r'conda:\s+"([^"]+)"', rules.read_text())
        }
    assert used
    for path in used:
        environment = yaml.safe_load(path.read_text())
        assert environment["channels"] == ["conda-forge", "bioconda", "nodefaults"]
        for dependency in environment["dependencies"]:
            name, version = dependency.split(" =")
            if name != "python":
                assert pins[names.get(name, name)] == version, dependency


def test_every_pinned_package_has_a_hash_and_the_project_needs_no_other(repository):
    text = "".join(path.read_text() for path in repository.glob("constraints-py311*.txt"))
    entries = re.findall(r"^\w.*==(?:.|\n    )*", text, flags=re.MULTILINE)
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.match(r"[\w.-]+", entry)[0].lower() for entry in entries}
    assert {re.match(r"[\w.-]+", line)[0].lower() for line in asked} <= names


def test_all_results_are_where_the_contract_says(finished):
    results = finished / "results"
    for suffix in ("pgen", "pvar.zst", "psam", "rejected.tsv.gz", "summary.json"):
        assert (results / f"panels/tiny/20.{suffix}").exists()
    assert (results / "panels/tiny/summary.json").exists()
    assert (results / "splits/tiny.tsv").exists()
    for generator in ("independent", "mosaic", "transformer", "gan"):
        for path in (
            f"models/tiny/{generator}/20.safetensors", f"models/tiny/{generator}/20.json",
            f"models/tiny/{generator}/20.history.tsv",
            f"synthetic/tiny/{generator}/cohort.tsv", f"synthetic/tiny/{generator}/20.vcf.gz.tbi",
            f"synthetic/tiny/{generator}/20.pgen",
            f"validation/tiny/{generator}/fidelity.tsv", f"private/tiny/{generator}/audit.tsv",
        ):  # fmt: skip
            assert (results / path).exists(), path
    for generator in ("markov", "context_mixing", "transformer", "gan"):
        assert (results / f"sequences/slice/{generator}.fa.gz").exists()
        assert (results / f"validation/sequences/slice/{generator}/privacy.tsv").exists()
    assert (results / "synthetic/tiny/transformer/20.consensus.fa.gz.fai").exists()
    variants = results / "synthetic/tiny/transformer/20.vcf.gz"
    assert Path(f"{variants}.tbi").stat().st_mtime >= variants.stat().st_mtime
    for log in (finished / "logs/write_consensus").glob("*.log"):
        assert "older" not in log.read_text()
    assert (results / "report/index.html").exists()
    assert (results / "report/plots/haplotypes/tiny/trade_off.svg").exists()
    for rule in RULES:
        assert list((finished / "logs" / rule).glob("*.log")), rule
        assert list((finished / "benchmarks" / rule).glob("*.tsv")), rule


def test_rules_read_what_they_declare_and_nothing_else(finished, demo_dir, repository):
    assert undeclared_reads(finished, demo_dir, repository) == {}


def test_the_same_individuals_and_sites_stand_in_all_files(finished):
    results = finished / "results"
    cohort = [
        row["individual"] for row in read_table(results / "synthetic/tiny/transformer/cohort.tsv")
    ]
    vcf = cyvcf2.VCF(str(results / "synthetic/tiny/transformer/20.vcf.gz"))
    assert vcf.samples == cohort
    description = json.loads((results / "models/tiny/transformer/20.json").read_text())
    assert sum(1 for _ in vcf) == description["n_variants"]
    summary = json.loads((results / "panels/tiny/summary.json").read_text())
    assert description["n_variants"] + description["sites_too_rare_to_model"] == summary["sites"]


def test_individuals_are_the_same_on_every_contig(tiny_project, demo_dir):
    add_contig(tiny_project, demo_dir, "21", "20:1200001-1300000")
    config = tiny_project / "config/config.yaml"
    config.write_text(config.read_text().replace("- independent\n", ""))
    results = tiny_project / "results"
    targets = [
        "results/validation/tiny/mosaic/fidelity.tsv",
        "results/validation/tiny/mosaic/privacy.tsv",
    ]
    done = run_genoloom("run", "-C", tiny_project, "--cores", 2, *targets)
    assert done.returncode == 0, done.stderr[-3000:]
    cohort = read_table(results / "synthetic/tiny/mosaic/cohort.tsv")
    panels = [open_panel(results / "synthetic/tiny/mosaic" / contig) for contig in ("20", "21")]
    for panel in panels:
        assert panel.individuals.id == [row["individual"] for row in cohort]
        assert panel.individuals.population == [row["population"] for row in cohort]
    n = min(len(panel.sites) for panel in panels)
    first, second = (panel.haplotypes.read(0, n) for panel in panels)
    assert (first != second).any()
    wanted = {"generator": "mosaic", "metric": "sites_lost", "bin": "all", "population": "all"}
    [lost] = [row for row in read_table(tiny_project / targets[0]) if wanted.items() <= row.items()]
    monomorphic = [
        np.isin(panel.haplotypes.read(0, len(panel.sites)).mean(axis=1), (0, 1)) for panel in panels
    ]
    assert float(lost["value"]) == pytest.approx(np.concatenate(monomorphic).mean(), abs=1e-6)


def test_baseline_rows_are_next_to_each_learned_generator(finished):
    for table, key in (("fidelity", "metric"), ("privacy", "attack")):
        rows = read_table(finished / f"results/validation/tiny/gan/{table}.tsv")
        assert {"gan", "independent", "mosaic"} <= {row["generator"] for row in rows}
        assert {row["role"] for row in rows if row["generator"] == "gan"} == {"generator"}
        assert all(row[key] and row["verdict"] for row in rows)


def test_nothing_of_real_individuals_leaves(finished):
    """No name of an individual, no path and no user in anything but the panel, the split and the
    private audit.
    """
    names = [name.encode() for name in (finished / "data/names.txt").read_text().split()]
    results = finished / "results"
    for closed in (
        "private/tiny/gan",
        "panels/tiny",
        "splits",
        "models/tiny/gan",
        "models/sequences/slice",
    ):
        assert stat.S_IMODE((results / closed).stat().st_mode) == 0o700
    for folder in ("private", "panels", "splits", "models", ".state"):
        assert stat.S_IMODE((results / folder).stat().st_mode) == 0o700
    looked_at = 0
    for path in results.rglob("*"):
        if not path.is_file() or path.parts[len(results.parts)] in (
            "panels",
            "splits",
            "private",
            ".state",
        ):
            continue
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        looked_at += 1
        assert not [name for name in names if name in content], path
        assert str(finished).encode() not in content, path
    assert looked_at > 50
    for log in (finished / "logs").rglob("*.log"):
        assert not [name for name in names if name in log.read_bytes()], log


def test_a_second_run_has_nothing_to_do(finished):
    done = run_genoloom("run", "-C", finished, "--cores", 1)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("section", "option", "value", "expected"),
    [
        ("audit", "bootstrap", 201, {"audit_haplotypes", "write_report", "all"}),
        ("split", "holdout", 0.4, {"split_individuals", "train_haplotypes"}),
        ("train", "common", {"min_mac": 3}, {"train_haplotypes", "train_sequences"}),
        ("validate_sequences", "max_compared", 11, {"validate_sequences", "write_report", "all"}),
    ],
)
def test_a_changed_option_reruns_what_depends_on_it(
    finished, repository, section, option, value, expected
):
    settings = yaml.safe_load((finished / "config/config.yaml").read_text())
    changed = settings.setdefault(section, {})
    changed[option] = changed.get(option, {}) | value if isinstance(value, dict) else value
    (finished / "config/other.yaml").write_text(yaml.safe_dump(settings))
    done = snakemake(
        "-n",
        "--snakefile",
        repository / "Snakefile",
        "--directory",
        finished,
        "--configfile",
        finished / "config/other.yaml",
        cwd=finished,
    )
    planned = set(re.findall(r"^(\w+) +\d+$", done.stdout + done.stderr, re.MULTILINE)) - {"total"}
    if "all" in expected:
        assert planned == expected
    else:
        assert planned >= expected


def test_snakemakes_own_report(finished, repository):
    done = snakemake(
        "--snakefile",
        repository / "Snakefile",
        "--directory",
        finished,
        "--report",
        finished / "report.zip",
        cwd=finished,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (finished / "report.zip").stat().st_size > 10_000


def test_as_a_module_of_another_workflow_with_a_prefix(tiny_project, repository):
    """All that the study reads and writes is below the prefix, whatever its configuration names."""
    settings = yaml.safe_load((tiny_project / "config/config.yaml").read_text())
    base = "models/{contig}.safetensors"
    settings["split"], settings["train"]["transformer"]["init_from"] = (
        {"pedigree": "data/pedigree.fam"},
        base,
    )
    settings["validate_sequences"]["motifs"] = "data/motifs.jaspar"
    (tiny_project / "config/config.yaml").write_text(yaml.safe_dump(settings))
    individuals = (tiny_project / "data/names.txt").read_text().split()
    (tiny_project / "data/pedigree.fam").write_text(
        "".join(f"0 {individual} 0 0 0 -9\n" for individual in individuals)
    )
    (tiny_project / "data/motifs.jaspar").write_text(">m\nA [1]\nC [1]\nG [1]\nT [1]\n")
    (tiny_project / "models").mkdir()
    (tiny_project / base.format(contig="20")).write_text("")
    outside = tiny_project.parent
    (outside / "Snakefile").write_text(
        f"""
configfile: "{tiny_project.name}/config/config.yaml"

module genoloom:
    snakefile: "{repository}/workflow/Snakefile"
    config: config
    prefix: "{tiny_project.name}"

use rule * from genoloom as genoloom_*
"""
    )
    done = snakemake("--cores", 1, f"{tiny_project.name}/results/splits/tiny.tsv", cwd=outside)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(read_table(tiny_project / "results/splits/tiny.tsv")) == 60
    assert not (outside / "results").exists()
    planned = snakemake("-n", "-p", "genoloom_all", "genoloom_release", cwd=outside)
    text = planned.stdout + planned.stderr
    assert planned.returncode == 0, text[-3000:]
    assert not re.findall(r"(?<![\w/.-])(?:results|config|data|models|logs|benchmarks)/\S+", text)
    assert "genoloom release" in text
    assert f"--init-from {tiny_project.name}/models/20.safetensors" in text


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c["train"]["gan"].update(stpes=3), "did you mean 'train.gan.steps'?"),
        (lambda c: c.update(panels="config/none.tsv"), "config/none.tsv"),
        (
            lambda c: (c.pop("panels"), c.pop("sequence_sets")),
            "neither 'panels' nor 'sequence_sets'",
        ),
    ],
)
def test_configuration_mistakes_stop_the_run_at_once(tiny_project, repository, edit, message):
    settings = yaml.safe_load((tiny_project / "config/config.yaml").read_text())
    edit(settings)
    (tiny_project / "config/config.yaml").write_text(yaml.safe_dump(settings))
    done = run_genoloom("run", "-C", tiny_project, "--cores", 1)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    plain = snakemake("--snakefile", repository / "Snakefile", "--cores", 1, cwd=tiny_project)
    assert plain.returncode != 0
    assert message in plain.stdout + plain.stderr
    assert not Path(tiny_project / "results").exists()


def test_a_bad_record_is_named_and_the_run_fails(tiny_project):
    vcf = tiny_project / "data/cohort.vcf.gz"
    vcf.write_bytes(vcf.read_bytes()[:-500])
    # the default profile finishes what does not depend on a failed job: here nothing
    config = tiny_project / "config/config.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"sequence_sets": None}))
    done = run_genoloom("run", "-C", tiny_project, "--cores", 1)
    assert done.returncode != 0
    assert "is truncated" in done.stdout + done.stderr
    assert not list((tiny_project / "results").glob("panels/tiny/*"))
