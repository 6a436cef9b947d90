"""The audit through files: what is private stays private, and can be encrypted."""

import builtins
import io
import json
import stat

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import call_genoloom, founder_mosaic, make_individuals, make_sites

from genoloom.cli import genoloom
from genoloom.config import CohortOptions, GenerateOptions
from genoloom.errors import InputError
from genoloom.formats.encryption import read_public_key
from genoloom.formats.models import file_digest
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.splits import write_split
from genoloom.formats.tables import read_table
from genoloom.panels.comparands import open_comparands, source_files
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy_config import AuditOptions
from genoloom.stages.audit import audit
from genoloom.stages.cohort import make_cohort
from genoloom.stages.generate import generate
from genoloom.stages.train import train
from genoloom.training_config import IndependentOptions, TrainOptions

N_INDIVIDUALS = 96
NAMES = [f"REAL{i:05d}" for i in range(N_INDIVIDUALS)]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A panel of ninety-six individuals, and synthetic individuals of the independent baseline."""
    folder = tmp_path_factory.mktemp("audit")
    alleles = founder_mosaic(300, 2 * N_INDIVIDUALS, np.random.default_rng(2))
    individuals = make_individuals(N_INDIVIDUALS, ("X", "X", "X", "Y"))
    individuals.id[:] = NAMES
    with PanelWriter(folder / "20", individuals, "20", 10**6) as writer:
        writer.append(make_sites(300), alleles)
    write_split(folder / "split.tsv", individuals, ["train"] * 48 + ["holdout"] * 48)
    train(
        generator="independent", panel=folder / "20", split=folder / "split.tsv",
        model=folder / "m.safetensors",
        history=folder / "h.tsv", state=folder / "state", common=TrainOptions(),
        options=IndependentOptions(), seed=3, threads=1,
    )  # fmt: skip
    make_cohort(
        model=folder / "m.safetensors",
        split=folder / "split.tsv",
        out=folder / "cohort.tsv",
        options=CohortOptions(),
        seed=4,
    )
    (folder / "made").mkdir()
    generate(
        model=folder / "m.safetensors", cohort=folder / "cohort.tsv", out=folder / "made/20.vcf.gz",
        options=GenerateOptions(),
        seed=5, threads=1,
    )  # fmt: skip
    return folder


def run(project, out, *, models=True, shadows=(), **options):
    options = {"shadow_models": 0} | options
    files = {
        "synthetic": [project / "made/20"],
        "panels": [project / "20"],
        "split": project / "split.tsv",
    }
    files |= {"train": [], "holdout": [], "samples": [], "genetic_map": None}
    with open_comparands(**files) as comparands:
        audit(
            name="independent", comparands=comparands, baselines=[], out=out / "private/audit.tsv",
            public=out / "privacy.tsv", leak=out / "leak.json",
            options=AuditOptions(windows="50,100", bootstrap=200, **options), seed=6,
            sources=source_files(**files),
            models=[project / "m.safetensors"] if models else [], shadows=shadows,
        )  # fmt: skip
    return out / "private"


def test_the_private_part_is_closed_and_says_who(project, tmp_path):
    private = run(project, tmp_path)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    rows = read_table(private / "individuals.tsv")
    assert sorted(row["individual"] for row in rows) == NAMES
    assert {row["individual"] for row in rows if row["role"] == "train"} == set(NAMES[:48])
    chances = [float(row["chance_of_its_score"]) for row in rows]
    assert chances == sorted(chances)
    about = json.loads((private / "audit.json").read_text())
    assert about["inputs"]["synthetic/20.pgen"] == file_digest(project / "made/20.pgen")
    assert about["facts"]["individuals_per_role"] == 48
    attacks = {
        row["attack"]: row
        for row in read_table(private / "audit.tsv")
        if row["population"] == "all"
    }
    assert float(attacks["worst"]["tpr_reference"]) > 0
    assert 0 <= float(attacks["generator likelihood (needs the model)"]["value"]) <= 1


def test_nothing_of_the_private_part_is_public(project, tmp_path, caplog):
    caplog.set_level("INFO")
    private = run(project, tmp_path)
    public = (tmp_path / "privacy.tsv").read_text()
    for text in (public, caplog.text):
        assert not [name for name in NAMES if name in text]
        assert "tpr" not in text
    rows = read_table(tmp_path / "privacy.tsv")
    # twelve of Y and the most isolated tenth are too few
    assert {row["population"] for row in rows} == {"all", "X"}
    assert all(int(row["n"]) >= 20 for row in rows)
    attacks = {
        row["attack"] for row in read_table(private / "audit.tsv") if row["population"] == "all"
    }
    assert {row["attack"] for row in rows} == attacks
    written = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    facts = json.loads((tmp_path / "leak.json").read_text())
    assert (facts["max_auc"], facts["max_excess"], facts["training_individuals"]) == (0.6, 0.03, 48)
    assert facts["effective_sites"] > 0
    assert written == {
        "privacy.tsv",
        "leak.json",
        "private/audit.tsv",
        "private/audit.json",
        "private/individuals.tsv",
    }


def rows_of_all(private):
    return {
        row["attack"]: row
        for row in read_table(private / "audit.tsv")
        if row["population"] == "all"
    }


def make_shadow(project, number, out, *more):
    command = [
        "shadow", "--number", number, "--synthetic", project / "made/20", "--panel", project / "20",
        "--split", project / "split.tsv",
        "--model", project / "m.safetensors", "--out", out, "--windows", "50,100", "--bootstrap",
        200, "--seed", 6, *more,
    ]  # fmt: skip
    return CliRunner().invoke(genoloom, list(map(str, command)), catch_exceptions=False)


def test_shadow_models_add_an_attacker(project, tmp_path):
    private = run(project, tmp_path, shadow_models=2)
    row = rows_of_all(private)[AttackId.SHADOWS]
    assert 0 <= float(row["low"]) <= float(row["high"]) <= 1
    assert json.loads((private / "audit.json").read_text())["options"]["shadow_models"] == 2


def test_an_audit_is_the_same_whoever_made_the_shadow_models(project, tmp_path):
    here = run(project, tmp_path / "here", shadow_models="auto")
    files = [tmp_path / f"{k}.safetensors" for k in range(4)]
    for k in (2, 0, 3, 1):
        done = make_shadow(project, k, files[k], "--state", tmp_path / "state")
        assert done.exit_code == 0
        assert stat.S_IMODE(files[k].parent.stat().st_mode) == 0o700
    assert not list((tmp_path / "state").iterdir())
    there = run(project, tmp_path / "there", shadow_models="auto", shadows=files)
    for name in ("audit.tsv", "individuals.tsv"):
        assert (there / name).read_bytes() == (here / name).read_bytes()
    record = json.loads((there / "audit.json").read_text())
    assert record["options"]["shadow_models"] == 4
    assert record["inputs"]["shadow/2.safetensors"] == file_digest(files[2])
    # scores of another shadow model, of other options or cut off are no scores of this one
    for wrong, options in (
        ([files[1], *files[1:]], {}),
        (files, {"shadow_steps": 0.5}),
        (files[:3], {}),
    ):
        with pytest.raises(InputError, match=r"(?s)genoloom shadow"):
            run(project, tmp_path / "wrong", shadows=wrong, **({"shadow_models": "auto"} | options))
    files[0].write_bytes(files[0].read_bytes()[:-9] + b"\0" * 9)
    with pytest.raises(InputError, match=r"(?s)0\.safetensors.*genoloom shadow"):
        run(project, tmp_path / "wrong", shadow_models="auto", shadows=files)
    assert not (tmp_path / "wrong").exists()


def test_what_was_not_tried_is_said(project, tmp_path):
    """By a row of its own, which neither passes nor fails the audit."""
    costly = run(project, tmp_path / "costly", shadow_models="auto", shadow_minutes=1e-6)
    reasons = {
        costly: "about 1 CPU minutes are above audit.shadow_minutes (1e-06)",
        run(project, tmp_path / "off"): "audit.shadow_models is 0",
        run(project, tmp_path / "foreign", models=False, shadow_models="auto"): "no model is given",
    }
    for private, reason in reasons.items():
        rows = rows_of_all(private)
        assert (rows[AttackId.SHADOWS]["verdict"], rows[AttackId.SHADOWS]["note"]) == (
            "not run",
            reason,
        )
        assert rows[AttackId.WORST]["verdict"] != "not run"
        assert json.loads((private / "audit.json").read_text())["options"]["shadow_models"] == 0
    [row] = [
        row
        for row in read_table(tmp_path / "costly/privacy.tsv")
        if row["attack"] == AttackId.SHADOWS
    ]
    assert "shadow_minutes" in row["note"]
    done = make_shadow(project, 0, tmp_path / "0.safetensors", "--shadow-minutes", 1e-6)
    assert "no shadow model: about" in done.output
    again = run(
        project,
        tmp_path / "again",
        shadow_models="auto",
        shadow_minutes=1e-6,
        shadows=[tmp_path / "0.safetensors"],
    )
    assert (again / "audit.tsv").read_bytes() == (costly / "audit.tsv").read_bytes()


def test_shadow_models_need_the_model(project, tmp_path):
    with pytest.raises(InputError, match=r"(?s)--shadow-models.*--model"):
        run(project, tmp_path, models=False, shadow_models=2)
    assert not (tmp_path / "private").exists()


def test_the_table_of_individuals_is_encrypted_for_its_owner(project, tmp_path):
    keys = pytest.importorskip(
        "crypt4gh.keys", reason="encryption needs the optional package: pip install crypt4gh"
    )
    from crypt4gh import lib

    keys.c4gh.generate(str(tmp_path / "secret.key"), str(tmp_path / "public.key"), b"", b"")
    private = run(project, tmp_path, models=False)
    assert (private / "individuals.tsv").exists()
    private = run(project, tmp_path, models=False, recipient=str(tmp_path / "public.key"))
    assert not (private / "individuals.tsv").exists()  # an open one of an earlier run is gone
    content = (private / "individuals.tsv.c4gh").read_bytes()
    assert not [name for name in NAMES if name.encode() in content]
    secret = keys.get_private_key(str(tmp_path / "secret.key"), lambda: "")
    opened = io.BytesIO()
    lib.decrypt([(0, secret, None)], io.BytesIO(content), opened)
    lines = opened.getvalue().decode().splitlines()
    assert lines[0].startswith("individual\trole")
    assert sorted(line.split("\t")[0] for line in lines[1:]) == NAMES
    (tmp_path / "no.key").write_text("nothing")
    for path, message in (("no.key", "is no public key"), ("none", "not found")):
        with pytest.raises(InputError, match=message):
            read_public_key(tmp_path / path)


def test_without_the_optional_package_the_command_says_what_to_install(monkeypatch, tmp_path):
    real_import = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("crypt4gh"):
            raise ImportError(name)
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match="pip install crypt4gh"):
        read_public_key(tmp_path / "any.key")


def test_a_model_of_other_sites_is_refused(project, tmp_path):
    train(
        generator="independent", panel=project / "20", split=project / "split.tsv",
        model=tmp_path / "m.safetensors",
        history=tmp_path / "h.tsv", state=tmp_path / "state", common=TrainOptions(min_mac=20),
        options=IndependentOptions(),
        seed=3, threads=1,
    )  # fmt: skip
    done = call_genoloom(
        "audit", "--name", "x", "--synthetic", project / "made/20", "--panel", project / "20",
        "--split", project / "split.tsv",
        "--model", tmp_path / "m.safetensors", "--out", tmp_path / "private/audit.tsv", "--windows",
        "50", "--bootstrap", 200,
    )  # fmt: skip
    assert done.returncode == 2
    assert "models other sites" in done.stderr
    assert not (tmp_path / "private").exists()
