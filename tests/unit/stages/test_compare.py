"""Several generators in one table: a copy of the training people, fresh people, and unphased files of another tool."""

import numpy as np
import pytest
from helpers import run_genoloom, write_bed, write_vcf

from genoloom.config import AuditOptions, ValidateOptions
from genoloom.errors import InputError
from genoloom.formats.tables import read_table
from genoloom.panel import Panel
from genoloom.stages.compare import CONTROLS, compare


def test_compare_tells_a_copy_from_fresh_people(tmp_path, vcf, panels, sheet):
    copy = tmp_path / "copy.vcf.gz"
    lines = {role: panels[role].haplotypes.alleles for role in panels}
    calls = ["|".join(map(str, pair)) for pair in lines["train"].reshape(-1, 2).tolist()]
    rows = np.array(calls).reshape(len(lines["train"]), -1)
    dropped = 20  # sites that the copying tool left out: nobody is compared there
    positions = panels["train"].sites.position.tolist()
    write_vcf(
        copy, [f"{p} A C {' '.join(r)}" for p, r in zip(positions, rows, strict=True)][dropped:], panels["synthetic"].people.id
    )
    bed = write_bed(tmp_path / "fresh", Panel(panels["synthetic"].sites, panels["synthetic"].people, None), lines["synthetic"])
    out = tmp_path / "out"
    done = run_genoloom(
        "compare", "--train", vcf("train"), "--holdout", vcf("holdout"), "--people", sheet, "--generator", f"fresh={vcf('synthetic')}",
        "--generator", f"copier={copy}", "--generator", f"unphased={bed}", "--out", out, "--resplits", 3, "--ld-window", 60,
        "--windows", "40,80", "--bootstrap", 100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["generator"]: row for row in read_table(out / "report" / "summary.tsv")}
    assert list(rows) == [*CONTROLS, "fresh", "copier", "unphased", "real"]
    assert done.stdout == (out / "report" / "summary.txt").read_text()
    assert float(rows["copier"]["worst_attack"]) == 1.0
    assert rows["copier"]["privacy"] == "fail"
    assert float(rows["fresh"]["worst_attack_low"]) < 0.6
    assert rows["fresh"]["privacy"] != "fail"
    assert rows["unphased"]["fidelity"] in ("not run", "weak", "too close", "fail")
    assert rows["unphased"]["ld_r2_correlation"] == ""
    assert min(float(rows[name]["worst_attack"]) for name in CONTROLS if "mosaic" in name) > 0.7  # they copy
    assert float(rows["independent"]["worst_attack"]) < 0.65
    assert float(rows["independent"]["ld_r2_correlation"]) < 0.2
    tables = {name: read_table(out / "validation" / "comparison" / name / "fidelity.tsv") for name in rows if name != "real"}
    floors = {name: {r["floor"] for r in table if r["metric"] == "frequency_correlation"} for name, table in tables.items()}
    assert len(set.union(*floors.values())) == 1  # the same real people at the same sites for everybody
    assert (out / "private").stat().st_mode & 0o777 == 0o700
    assert (out / "report" / "index.html").exists()


def test_names_are_checked(tmp_path):
    options = {
        "controls": False,
        "out": tmp_path,
        "validate_options": ValidateOptions(),
        "audit_options": AuditOptions(),
        "seed": 1,
    }
    for generators, labels, match in (
        ({"real": [tmp_path]}, {}, "control"), ({"a b": [tmp_path]}, {}, "letters"), ({"a": [tmp_path]}, {"b": []}, "no generator"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=match):
            compare(real={}, generators=generators, labels=labels, **options)


def test_generators_without_a_common_site_are_refused(tmp_path, vcf, sheet):
    first = vcf("synthetic", "first", change=lambda i, row: row if i < 50 else "")
    second = vcf("synthetic", "second", change=lambda i, row: row if i >= 50 else "")
    done = run_genoloom(
        "compare", "--train", vcf("train"), "--holdout", vcf("holdout"), "--generator", f"a={first}", "--generator", f"b={second}",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 2
    assert "no site is in the files of every generator" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
