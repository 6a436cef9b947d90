"""Several generators in one table: a copy of the training individuals, fresh individuals, and
unphased files of another tool.
"""

import json

import numpy as np
import pytest
from helpers import call_genoloom, write_bed, write_vcf

from genoloom.config import ValidateOptions
from genoloom.errors import InputError
from genoloom.formats.tables import read_table
from genoloom.models.haplotype import COMPARED
from genoloom.panel import Individuals, Panel
from genoloom.panels.comparands import open_real
from genoloom.pipelines.compare import compare, make_baselines
from genoloom.privacy_config import AuditOptions

pytestmark = pytest.mark.slow


def test_compare_tells_a_copy_from_fresh_individuals(tmp_path, vcf, panels, sheet):
    alleles = {role: panels[role].haplotypes.alleles for role in panels}
    individuals = panels["synthetic"].individuals
    calls = np.array(
        ["|".join(map(str, pair)) for pair in alleles["train"].reshape(-1, 2).tolist()]
    ).reshape(-1, len(individuals))
    sites = panels["train"].sites
    rows = [
        f"{position} A C {' '.join(row)}"
        for position, row in zip(sites.position.tolist(), calls, strict=True)
    ]
    # the tool left out sites: nobody is compared there
    copy = write_vcf(tmp_path / "copy.vcf.gz", rows[20:], individuals.id)
    bed = write_bed(tmp_path / "fresh", Panel(sites, individuals, None), alleles["synthetic"])
    out = tmp_path / "out"
    done = call_genoloom(
        "compare", "--train", vcf("train"), "--holdout", vcf("holdout"), "--samples", sheet,
        "--generator", f"copier={copy}",
        "--generator", f"unphased={bed}", "--no-baselines", "--out", out, "--n-permutations", 2,
        "--ld-window", 60, "--windows", "40,80",
        "--bootstrap", 200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["generator"]: row for row in read_table(out / "report" / "summary.tsv")}
    assert list(rows) == ["copier", "unphased", "real"]
    assert done.stdout == (out / "report" / "summary.txt").read_text()
    assert float(rows["copier"]["worst_attack"]) == 1.0
    assert rows["copier"]["privacy"] == "fail"
    assert float(rows["unphased"]["worst_attack_low"]) < 0.6
    assert rows["unphased"]["privacy"] not in ("pass", "fail")  # some attacks need phase
    assert rows["unphased"]["fidelity"] != "pass"
    assert rows["unphased"]["ld_r2_correlation"] == ""
    references = []
    for name in ("copier", "unphased"):
        [row] = [
            r
            for r in read_table(out / "validation" / "comparison" / name / "fidelity.tsv")
            if r["generator"] == name and r["metric"] == "frequency_correlation"
        ]
        references.append(row["reference"])
    assert len(set(references)) == 1  # the same real individuals at the same sites for everybody
    data = json.loads((out / "report" / "report.json").read_text())["data"][0]
    assert data["sites"] == len(sites) - 20
    assert data["site_account"]["copier"]["synthetic"]["in_training_file"] == len(sites) - 20
    assert (out / "private").stat().st_mode & 0o777 == 0o700
    assert (out / "report" / "index.html").exists()


def test_controls_are_made_of_the_training_individuals(vcf, sheet, panels):
    real = {
        "panels": [],
        "split": None,
        "train": [vcf("train")],
        "holdout": [vcf("holdout")],
        "samples": [sheet],
        "genetic_map": None,
    }
    training = panels["train"].haplotypes.alleles
    like = Individuals(["X"] * 30, ["AAA"] * 20 + ["BBB"] * 10, ["unknown"] * 30)
    with open_real(**real) as files:
        inside = np.arange(len(training)) >= 40
        synthetic = make_baselines(files, {"20": inside}, like, seed=4)
        assert list(synthetic) == list(COMPARED)
        rows = {
            name: group.panels["20"].haplotypes.read(0, inside.sum())
            for name, group in synthetic.items()
        }
    for group in synthetic.values():
        assert group.individuals.population == like.population
    longest, independent = rows["mosaic_0.5cM"], rows["independent"]
    own = training[40:, :]
    # 20 kb are 0.02 cM: most haplotypes of the long mosaic are whole training haplotypes, none of
    # independent sites is one
    copies = {
        name: [(synthetic == row[:, None]).all(axis=0).any() for row in own.T]
        for name, synthetic in (("m", longest), ("i", independent))
    }
    assert sum(copies["m"]) > 15
    assert not any(copies["i"])
    np.testing.assert_allclose(independent.mean(axis=1), own.mean(axis=1), atol=0.25)


def test_names_are_checked(tmp_path):
    options = {
        "baselines": False,
        "out": tmp_path,
        "validate_options": ValidateOptions(),
        "audit_options": AuditOptions(),
        "seed": 1,
    }
    for generators, labels, match in (
        ({"real": [tmp_path]}, {}, "baseline"), ({"a b": [tmp_path]}, {}, "letters"),
        ({"a": [tmp_path]}, {"b": []}, "no generator"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=match):
            compare(real={}, generators=generators, labels=labels, **options)


def test_generators_without_a_common_site_are_refused(tmp_path, vcf, sheet):
    first = vcf("synthetic", "first", change=lambda i, row: row if i < 50 else "")
    second = vcf("synthetic", "second", change=lambda i, row: row if i >= 50 else "")
    done = call_genoloom(
        "compare", "--train", vcf("train"), "--holdout", vcf("holdout"), "--generator",
        f"a={first}", "--generator", f"b={second}",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 2
    assert "no site is in the files of every generator" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
