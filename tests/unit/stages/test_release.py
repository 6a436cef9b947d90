"""The release gate: a bundle when everything passes, every reason and no bundle otherwise."""

import gzip
import hashlib
import json
import os
import shutil

import cyvcf2
import numpy as np
import pysam
import pytest
from helpers import founder_mosaic, make_people, make_sites, run_genoloom

from genoloom.config import CohortOptions, GenerateOptions, IndependentOptions, ReleaseOptions, TrainOptions
from genoloom.errors import GateError, InputError
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.provenance import Making
from genoloom.formats.splits import write_split
from genoloom.formats.tables import read_table, write_table
from genoloom.privacy.attack_ids import MUST_PASS, AttackId
from genoloom.privacy.audit import PRIVATE_COLUMNS, PUBLIC_COLUMNS
from genoloom.stages.cohort import make_cohort
from genoloom.stages.generate import generate
from genoloom.stages.release import release
from genoloom.stages.train import carriers, train

N_PEOPLE = 60
FIDELITY = ["row", "kind", "metric", "population", "bin", "value", "floor", "verdict"]
WORST = {
    "row": "independent", "kind": "generator", "attack": "worst", "population": "all", "measure": "auc", "value": 0.51, "low": 0.48,
    "high": 0.55, "floor": 0.55, "n": 150, "verdict": "pass", "tpr_at_1_percent_fpr": 0.01, "tpr_floor": 0.02,
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The results of a run whose tables all pass."""
    folder = tmp_path_factory.mktemp("release")
    results = folder / "results"
    alleles = founder_mosaic(200, 2 * N_PEOPLE, np.random.default_rng(2))
    people = make_people(N_PEOPLE, ("X",))
    people.id[:] = [f"REAL{i:05d}" for i in range(N_PEOPLE - 1)] + ["7"]
    (results / "panels/p").mkdir(parents=True)
    with PanelWriter(results / "panels/p/20", people, "20", 10**6) as writer:
        writer.append(make_sites(200), alleles)
    (results / "splits").mkdir()
    write_split(results / "splits/p.tsv", people, ["train"] * 30 + ["holdout"] * 30)
    models, made = results / "models/p/independent", results / "synthetic/p/independent"
    train(
        generator="independent", panel=results / "panels/p/20", split=results / "splits/p.tsv", model=models / "20.safetensors",
        history=models / "20.history.tsv", state=folder / "state", common=TrainOptions(fewest_people=5),
        options=IndependentOptions(), seed=3, threads=1,
    )  # fmt: skip
    make_cohort(
        model=models / "20.safetensors", split=results / "splits/p.tsv", out=made / "cohort.tsv", options=CohortOptions(), seed=4
    )
    generate(
        model=models / "20.safetensors", cohort=made / "cohort.tsv", out=made / "20.vcf.gz", options=GenerateOptions(), seed=5,
        threads=1,
    )  # fmt: skip
    write_tables(results)
    return folder


def write_tables(results, worst=None, attacks=None, metrics=None):
    rows = [WORST | (worst or {})]
    judged = dict.fromkeys((*MUST_PASS, AttackId.SHADOWS), "pass") | {"stacked": "pass"} | (attacks or {})
    rows += [WORST | {"attack": name, "verdict": verdict} for name, verdict in judged.items() if verdict]
    write_table(results / "private/p/independent/audit.tsv", PRIVATE_COLUMNS, rows)
    write_table(results / "validation/p/independent/privacy.tsv", PUBLIC_COLUMNS, rows)
    metrics = {"ld_r2_correlation": "pass", "sites_lost": "weak"} | (metrics or {})
    base = {"row": "independent", "kind": "control", "population": "all", "bin": "all", "value": 0.9, "floor": 0.95}
    write_table(
        results / "validation/p/independent/fidelity.tsv",
        FIDELITY,
        [base | {"metric": name, "verdict": verdict} for name, verdict in metrics.items()],
    )
    Making("audit", {"synthetic/20.pgen": results / "synthetic/p/independent/20.pgen"}).write(
        results / "private/p/independent/audit.json", []
    )


@pytest.fixture
def project(finished, tmp_path):
    shutil.copytree(finished / "results", tmp_path / "results")
    return tmp_path


def make(project, **options):
    out = project / "results/release/p/independent"
    release(results=project / "results", panel="p", generator="independent", out=out, options=ReleaseOptions(**options))
    return out


def reasons(project, **options) -> str:
    with pytest.raises(GateError) as error:
        make(project, **options)
    assert not (project / "results/release/p/independent").exists()
    assert not [p for p in project.rglob(".part-*")]
    return "\n".join(error.value.reasons)


def test_a_bundle_is_whole_and_says_what_it_is(project):
    out = make(project)
    names = {path.name for path in out.iterdir()}
    assert names == {
        "20.vcf.gz", "20.vcf.gz.tbi", "20.pgen", "20.pvar.zst", "20.psam", "people.tsv", "fidelity.tsv", "privacy.tsv", "README.md",
        "ro-crate-metadata.json", "MANIFEST.sha256",
    }  # fmt: skip
    listed = dict(reversed(line.split("  ")) for line in (out / "MANIFEST.sha256").read_text().splitlines())
    assert set(listed) == names - {"MANIFEST.sha256"}
    assert all(hashlib.sha256((out / name).read_bytes()).hexdigest() == digest for name, digest in listed.items())
    assert cyvcf2.VCF(str(out / "20.vcf.gz")).samples[0] == "SYN000001"
    assert list(read_table(out / "people.tsv")[0]) == ["person", "population", "sex"]  # no seeds
    crate = json.loads((out / "ro-crate-metadata.json").read_text())
    graph = {node["@id"]: node for node in crate["@graph"]}
    assert graph["ro-crate-metadata.json"]["conformsTo"]["@id"] == "https://w3id.org/ro/crate/1.1"
    parts = {part["@id"] for part in graph["./"]["hasPart"]}
    assert parts == names - {"MANIFEST.sha256", "ro-crate-metadata.json"}
    assert all(graph[name]["sha256"] == listed[name] for name in parts)
    assert {"name", "description", "datePublished", "license"} <= set(graph["./"])
    text = (out / "README.md").read_text()
    assert "30 people of the panel `p`" in text
    assert "0.51 (95 % interval 0.48 to 0.55" in text
    assert "| near copies of people |" in text
    assert "No synthetic person was rejected" in text
    assert "| ld_r2_correlation | 0.9 | 0.95 | pass |" in text
    for path in out.iterdir():
        assert b"anonym" not in path.read_bytes().lower()


def test_redrawn_people_are_reported(project):
    (project / "results/synthetic/p/independent/redraw.json").write_text('{"people": 30, "redrawn": 2, "draws": 3}')
    assert "2 of 30 synthetic people came too close" in (make(project) / "README.md").read_text()


def test_the_date_can_be_given(project, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    first = make(project)
    manifest = (first / "MANIFEST.sha256").read_text()
    assert '"datePublished": "1970-01-02"' in (first / "ro-crate-metadata.json").read_text()
    assert (make(project) / "MANIFEST.sha256").read_text() == manifest  # an older bundle is replaced, byte for byte


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"worst": {"high": 0.61}}, "may be as high as 0.610"),
        ({"worst": {"high": None}}, "has no upper bound"),
        ({"worst": {"high": float("nan")}}, "has no upper bound"),
        ({"worst": {"tpr_at_1_percent_fpr": 0.03}}, "finds 3.0% of the training people"),
        ({"worst": {"tpr_at_1_percent_fpr": None}}, "true positive rate at 1 % false positives is missing"),
        ({"worst": {"row": "other"}}, "no row of the worst attack"),
        *(({"attacks": {name: "fail"}}, f"{name}: fail") for name in MUST_PASS),
        *(({"attacks": {name: "not run"}}, f"{name}: not run") for name in MUST_PASS),
        *(({"attacks": {name: None}}, f"{name}: not run") for name in MUST_PASS[1:]),
        ({"attacks": {AttackId.SHADOWS: None}}, "had no shadow models"),
        ({"attacks": {"stacked": "not run"}}, "stacked: not run"),
        ({"metrics": {"sites_lost": "fail"}}, "sites_lost: fail"),
        ({"metrics": {"sites_lost": "too close"}}, "sites_lost: too close"),
        ({"metrics": {"sites_lost": "not run"}}, "sites_lost: not run"),
        ({"metrics": {"sites_lost": ""}}, "sites_lost: "),
    ],
)
def test_each_figure_can_stop_it(project, change, reason):
    write_tables(project / "results", **change)
    assert reason in reasons(project)


def test_thresholds_are_inclusive_and_are_options(project):
    write_tables(project / "results", worst={"high": 0.6, "tpr_at_1_percent_fpr": 0.025})
    make(project)
    assert "at most 0.59" in reasons(project, max_auc=0.59)
    assert "at most 2.0%" in reasons(project, max_tpr=0.02)
    write_tables(project / "results", worst={"tpr_at_1_percent_fpr": 0.06, "tpr_floor": 0.06})
    make(project)  # chance explains as much with so few people
    assert "sites_lost: weak" in reasons(project, fidelity="pass")
    write_tables(project / "results", metrics={"sites_lost": "fail", "phase": "not run"})
    assert "phase: not run" in reasons(project, fidelity="any")
    make(project, fidelity="any", may_be_missing="phase")
    assert "as few as 5 training people" in reasons(project, fewest_people=6)
    write_tables(project / "results", attacks={AttackId.SHADOWS: None})
    make(project, shadow_models=False)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("private/p/independent/audit.tsv", "audit.tsv is missing or cannot be read"),
        ("private/p/independent/audit.json", "audit.json is missing or cannot be read"),
        ("validation/p/independent/privacy.tsv", "privacy.tsv is missing or cannot be read"),
        ("validation/p/independent/fidelity.tsv", "fidelity.tsv is missing or cannot be read"),
        ("models/p/independent/20.json", "no description of the model"),
        ("splits/p.tsv", "p.tsv is missing or cannot be read"),
        ("synthetic/p/independent/cohort.tsv", "cohort.tsv is missing or cannot be read"),
        ("synthetic/p/independent/20.vcf.gz", "the genotype files cannot be read"),
        ("synthetic/p/independent/20.psam", "the genotype files cannot be read"),
    ],
)
def test_what_is_missing_or_unreadable_stops_it(project, path, reason):
    (project / "results" / path).write_bytes(b"\x00\xff")
    assert reason in reasons(project)
    (project / "results" / path).unlink()
    assert reason in reasons(project)


def test_tables_of_other_data_stop_it(project):
    results = project / "results"
    os.utime(results / "validation/p/independent/fidelity.tsv", (1, 1))
    assert "fidelity.tsv is older than the synthetic files" in reasons(project)
    write_tables(results)
    record = results / "private/p/independent/audit.json"
    values = json.loads(record.read_text())
    record.write_text(json.dumps(values | {"inputs": {"synthetic/20.pgen": "0" * 64}}))
    assert "is not of these synthetic files" in reasons(project)
    write_tables(results)
    public = read_table(results / "validation/p/independent/privacy.tsv")
    public[0]["high"] = "0.5"
    write_table(results / "validation/p/independent/privacy.tsv", PUBLIC_COLUMNS, public)
    assert "the public table is not of this audit" in reasons(project)


def rewrite_vcf(project, change):
    path = project / "results/synthetic/p/independent/20.vcf.gz"
    text = change(gzip.decompress(path.read_bytes()).decode())
    plain = path.with_suffix("")
    plain.write_text(text)
    pysam.tabix_compress(str(plain), str(path), force=True)
    plain.unlink()
    pysam.tabix_index(str(path), preset="vcf", force=True)


def test_a_vcf_that_was_not_audited_stops_it(project):
    rewrite_vcf(project, lambda text: text.replace("\t0|1", "\t1|1", 1))
    assert "other genotypes than the audited PGEN" in reasons(project)


def test_a_real_person_with_a_short_name_is_found_where_people_are_named(project):
    made = project / "results/synthetic/p/independent"
    for path in (made / "cohort.tsv", made / "20.psam"):
        path.write_text(path.read_text().replace("SYN000002", "7"))
    rewrite_vcf(project, lambda text: text.replace("SYN000002", "7"))
    assert "people: somebody in the synthetic files" in reasons(project)


@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        ("REAL00003", "the name of a real person"),
        ("/home/somebody/cohort.vcf", "an absolute path"),
        ("planted-canary", "a canary"),
        ("workstation-9", "a user or host name"),
    ],
)
def test_leaks_stop_it_and_are_not_repeated(project, monkeypatch, secret, kind):
    monkeypatch.setattr("socket.gethostname", lambda: "workstation-9")
    rewrite_vcf(project, lambda text: text.replace("##source", f"##command={secret}\n##source", 1))
    said = reasons(project, canaries="planted-canary,other")
    assert f"leak scan: 20.vcf.gz: {kind}" in said
    assert secret not in said


def test_a_leak_in_a_table_stops_it(project):
    path = project / "results/validation/p/independent/fidelity.tsv"
    path.write_text(path.read_text().replace("sites_lost", "sites_lost REAL00001"))
    assert "leak scan: fidelity.tsv: the name of a real person" in reasons(project)


def test_the_command_exits_with_3_and_an_old_bundle_does_not_stay(project):
    out = make(project)
    assert (out / "MANIFEST.sha256").exists()
    write_tables(project / "results", worst={"high": 0.7}, metrics={"sites_lost": "fail"})
    done = run_genoloom("release", "--panel", "p", "--generator", "independent", "--out", out, cwd=project)
    assert done.returncode == 3
    assert "2 reasons" in done.stderr
    assert "sites_lost: fail" in done.stderr
    assert not out.exists()


def test_what_is_no_bundle_is_not_removed(project):
    out = project / "results/release/p/independent"
    out.mkdir(parents=True)
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is no bundle"):
        make(project)
    assert (out / "thesis.txt").exists()
    with pytest.raises(InputError, match="holds no synthetic data"):
        release(results=project / "results", panel="p", generator="gan", out=project / "x", options=ReleaseOptions())


def test_carriers_are_people():
    alleles = np.array([[1, 1, 0, 0, 0, 1], [0, 0, 1, 1, 1, 1], [-1, 1, -1, -1, 0, 1]], dtype=np.int8)
    assert carriers(alleles, np.array([1, 0, 1], dtype=np.int8)).tolist() == [2, 1, 2]


def test_alleles_of_few_people_are_not_modelled(finished):
    results = finished / "results"
    description = json.loads((results / "models/p/independent/20.json").read_text())
    assert description["fewest_people"] == 5
    alleles = founder_mosaic(200, 2 * N_PEOPLE, np.random.default_rng(2))[:, :60]
    expected = 0
    for row in alleles:
        minor = int(row.sum() <= 30)
        expected += len({i // 2 for i in np.flatnonzero(row == minor)}) >= 5 and min(row.sum(), 60 - row.sum()) >= 2
    assert description["n_variants"] == expected
    assert description["sites_too_rare_to_model"] == 200 - expected
