"""Sequences through files: split, train, generate, validate."""

import json
from itertools import chain

import numpy as np
import pytest
from helpers import call_genoloom

from genoloom.errors import InputError
from genoloom.formats.provenance import read_provenance
from genoloom.formats.sequence_sets import read_set, write_fasta
from genoloom.formats.tables import read_records
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.rows import AttackRow, PrivateAttackRow
from genoloom.sequence_config import (
    GenerateSequencesOptions,
    SequenceContextMixingOptions,
    SequenceOptions,
    ValidateSequencesOptions,
)
from genoloom.sequences import decode, is_canary
from genoloom.stages.generate_sequences import generate_sequences
from genoloom.stages.prepare_sequences import prepare_sequences
from genoloom.stages.train_sequences import train_sequences
from genoloom.stages.validate_sequences import validate_sequences
from genoloom.training_config import TrainOptions
from genoloom.validation.rows import MetricRow


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """200 sequences of two labels that differ in composition; the first ten share a repeat."""
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("source") / "in.fa"
    repeat = decode(rng.integers(0, 4, 30).astype(np.uint8))
    records = []
    for i in range(200):
        p = [0.4, 0.1, 0.1, 0.4] if i % 2 else [0.1, 0.4, 0.4, 0.1]
        text = decode(rng.choice(4, size=80, p=p).astype(np.uint8))
        records.append(
            (f"s{i} label={'at' if i % 2 else 'gc'}", text[:50] + repeat if i < 10 else text)
        )
    write_fasta(path, records)
    return path


