"""The gate of sequences: a release has its audit, of these files, and every check can say no."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers import call_genoloom

from genoloom.errors import GateError
from genoloom.formats.provenance import read_provenance, record_path, sealed
from genoloom.formats.sequence_sets import read_set, write_fasta, write_set
from genoloom.formats.tables import read_records, write_records
from genoloom.privacy.attack_ids import COPIES_OF_SEQUENCES, AttackId
from genoloom.privacy.rows import AttackRow, PrivateAttackRow
from genoloom.privacy.sequence_gate import audit_reasons
from genoloom.privacy_config import ReleaseOptions
from genoloom.sequence_config import (
    AuditSequencesOptions,
    GenerateSequencesOptions,
    SequenceMarkovOptions,
    ValidateSequencesOptions,
)
from genoloom.sequences import SequenceSet, decode
from genoloom.stages.audit_sequences import audit_sequences
from genoloom.stages.generate_sequences import generate_sequences
from genoloom.stages.release_sequences import release_sequences
from genoloom.stages.train_sequences import train_sequences
from genoloom.stages.validate_sequences import validate_sequences
from genoloom.training_config import TrainOptions
from genoloom.validation.rows import MetricRow
from genoloom.validation.verdicts import Role, Verdict

GOOD = ReleaseOptions(fidelity="any")  # random sequences are small sets


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of random sequences and the chain that learnt from them, with the default options."""
    folder = tmp_path_factory.mktemp("run") / "results"
    rng = np.random.default_rng(3)
    sets = folder / "sequence_sets/set"
    for part, n in (("train", 360), ("holdout", 340)):
        bases = rng.integers(0, 4, (n, 60)).astype(np.uint8)
        names = [f"{part}{i}" for i in range(n)]
        made = SequenceSet(names, bases, np.full(n, 60), [""] * n, np.arange(n), True)
        write_set(sets / f"{part}.fa.gz", made)
    models = folder / "models/sequences/set"
    train_sequences(
        generator="markov", train=sets / "train.fa.gz", model=models / "markov.safetensors",
        history=models / "markov.history.tsv", state=folder / ".state", common=TrainOptions(),
        options=SequenceMarkovOptions(max_order=1), seed=1, threads=1,
    )  # fmt: skip
    fasta = folder / "sequences/set/markov.fa.gz"
    generate_sequences(
        model=models / "markov.safetensors", out=fasta,
        options=GenerateSequencesOptions(count=400), seed=1, threads=1,
    )  # fmt: skip
    given = {
        "name": "markov", "synthetic": fasta, "train": sets / "train.fa.gz",
        "holdout": sets / "holdout.fa.gz", "model": models / "markov.safetensors",
        "baselines": [], "seed": 1,
    }  # fmt: skip
    shown = folder / "validation/sequences/set/markov"
    validate_sequences(
        **given, out=shown / "fidelity.tsv", details=shown / "details.json",
        options=ValidateSequencesOptions(),
    )  # fmt: skip
    private = folder / "private/sequences/set/markov"
    audit_sequences(
        **given, out=private / "audit.tsv", public=shown / "privacy.tsv",
        options=AuditSequencesOptions(),
    )  # fmt: skip
    return folder


def released(results, out, options=GOOD):
    release_sequences(
        results=results, sequence_set="set", generator="markov", out=out, options=options
    )
    return out


def test_the_bundle_holds_the_audited_sequences_and_the_tables(results, tmp_path):
    flags = ["--fidelity", "any", "--sequence-set", "set", "--generator", "markov"]
    out = tmp_path / "bundle"
    done = call_genoloom("sequences", "release", "--results", results, "--out", out, *flags)
    assert done.returncode == 0, done.stderr
    made = read_set(results / "sequences/set/markov.fa.gz")
    left = read_set(out / "sequences.fa.gz")
    assert left.name == made.name
    np.testing.assert_array_equal(left.bases, made.bases)
    shown = results / "validation/sequences/set/markov"
    own = read_records(shown / "privacy.tsv", AttackRow)
    assert read_records(out / "privacy.tsv", AttackRow)[-1].value == own[-1].value
    listed = {line.split()[1] for line in (out / "MANIFEST.sha256").read_text().splitlines()}
    assert listed == {
        "README.md", "fidelity.tsv", "privacy.tsv", "ro-crate-metadata.json", "sequences.fa.gz",
    }  # fmt: skip
    assert "Synthetic sequences: set, markov" in (out / "README.md").read_text()
    crate = json.loads((out / "ro-crate-metadata.json").read_text())
    assert "genotypes" not in json.dumps(crate)


