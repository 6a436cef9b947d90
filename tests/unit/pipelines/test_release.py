"""The release gate: a bundle when everything passes, every reason and no bundle otherwise."""

import gzip
import hashlib
import json
import os
import shutil
import stat

import cyvcf2
import numpy as np
import pytest
from helpers import founder_mosaic
from released_tree import (
    MADE,
    MODELS,
    N_INDIVIDUALS,
    N_SITES,
    NAME,
    PRIVATE,
    TABLES,
    divide,
    fit,
    make_individuals_of,
    make_tree,
    measure,
    prepare_panel,
    redraw_individuals,
    restamp,
    sample,
    write_fasta,
    write_raw,
    write_tables,
)

from genoloom.cli import genoloom
from genoloom.cli.options import run_and_exit
from genoloom.errors import GateError, InputError
from genoloom.formats.leak_ledger import add_to_ledger, read_ledger
from genoloom.formats.pgen import open_panel
from genoloom.formats.tables import read_table, write_table
from genoloom.pipelines.release import release
from genoloom.privacy.attack_ids import MUST_PASS, AttackId
from genoloom.privacy.leak_budget import unavoidable
from genoloom.privacy_config import ReleaseOptions
from genoloom.stages.train import carriers


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The results of a run whose tables all pass."""
    return make_tree(tmp_path_factory.mktemp("release"))


@pytest.fixture
def project(finished, tmp_path):
    shutil.copytree(finished / "results", tmp_path / "results")
    shutil.copytree(finished / "raw", tmp_path / "raw")
    sheet = (finished / "panels.tsv").read_text().replace(str(finished), str(tmp_path))
    (tmp_path / "panels.tsv").write_text(sheet)
    return tmp_path


def make(project, sheet=True, **options):
    out = project / f"results/release/p/{NAME}"
    release(
        results=project / "results", panel="p", generator=NAME, out=out,
        options=ReleaseOptions(**options),
        sheet=project / "panels.tsv" if sheet else None,
    )  # fmt: skip
    return out


def reasons(project, **options) -> str:
    with pytest.raises(GateError) as error:
        make(project, **options)
    assert not (project / f"results/release/p/{NAME}").exists()
    assert not [p for p in project.rglob(".part-*")]
    return "\n".join(error.value.reasons)


def test_a_bundle_is_whole_and_says_what_it_is(project):
    out = make(project)
    names = {path.name for path in out.iterdir()}
    assert names == {
        "20.vcf.gz", "20.vcf.gz.tbi", "20.pgen", "20.pvar.zst", "20.psam", "samples.tsv",
        "fidelity.tsv", "privacy.tsv", "README.md",
        "ro-crate-metadata.json", "MANIFEST.sha256", ".genoloom-release",
    }  # fmt: skip
    listed = dict(
        reversed(line.split("  ")) for line in (out / "MANIFEST.sha256").read_text().splitlines()
    )
    assert set(listed) == names - {"MANIFEST.sha256", ".genoloom-release"}
    assert all(
        hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
        for name, digest in listed.items()
    )
    assert cyvcf2.VCF(str(out / "20.vcf.gz")).samples[0] == "SYN000001"
    assert list(read_table(out / "samples.tsv")[0]) == [
        "individual",
        "population",
        "sex",
    ]  # no seeds
    crate = json.loads((out / "ro-crate-metadata.json").read_text())
    graph = {node["@id"]: node for node in crate["@graph"]}
    assert graph["ro-crate-metadata.json"]["conformsTo"]["@id"] == "https://w3id.org/ro/crate/1.1"
    parts = {part["@id"] for part in graph["./"]["hasPart"]}
    assert parts == set(listed) - {"ro-crate-metadata.json"}
    assert all(graph[name]["sha256"] == listed[name] for name in parts)
    assert {"name", "description", "datePublished", "license"} <= set(graph["./"])
    text = (out / "README.md").read_text()
    assert "30 individuals of the panel `p`" in text
    assert "0.51 (95 % interval 0.48 to 0.55" in text
    assert "| near copies of individuals |" in text
    assert "No synthetic individual was rejected" in text
    assert "| ld_r2_correlation | 0.9 | 0.95 | pass |" in text
    assert "the raw input was compared too" in text
    for path in out.iterdir():
        assert b"anonym" not in path.read_bytes().lower()


def test_what_is_released_is_what_was_generated_byte_for_byte(project):
    """All files are written anew; what the results hold, if it is what was generated, comes out the
    same.
    """
    out, synthetic = make(project), project / "results" / MADE
    for name in ("20.vcf.gz", "20.vcf.gz.tbi", "20.pgen", "20.pvar.zst", "20.psam"):
        assert (out / name).read_bytes() == (synthetic / name).read_bytes(), name
    for name in ("fidelity.tsv", "privacy.tsv"):
        assert (out / name).read_bytes() == (project / "results" / TABLES / name).read_bytes(), name


def test_a_cohort_that_is_admixed_and_inbred_comes_with_its_tracts(project):
    make_individuals_of(project, admixture="X:0.5,Y:0.5", admixed=0.03, inbreeding=0.3)
    sample(project, "bcf")
    for name in ("20.vcf.gz", "20.vcf.gz.tbi"):
        (project / "results" / MADE / name).unlink()
    measure(project)
    write_tables(project / "results", worst={"n": 29})
    out, synthetic = make(project), project / "results" / MADE
    for name in ("20.bcf", "20.bcf.csi", "20.ancestry.bed", "20.autozygous.bed"):
        whole = (synthetic / name).read_bytes()
        assert (out / name).read_bytes() == whole, name
        (synthetic / name).write_bytes(whole.replace(b"SYN", b"REAL"))
    for name in ("20.ancestry.bed", "20.autozygous.bed"):
        assert f"synthetic 20: {name} is not the file that was written" in reasons(project)


def test_personal_fasta_is_written_anew_and_compared(project):
    write_fasta(project)
    make(project)
    out, synthetic = make(project, consensus=True), project / "results" / MADE
    assert (out / "20.consensus.fa.gz").read_bytes() == (
        synthetic / "20.consensus.fa.gz"
    ).read_bytes()
    assert {path.name for path in out.iterdir()} >= {
        "20.consensus.fa.gz.fai",
        "20.consensus.fa.gz.gzi",
    }
    assert "give the sheet of panels with --sheet" in reasons(project, consensus=True, sheet=False)
    text = gzip.decompress((synthetic / "20.consensus.fa.gz").read_bytes())
    for changed in (
        text.replace(b"A", b"C", 1),
        text[:-2] + b"\n",
        text + b"A\n",
        text.replace(b">SYN000001_1", b">REAL00001_1"),
        b"",
    ):
        (synthetic / "20.consensus.fa.gz").write_bytes(gzip.compress(changed))
        assert "consensus 20: 20.consensus.fa.gz is not what the audited genotypes give" in reasons(
            project, consensus=True
        )
    (synthetic / "20.consensus.fa.gz").write_bytes(b"\x1f\x8b damaged")
    assert "consensus 20: 20.consensus.fa.gz is missing or cannot be read" in reasons(
        project, consensus=True
    )
    (synthetic / "20.consensus.fa.gz").unlink()
    assert "consensus 20: 20.consensus.fa.gz is missing or cannot be read" in reasons(
        project, consensus=True
    )


def test_redrawn_individuals_are_reported(project):
    make_individuals_of(project, "cohort.drawn.tsv")
    redraw_individuals(project)
    sample(project)
    measure(project)
    write_tables(project / "results")
    said = json.loads((project / "results" / MADE / "redraw.json").read_text())
    assert (
        f"{said['redrawn']} of 30 synthetic individuals came too close"
        in (make(project) / "README.md").read_text()
    )
    drawn = project / "results" / MADE / "cohort.drawn.tsv"
    drawn.write_text(drawn.read_text().replace("female", "male"))
    assert "cohort as drawn: cohort.drawn.tsv is not the file that was written" in reasons(project)
    drawn.unlink()
    assert "cohort: was made from another cohort than the one that is there" in reasons(project)


def test_the_date_can_be_given(project, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    first = make(project)
    manifest = (first / "MANIFEST.sha256").read_text()
    assert '"datePublished": "1970-01-02"' in (first / "ro-crate-metadata.json").read_text()
    # an older bundle is replaced, byte for byte
    assert (make(project) / "MANIFEST.sha256").read_text() == manifest


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"worst": {"high": 0.61}}, "may be as high as 0.610"),
        ({"worst": {"high": None}}, "has no upper bound"),
        ({"worst": {"high": float("nan")}}, "has no upper bound"),
        ({"worst": {"verdict": "weak"}}, "the verdict of the audit is 'weak'"),
        ({"worst": {"tpr_at_1_percent_fpr": 0.03}}, "finds 3.0% of the training individuals"),
        (
            {"worst": {"tpr_at_1_percent_fpr": None}},
            "true positive rate at 1 % false positives is missing",
        ),
        ({"worst": {"generator": "other"}}, "no row of the worst attack"),
        (
            {"worst": {"n": 29}},
            "the worst attack compared 29 individuals per role, and the audit says 30",
        ),
        *(({"attacks": {name: "fail"}}, f"{name}: fail") for name in MUST_PASS),
        *(({"attacks": {name: "not run"}}, f"{name}: not run") for name in MUST_PASS),
        *(({"attacks": {name: None}}, f"{name}: not run") for name in MUST_PASS[1:]),
        ({"attacks": {AttackId.SHADOWS: None}}, "has no row of the attack with shadow models"),
        ({"attacks": {AttackId.SHADOWS: "not run"}}, "stacked, with shadow models: not run"),
        (
            {"excess": {"high": 0.031}},
            "may exceed the unavoidable AUC by 0.031; at most 0.03 may leave",
        ),
        ({"excess": {"attack": "other"}}, "the column 'attack' is a word of another version"),
        ({"excess": {"population": "X"}}, "does not say what exceeds the leak"),
        ({"excess": {"high": None}}, "does not say what exceeds the leak"),
        ({"attacks": {"stacked": "not run"}}, "stacked: not run"),
        ({"metrics": {"sites_lost": "fail"}}, "sites_lost: fail"),
        ({"metrics": {"sites_lost": "overfitted"}}, "sites_lost: overfitted"),
        ({"metrics": {"sites_lost": "not run"}}, "sites_lost: not run"),
        ({"metrics": {"sites_lost": ""}}, "fidelity.tsv line 3: the column 'verdict' is a word"),
        (
            {"audited": {"max_auc": 1.0}},
            "made with audit.max_auc 1.0, which is looser than the default 0.6",
        ),
        ({"audited": {"bootstrap": 999}}, "made with audit.bootstrap 999"),
        ({"audited": {"bootstrap": 100}}, "audit: the options it was made with cannot be read"),
        ({"audited": {"windows": "200,400"}}, "made with audit.windows 200,400"),
        ({"audited": {"shadow_models": 2}}, "the audit had 2 shadow models"),
        ({"audited": {"shadow_models": 0}}, "the audit had no shadow models"),
        ({"audited": {"shadow_steps": 0.125}}, "shadow models took 0.125 of the training steps"),
        (
            {"validated": {"n_permutations": 10}},
            "made with validate.n_permutations 10, which is looser than the default 40",
        ),
    ],
)
def test_each_figure_can_stop_it(project, change, reason):
    write_tables(project / "results", **change)
    assert reason in reasons(project)


def test_thresholds_are_inclusive_and_are_options(project):
    write_tables(project / "results", worst={"high": 0.6, "tpr_at_1_percent_fpr": 0.025})
    make(project)
    assert "at most 0.59" in reasons(project, max_auc=0.59)
    assert "looser than release.max_auc 0.59" in reasons(project, max_auc=0.59)
    assert "at most 2.0%" in reasons(project, max_tpr=0.02)
    write_tables(project / "results", worst={"tpr_at_1_percent_fpr": 0.06, "tpr_reference": 0.06})
    make(project)  # chance explains as much with so few individuals
    assert "sites_lost: weak" in reasons(project, fidelity="pass")
    write_tables(project / "results", metrics={"sites_lost": "fail", "switch_errors": "not run"})
    assert "switch_errors: not run" in reasons(project, fidelity="any")
    make(project, fidelity="any", may_be_missing="switch_errors")
    assert "as few as 5 training individuals" in reasons(project, min_carriers=6)
    write_tables(
        project / "results", attacks={AttackId.SHADOWS: None}, audited={"shadow_models": 0}
    )
    make(project, shadow_models=False)
    write_tables(
        project / "results", attacks={AttackId.SHADOWS: "not run"}, audited={"shadow_models": 0}
    )
    make(project, shadow_models=False)
    assert "the audit had no shadow models" in reasons(project)


def test_loosened_thresholds_do_not_stop_it_and_stand_in_the_readme(project):
    assert "No threshold is looser than by default" in (make(project) / "README.md").read_text()
    write_tables(
        project / "results",
        worst={"high": 0.65, "low": 0.61, "verdict": "fail"},
        metrics={"switch_errors": "not run"},
    )
    text = (
        make(project, max_auc=0.7, may_be_missing="switch_errors", max_tpr=0.02) / "README.md"
    ).read_text()
    assert "2 of these thresholds are looser than by default" in text
    assert "| `max_auc` | 0.6 | 0.7 **(looser)** |" in text
    assert "| `max_tpr` | 0.025 | 0.02 |" in text
    assert "| `may_be_missing` | none | switch_errors **(looser)** |" in text


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"{PRIVATE}/audit.tsv", "audit: audit.tsv"),
        (
            f"{PRIVATE}/audit.json",
            "audit.json, the record of what it was made from, is missing or cannot be read",
        ),
        (f"{TABLES}/privacy.tsv", "privacy: privacy.tsv"),
        (f"{TABLES}/fidelity.tsv", "fidelity: fidelity.tsv"),
        (f"{MODELS}/20.json", "model 20: 20.json"),
        (f"{MODELS}/20.safetensors", "model 20: 20.safetensors"),
        ("splits/p.tsv", "split: p.tsv"),
        (f"{MADE}/cohort.tsv", "cohort: cohort.tsv"),
        (f"{MADE}/20.vcf.gz", "synthetic 20: 20.vcf.gz"),
        (f"{MADE}/20.psam", "synthetic 20: 20.psam"),
    ],
)
def test_what_is_missing_or_unreadable_stops_it(project, path, reason):
    (project / "results" / path).write_bytes(b"\x00\xff")
    assert reason in reasons(project)
    (project / "results" / path).unlink()
    assert reason in reasons(project)


def test_a_table_older_than_the_synthetic_files_stops_it(project):
    os.utime(project / "results" / TABLES / "fidelity.tsv", (1, 1))
    assert "fidelity.tsv is older than the synthetic files" in reasons(project)


def test_a_real_individual_with_a_short_name_is_found_where_individuals_are_named(project):
    synthetic = project / "results" / MADE
    for path in (synthetic / "cohort.tsv", synthetic / "20.psam"):
        path.write_text(path.read_text().replace("SYN000002", "7"))
    assert "individuals: somebody in the synthetic files is not named SYN and a number" in reasons(
        project
    )


def test_leaks_that_come_all_the_way_from_the_raw_input_stop_it_and_are_not_repeated(
    tmp_path, monkeypatch
):
    """The ID of a variant is the one text that goes from the raw input into the synthetic files."""
    secrets = {
        "REAL00003": "the name of a real "
                     "individual", "/home/somebody/cohort.vcf": "an absolute path",
        "planted-canary": "a canary",
        "workstation-9": "a user or host name",
    }  # fmt: skip
    monkeypatch.setattr("socket.gethostname", lambda: "workstation-9")
    write_raw(tmp_path, ids=tuple(secrets))
    for stage in (prepare_panel, divide, fit, make_individuals_of, sample, measure):
        stage(tmp_path)
    write_tables(tmp_path / "results")
    said = reasons(tmp_path, canaries="other, planted-canary")
    for secret, kind in secrets.items():
        assert f"leak scan: 20.vcf.gz: {kind}" in said
        assert f"leak scan: 20.pvar.zst: {kind}" in said
        assert secret not in said


def test_a_leak_in_a_table_stops_it(project):
    path = project / "results" / TABLES / "fidelity.tsv"
    rows = read_table(path)
    write_table(path, list(rows[0]), [*rows, rows[0] | {"bin": "REAL00001"}])
    restamp(path.with_name("fidelity.provenance.json"))
    assert "leak scan: fidelity.tsv: the name of a real individual" in reasons(project)


def test_the_command_exits_with_3_and_an_old_bundle_does_not_stay(project, capsys, monkeypatch):
    out = make(project)
    assert (out / "MANIFEST.sha256").exists()
    write_tables(project / "results", worst={"high": 0.7}, metrics={"sites_lost": "fail"})
    monkeypatch.chdir(project)
    command = [
        "release",
        "--panel",
        "p",
        "--generator",
        NAME,
        "--sheet",
        str(project / "panels.tsv"),
        "--out",
        str(out),
    ]
    monkeypatch.setattr("sys.argv", ["genoloom", *command])
    with pytest.raises(SystemExit) as ended:
        run_and_exit(genoloom)
    said = capsys.readouterr().err
    assert ended.value.code == 3
    assert "2 reasons" in said
    assert "sites_lost: fail" in said
    assert not out.exists()


def test_releases_of_the_same_individuals_add_up(project):
    make(project)
    ledger = project / "results/private/p/leak_ledger.json"
    assert len(read_ledger(ledger)) == 1
    assert stat.S_IMODE(ledger.parent.stat().st_mode) == 0o700
    make(project)  # the same files again are no further release
    assert len(read_ledger(ledger)) == 1
    add_to_ledger(ledger, "another", unavoidable(1000, 30).separation)
    assert "with the earlier releases of these individuals the unavoidable AUC is" in reasons(
        project
    )
    ledger.write_text("{}")
    assert "ledger: leak_ledger.json is no ledger of leaks" in reasons(project)


def test_without_synthetic_data_there_is_nothing_to_judge(project):
    with pytest.raises(InputError, match="holds no synthetic data"):
        release(
            results=project / "results",
            panel="p",
            generator="gan",
            out=project / "x",
            options=ReleaseOptions(),
        )


def test_carriers_are_individuals():
    alleles = np.array(
        [[1, 1, 0, 0, 0, 1], [0, 0, 1, 1, 1, 1], [-1, 1, -1, -1, 0, 1]], dtype=np.int8
    )
    assert carriers(alleles, np.array([1, 0, 1], dtype=np.int8)).tolist() == [2, 1, 2]


def test_alleles_of_few_individuals_are_not_modelled(finished):
    results = finished / "results"
    description = json.loads((results / MODELS / "20.json").read_text())
    assert description["min_carriers"] == 5
    panel = open_panel(results / "panels/p/20")
    trained = [row["role"] == "train" for row in read_table(results / "splits/p.tsv")]
    alleles = panel.take_individuals(np.array(trained)).haplotypes.read(0, len(panel.sites))
    assert alleles.shape == (len(panel.sites), N_INDIVIDUALS)
    assert len(panel.sites) < N_SITES == len(founder_mosaic(N_SITES, 2, np.random.default_rng(2)))
    expected = 0
    for row in alleles:
        minor = int(row.sum() <= 30)
        expected += (
            len({i // 2 for i in np.flatnonzero(row == minor)}) >= 5
            and min(row.sum(), 60 - row.sum()) >= 2
        )
    assert description["n_variants"] == expected
    assert description["sites_too_rare_to_model"] == len(panel.sites) - expected