@pytest.fixture(scope="module")
def trained(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("set")
    options = SequenceOptions(window=0, stranded=True)
    prepare_sequences(source=source, regions=None, out=out, options=options, seed=1)
    train_sequences(
        generator="context_mixing", train=out / "train.fa.gz", model=out / "a.safetensors",
        history=out / "a.history.tsv",
        state=out / "state", common=TrainOptions(),
        options=SequenceContextMixingOptions(max_order=3),
        seed=1, threads=1,
    )  # fmt: skip
    return out


def test_a_split_that_leaks_is_refused_unless_allowed(source, tmp_path):
    options = SequenceOptions(window=0, split="chunks", shared_kmer=20, max_leakage=0.0)
    with pytest.raises(InputError, match=r"share a 20-mer with training") as error:
        prepare_sequences(source=source, regions=None, out=tmp_path / "a", options=options, seed=1)
    assert "--max-leakage" in str(error.value)
    assert not (tmp_path / "a").exists()
    options = options.model_copy(update={"max_leakage": 1.0})
    prepare_sequences(source=source, regions=None, out=tmp_path / "b", options=options, seed=1)
    summary = json.loads((tmp_path / "b" / "summary.json").read_text())
    assert summary["split"] == "chunks"
    assert summary["holdout_sharing_kmer"] > 0


def test_homology_split_does_not_leak(trained):
    summary = json.loads((trained / "summary.json").read_text())
    assert summary["split"] == "homology"
    assert summary["holdout_sharing_kmer"] == 0
    assert summary["train"] + summary["holdout"] == 200


def test_canaries_are_planted_in_training_only_and_look_like_it(source, tmp_path):
    options = SequenceOptions(window=0, stranded=True, canaries=15)
    prepare_sequences(source=source, regions=None, out=tmp_path, options=options, seed=1)
    train, holdout = (read_set(tmp_path / f"{part}.fa.gz") for part in ("train", "holdout"))
    planted = train.take(is_canary(train))
    assert len(planted) == 15
    assert not is_canary(holdout).any()
    assert len(np.unique(planted.cluster)) == 15
    assert not np.isin(planted.cluster, train.take(~is_canary(train)).cluster).any()
    assert set(planted.label) == {"at", "gc"}
    assert (planted.length == 80).all()


def test_generated_sequences_have_the_label_and_begin_with_the_prompt(trained, tmp_path):
    options = GenerateSequencesOptions(count=40, label="at", prompt="ACGT", temperature=0.8)
    generate_sequences(
        model=trained / "a.safetensors",
        out=tmp_path / "out.fa.gz",
        options=options,
        seed=3,
        threads=1,
    )
    synthetic = read_set(tmp_path / "out.fa.gz")
    assert synthetic.label == ["at"] * 40
    assert (synthetic.length == 80).all()
    assert (synthetic.bases[:, :4] == [0, 1, 2, 3]).all()
    assert len(np.unique(synthetic.bases, axis=0)) == 40


@pytest.mark.parametrize(
    ("options", "message"),
    [({"label": "x"}, "'x' is not known"), ({"prompt": "AN"}, "A, C, G and T only")],
)
def test_what_a_model_cannot_make_is_refused(trained, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        generate_sequences(
            model=trained / "a.safetensors",
            out=tmp_path / "x.fa",
            options=GenerateSequencesOptions(**options),
            seed=1,
            threads=1,
        )


def test_validation_tells_real_from_random_and_draws_all_chains(trained, tmp_path):
    rng = np.random.default_rng(5)
    write_fasta(
        tmp_path / "random.fa",
        [(f"r{i}", decode(rng.integers(0, 4, 80).astype(np.uint8))) for i in range(60)],
    )
    generate_sequences(
        model=trained / "a.safetensors",
        out=tmp_path / "context_mixing.fa",
        options=GenerateSequencesOptions(count=60),
        seed=3,
        threads=1,
    )
    tables = {}
    for name, model in (("random", None), ("context_mixing", trained / "a.safetensors")):
        validate_sequences(
            name=name, synthetic=tmp_path / f"{name}.fa", train=trained / "train.fa.gz",
            holdout=trained / "holdout.fa.gz",
            model=model, baselines=[], out=tmp_path / f"{name}.tsv",
            details=tmp_path / f"{name}.json",
            options=ValidateSequencesOptions(n_permutations=3, max_compared=30), seed=1,
        )  # fmt: skip
        rows = read_records(tmp_path / f"{name}.tsv", MetricRow)
        tables[name] = {r.metric: r for r in rows if r.generator == name}
    assert tables["random"]["cnn_auc"].value > 0.7
    assert "bits_per_base" not in tables["random"]
    bars = json.loads((tmp_path / "context_mixing.json").read_text())["bits"]
    assert {"order 0", "markov", "context_mixing"} <= set(bars)
    assert bars["context_mixing"] < bars["order 0"] - 0.1
    assert tables["context_mixing"]["bits_per_base"].value == pytest.approx(
        bars["context_mixing"], abs=0.02
    )


def test_the_audit_writes_a_private_and_a_public_table_and_its_record(trained, tmp_path):
    generate_sequences(
        model=trained / "a.safetensors",
        out=tmp_path / "made.fa",
        options=GenerateSequencesOptions(count=60),
        seed=3,
        threads=1,
    )
    arguments = {
        "--name": "context_mixing", "--synthetic": tmp_path / "made.fa",
        "--train": trained / "train.fa.gz", "--holdout": trained / "holdout.fa.gz",
        "--out": tmp_path / "private/audit.tsv", "--public": tmp_path / "privacy.tsv",
        "--bootstrap": 199, "--max-compared": 30,
    }  # fmt: skip
    with_model = arguments | {"--model": trained / "a.safetensors"}
    done = call_genoloom("sequences", "audit", *chain(*with_model.items()))
    assert done.returncode == 0, done.stderr
    private = read_records(tmp_path / "private/audit.tsv", PrivateAttackRow)
    public = read_records(tmp_path / "privacy.tsv", AttackRow)
    assert [row.attack for row in private] == [row.attack for row in public]
    assert {row.role for row in private} == {"baseline"}
    assert private[-1].attack == AttackId.WORST
    assert AttackId.MEMBERSHIP_BY_MODEL in {row.attack for row in private}
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700
    record = read_provenance(tmp_path / "private/audit.json")
    assert set(record.inputs) == {"synthetic", "train", "holdout", "model"}
    assert record.facts == {"compared": 30}
    done = call_genoloom("sequences", "audit", *chain(*arguments.items()))
    private = read_records(tmp_path / "private/audit.tsv", PrivateAttackRow)
    assert AttackId.MEMBERSHIP_BY_MODEL not in {row.attack for row in private}


def test_a_refused_split_ends_the_command_with_code_two_and_its_reason(source, tmp_path):
    arguments = ["--window", 0, "--split", "chunks", "--shared-kmer", 20, "--max-leakage", 0]
    done = call_genoloom(
        "sequences", "prepare", "--source", source, "--out", tmp_path / "set", *arguments
    )
    assert done.returncode == 2
    assert "of the held-out sequences share a 20-mer" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_files_are_enough(source, tmp_path):
    """Real sequences against themselves, and random ones, without any training set."""
    rng = np.random.default_rng(6)
    write_fasta(
        tmp_path / "random.fa",
        [(f"r{i}", decode(rng.integers(0, 4, 80).astype(np.uint8))) for i in range(80)],
    )
    tables = {}
    options = ValidateSequencesOptions(
        max_classified=20, n_permutations=2, stranded=True, motifs="TATA"
    )
    for name, path in (("random", tmp_path / "random.fa"), ("same", source)):
        arguments = {
            "name": name,
            "synthetic": path,
            "train": None,
            "holdout": source,
            "baselines": [],
            "options": options,
            "seed": 1,
        }
        out = {"out": tmp_path / f"{name}.tsv", "details": tmp_path / f"{name}.json"}
        validate_sequences(**arguments, model=None, **out)
        rows = read_records(tmp_path / f"{name}.tsv", MetricRow)
        tables[name] = {r.metric: r for r in rows if r.generator == name}
    random, same = (tables[name]["kmer3_distance"].value for name in ("random", "same"))
    assert random > 1.5 * same
    same, random = (tables[name]["motif_content"] for name in ("same", "random"))
    assert same.bin == random.bin == "TATA"
    assert same.value > random.value
    assert not any(metric.startswith("nearest") for metric in tables["same"])
    with pytest.raises(InputError, match="needs the training sequences"):
        validate_sequences(**arguments, model=tmp_path / "m.safetensors", **out)


def test_columns_of_words_and_numbers_make_one_label(tmp_path):
    rng = np.random.default_rng(7)
    rows = ["seq,kind,expr"]
    value = rng.normal(size=120)
    for i in range(120):
        bases = decode(rng.integers(0, 4, 60).astype(np.uint8))
        rows.append(f"{bases},{'a+b' if i % 2 else 'c'},{value[i] if i else ''}")
    (tmp_path / "in.csv").write_text("\n".join(rows) + "\n")
    options = SequenceOptions(label_column="kind,expr", bins=3)
    prepare_sequences(
        source=tmp_path / "in.csv", regions=None, out=tmp_path / "set", options=options, seed=1
    )
    edges = json.loads((tmp_path / "set" / "summary.json").read_text())["label_bin_edges"]
    assert list(edges) == ["expr"]
    for part in ("train", "holdout"):
        synthetic = read_set(tmp_path / "set" / f"{part}.fa.gz")
        for name, label in zip(synthetic.name, synthetic.label, strict=True):
            i = int(name.removeprefix("row")) - 1
            expected = (
                f"bin{np.searchsorted(edges['expr'], value[i], side='right') + 1}" if i else ""
            )
            assert label == f"{'a_b' if i % 2 else 'c'}+{expected}"
    options = SequenceOptions(label_column="kind,x")
    with pytest.raises(InputError, match="has no column 'x'"):
        prepare_sequences(
            source=tmp_path / "in.csv", regions=None, out=tmp_path / "no", options=options, seed=1
        )


def test_a_transformer_is_asked_for_some_columns_of_a_label(tmp_path):
    rng = np.random.default_rng(8)
    rows = ["seq,kind,strength"]
    for i in range(80):
        kind, size = ("long", 60) if i % 2 else ("short", 40)
        bases = decode(rng.integers(0, 4, size).astype(np.uint8))
        rows.append(f"{bases},{kind},{'xy'[i // 2 % 2]}")
    (tmp_path / "in.csv").write_text("\n".join(rows) + "\n")
    call_genoloom(
        "sequences", "prepare", "--source", tmp_path / "in.csv", "--out", tmp_path / "set",
        "--label-column", "kind,strength",
        "--min-length", 20,
    )  # fmt: skip
    small = ["--steps", 2, "--evaluate-every", 2, "--width", 16, "--convolutions", 1]
    model = tmp_path / "m.safetensors"
    call_genoloom(
        "sequences", "train", "transformer", "--train", tmp_path / "set/train.fa.gz", "--model",
        model,
        "--history", tmp_path / "h.tsv", "--state", tmp_path / "state", *small,
    )  # fmt: skip
    for label, lengths in {"long+*": {60}, "*+x": {40, 60}, "short+y": {40}}.items():
        call_genoloom(
            "sequences",
            "generate",
            "--model",
            model,
            "--out",
            tmp_path / "s.fa",
            "--label",
            label,
            "--count",
            40,
        )
        synthetic = read_set(tmp_path / "s.fa")
        assert set(synthetic.label) == {label}
        assert set(synthetic.length) == lengths
    done = call_genoloom(
        "sequences", "generate", "--model", model, "--out", tmp_path / "no.fa", "--label", "long+z"
    )  # fmt: skip
    assert done.returncode == 2
    assert "long+*" in done.stderr