def restamped(record, *outputs, **changes):
    """A record of what lies there now, by somebody who seals it anew."""
    from genoloom.formats.models import file_digest

    values = json.loads(record.read_text())
    values["outputs"] = {path.name: file_digest(path) for path in outputs}
    for part, change in changes.items():
        values[part] |= change
    record.write_text(json.dumps(sealed(values)))


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("private/sequences/set/markov/audit.json", "records: audit.json not found"),
        ("private/sequences/set/markov/audit.tsv", "audit.tsv"),
        ("validation/sequences/set/markov/privacy.tsv", "privacy.tsv"),
        ("validation/sequences/set/markov/fidelity.tsv", "fidelity.tsv"),
        ("models/sequences/set/markov.safetensors", "not of these files \\(model"),
        ("sequence_sets/set/holdout.fa.gz", "not of these files \\(holdout"),
    ],
)
def test_what_is_missing_is_a_reason(results, tmp_path, file, reason):
    moved = (results / file).rename(tmp_path / "moved")
    try:
        with pytest.raises(GateError, match=reason):
            released(results, tmp_path / "out")
    finally:
        moved.rename(results / file)
    assert not (tmp_path / "out").exists()


def test_other_sequences_than_those_that_were_audited_stay(results, tmp_path):
    fasta = results / "sequences/set/markov.fa.gz"
    content = fasta.read_bytes()
    try:
        made = read_set(fasta)
        write_fasta(
            fasta, [(name, decode(row)) for name, row in zip(made.name, made.bases, strict=True)]
        )
        with pytest.raises(GateError, match=r"audit: is not of these files \(synthetic") as error:
            released(results, tmp_path / "out")
        assert "headers are not of this model" in str(error.value)
    finally:
        fasta.write_bytes(content)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"bootstrap": 199}, "audit_sequences.bootstrap 199, which is looser"),
        ({"max_auc": 0.9}, "audit_sequences.max_auc 0.9, which is looser"),
        ({"max_compared": 20}, "audit_sequences.max_compared 20, which is looser"),
    ],
)
def test_an_audit_with_looser_options_is_a_reason(results, tmp_path, options, reason):
    private = results / "private/sequences/set/markov"
    record = private / "audit.json"
    content = record.read_bytes()
    tables = private / "audit.tsv", results / "validation/sequences/set/markov/privacy.tsv"
    try:
        restamped(record, *tables, options=options)
        with pytest.raises(GateError, match=reason):
            released(results, tmp_path / "out")
    finally:
        record.write_bytes(content)


@pytest.mark.parametrize("verdict", ["weak", "fail", "overfitted", "not run"])
def test_a_fidelity_verdict_that_is_not_allowed_is_a_reason(results, tmp_path, verdict):
    table = results / "validation/sequences/set/markov/fidelity.tsv"
    record = record_path(table.with_suffix(""))
    contents = table.read_bytes(), record.read_bytes()
    try:
        rows = read_records(table, MetricRow)
        rows[0] = replace(rows[0], verdict=Verdict(verdict))  # bits per base
        write_records(table, MetricRow, rows)
        restamped(record, table)
        with pytest.raises(GateError, match=f"fidelity: bits_per_base: {verdict}"):
            released(results, tmp_path / "out", ReleaseOptions(fidelity="pass"))
    finally:
        table.write_bytes(contents[0])
        record.write_bytes(contents[1])


def row(attack, verdict="pass", **more):
    given = {"value": 0.5, "low": 0.45, "high": 0.55, "n": 300} | more
    given = {"tpr_at_1_percent_fpr": 0.01, "tpr_reference": 0.03} | given
    return PrivateAttackRow(
        generator="x", role=Role.GENERATOR, attack=attack, verdict=Verdict(verdict), **given
    )


WHOLE = [
    AttackId.MEMBERSHIP_BY_SAMPLES, AttackId.MEMBERSHIP_OF_CANARIES, *COPIES_OF_SEQUENCES,
    AttackId.WORST,
]  # fmt: skip


def reasons(rows):
    return audit_reasons(rows, "x", ReleaseOptions(), planted=True)


def test_a_whole_audit_that_passes_is_no_reason():
    assert reasons(list(map(row, WHOLE))) == []


@pytest.mark.parametrize("attack", WHOLE)
def test_a_row_that_is_missing_not_run_or_failed_is_a_reason(attack):
    rows = {a: row(a) for a in WHOLE}
    assert reasons([one for a, one in rows.items() if a is not attack])
    assert reasons([*(rows | {attack: row(attack, "not run")}).values()])
    assert reasons([*rows.values(), row(attack)])  # twice
    if attack is not AttackId.MEMBERSHIP_BY_SAMPLES:
        assert reasons([*(rows | {attack: row(attack, "weak")}).values()])


@pytest.mark.parametrize(
    "more",
    [
        {"high": 0.61},
        {"high": float("nan")},
        {"n": 19},
        {"tpr_at_1_percent_fpr": 0.1},
        {"tpr_at_1_percent_fpr": float("nan")},
    ],
)
def test_a_worst_attack_beyond_the_limits_is_a_reason(more):
    rows = [row(a) for a in WHOLE if a is not AttackId.WORST]
    assert reasons([*rows, row(AttackId.WORST, **more)])


def test_rows_of_another_generator_are_a_reason():
    rows = list(map(row, WHOLE))
    assert reasons([*rows, replace(rows[0], generator="y")])


def test_the_record_of_the_audit_names_all_that_was_read(results):
    record = read_provenance(results / "private/sequences/set/markov/audit.json")
    assert set(record.inputs) == {"synthetic", "train", "holdout", "model"}
