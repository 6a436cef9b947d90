"""Every tampering is a reason: with the chain of evidence, with its records, with any byte or cell
that the gate reads.
"""

import gzip
import json
import os
import random
import shutil
import stat
from contextlib import suppress

import pysam
import pytest
from released_tree import (
    MADE,
    MODELS,
    NAME,
    PANEL,
    PRIVATE,
    RECORDS,
    TABLES,
    divide,
    fit,
    forge,
    make_individuals_of,
    make_tree,
    measure,
    prepare_panel,
    restamp,
    sample,
    write_record,
    write_tables,
)

from genoloom.errors import GateError
from genoloom.evidence.release import Evidence
from genoloom.formats.tables import read_table, write_table
from genoloom.pipelines.release import release
from genoloom.privacy.leak_budget import unavoidable
from genoloom.privacy_config import ReleaseOptions

OPTIONS = ReleaseOptions()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("evidence"))


@pytest.fixture
def tree(finished, tmp_path):
    for name in ("results", "raw"):
        shutil.copytree(finished / name, tmp_path / name)
    sheet = (finished / "panels.tsv").read_text().replace(str(finished), str(tmp_path))
    (tmp_path / "panels.tsv").write_text(sheet)
    return tmp_path


def reasons(tree, sheet=True) -> str:
    found = Evidence(tree / "results", "p", NAME, tree / "panels.tsv" if sheet else None).reasons(
        OPTIONS
    )
    return "\n".join(found)


def test_the_untouched_tree_gives_no_reason(tree):
    assert reasons(tree) == ""
    assert reasons(tree, sheet=False) == ""


def test_what_names_real_individuals_is_closed_to_others(finished):
    for folder in ("panels", "panels/p", "splits", "models", MODELS, "private", PRIVATE):
        assert stat.S_IMODE((finished / "results" / folder).stat().st_mode) == 0o700
    assert stat.S_IMODE((finished / "results" / MADE).stat().st_mode) != 0o700


def test_a_cohort_with_families_is_not_released(tree):
    evidence = Evidence(tree / "results", "p", NAME, tree / "panels.tsv")
    evidence.cohort.parents[-1] = tuple(evidence.cohort.individuals.id[:2])
    assert any("has families" in reason for reason in evidence.reasons(OPTIONS))


# another run of a stage than the rest of the chain was made from


def test_an_audit_after_another_split_is_not_of_the_individuals_who_trained(tree):
    """Everything after the model is made again and fits; only the model was trained on other
    individuals.
    """
    divide(tree, seed=2)
    measure(tree)
    write_tables(tree / "results")
    assert (
        "model 20: was made from another split than the one that is there; make it again (genoloom "
        "train)" in reasons(tree)
    )
    assert "audit" not in reasons(tree)


def test_a_model_trained_again_is_not_that_of_the_data(tree):
    fit(tree, seed=9)
    said = reasons(tree)
    assert "synthetic 20: was made from another model than the one that is there" in said
    assert "audit: was made from another model/20.safetensors" in said


def test_a_panel_prepared_again_of_other_input_is_not_that_of_the_model(tree):
    reference = tree / "raw/all.fa"
    reference.write_text(reference.read_text() + "ACGT\n")
    pysam.faidx(str(reference))
    assert "panel 20: was made from another reference than the one that is there" in reasons(tree)
    prepare_panel(tree)
    # the reference says no more than that REF is right: the panel is the same
    assert reasons(tree) == ""
    for path in (tree / "raw").glob("20.p*"):
        path.write_bytes(path.read_bytes().replace(b"REAL00003", b"REAL99993"))
    prepare_panel_with_other_individuals(tree)
    assert "model 20: was made from another panel/20.psam than the one that is there" in reasons(
        tree
    )


def prepare_panel_with_other_individuals(tree):
    individuals = tree / "raw/samples.tsv"
    individuals.write_text(individuals.read_text().replace("REAL00003", "REAL99993"))
    prepare_panel(tree)


def test_synthetic_files_sampled_again_are_not_the_audited_ones(tree):
    cohort = tree / "results" / MADE / "cohort.tsv"
    rows = read_table(cohort)
    write_table(cohort, list(rows[0]), [row | {"seed": int(row["seed"]) + 1} for row in rows])
    restamp(cohort.with_name("cohort.provenance.json"))
    sample(tree)
    said = reasons(tree)
    assert "audit: was made from another synthetic/20.pgen" in said
    assert "fidelity: was made from another synthetic/20.pgen" in said


def write_bundle(tree, out, sheet="panels.tsv"):
    named = {"sheet": tree / sheet} if sheet else {}
    results = tree / "results"
    release(results=results, panel="p", generator=NAME, out=out, options=OPTIONS, **named)


def test_several_contigs_are_one_chain(tmp_path):
    tree = make_tree(tmp_path, "20", "21.p")
    assert reasons(tree) == ""
    out = tmp_path / "out"
    write_bundle(tree, out)
    assert {"20.vcf.gz", "21.p.vcf.gz", "21.p.pgen"} <= {path.name for path in out.iterdir()}
    with open(tree / "results" / MODELS / "21.p.json", "a") as handle:
        handle.write(" ")
    assert (
        reasons(tree)
        == "model 21.p: 21.p.json is not the file that was written; make it again (genoloom train)"
    )
    for path in (tree / "results" / MADE).glob("21*"):
        path.unlink()
    assert "audit: was also made from synthetic/21.p.pgen, which is not there any more" in reasons(
        tree
    )


# raw input


def test_raw_input_that_is_gone_is_said_and_stops_nothing(tree, caplog):
    (tree / "raw/all.fa").unlink()
    assert reasons(tree) == ""
    assert "panel 20: reference of the raw input is not there any more" in caplog.text
    out = tree / "out"
    write_bundle(tree, out)
    assert "the raw input was not compared" in (out / "README.md").read_text()


@pytest.mark.parametrize("name", ["20.pgen", "20.pvar.zst", "20.psam", "samples.tsv", "all.fa"])
def test_raw_input_that_was_changed_stops_it(tree, name):
    path = tree / "raw" / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert "panel 20: was made from another" in reasons(tree)
    assert reasons(tree, sheet=False) == ""  # nobody has said where it is


def test_a_sheet_that_names_other_input_stops_it(tree):
    sheet = tree / "panels.tsv"
    rows = read_table(sheet)
    write_table(sheet, ["panel", "contig", "variants", "samples"], rows)
    assert "panel 20: was also made from reference" in reasons(tree)
    write_table(
        sheet,
        ["panel", "contig", "variants", "samples", "reference", "map"],
        [rows[0] | {"map": rows[0]["samples"]}],
    )
    assert "panel 20: was made without map" in reasons(tree)


# one file after the other

FILES = (
    f"{PANEL}/20.pgen", f"{PANEL}/20.pvar.zst", f"{PANEL}/20.psam", f"{PANEL}/20.summary.json",
    f"{PANEL}/summary.json", "splits/p.tsv",
    f"{MODELS}/20.safetensors", f"{MODELS}/20.json", f"{MADE}/cohort.tsv", f"{MADE}/20.pgen",
    f"{MADE}/20.pvar.zst", f"{MADE}/20.psam",
    f"{MADE}/20.vcf.gz", f"{MADE}/20.vcf.gz.tbi", f"{TABLES}/fidelity.tsv", f"{TABLES}/privacy.tsv",
    f"{TABLES}/reference_values.json", f"{PRIVATE}/audit.tsv",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_any_changed_file_of_the_chain_stops_it(tree, name):
    path = tree / "results" / name
    whole = path.read_bytes()
    path.write_bytes(whole + b" ")
    assert f"{path.name} is not the file that was written" in reasons(tree)
    if name != f"{MADE}/20.pgen":  # without any there is nothing to judge
        path.unlink()
        assert f"{path.name} is missing" in reasons(tree)
        path.mkdir()
        assert f"{path.name} is missing or cannot be read" in reasons(tree)


@pytest.mark.parametrize("name", RECORDS)
def test_any_missing_or_changed_record_stops_it(tree, name):
    path = tree / "results" / name
    values = json.loads(path.read_text())
    for role in values["inputs"]:
        if name.startswith(PANEL):
            continue  # those of the raw input: above
        changed = values | {"inputs": values["inputs"] | {role: "0" * 64}}
        write_record(path, changed)
        assert f"was made from another {role}" in reasons(tree)
        write_record(
            path, values | {"inputs": {k: v for k, v in values["inputs"].items() if k != role}}
        )
        assert f"was made without {role}" in reasons(tree)
    write_record(path, values | {"inputs": values["inputs"] | {"more": "0" * 64}})
    assert "was also made from more" in reasons(tree)
    for output in values["outputs"]:
        write_record(
            path, values | {"outputs": {k: v for k, v in values["outputs"].items() if k != output}}
        )
        assert f"{output} was not made with the rest" in reasons(tree)
    write_record(path, values | {"stage": "init"})
    assert "was not made by `genoloom" in reasons(tree)
    path.unlink()
    assert f"{path.name}, the record of what it was made from, is missing" in reasons(tree)


def test_files_that_generate_did_not_write_stop_it(tree):
    for name in ("20.ancestry.bed", "20.bcf", "20.vcf.gz.csi"):
        path = tree / "results" / MADE / name
        path.write_text("REAL00001\n")
        assert f"synthetic 20: {name} was not made with the rest" in reasons(tree)
        path.unlink()


# a forger who makes the record fit: what is read is judged, what is released is written anew


def test_a_halved_split_table_does_not_blind_the_leak_scan(tree):
    split = tree / "results/splits/p.tsv"
    lines = split.read_text().splitlines(keepends=True)
    split.write_text("".join(lines[:31]))
    restamp(tree / "results/splits/p.provenance.json", tree / "results" / PANEL)
    said = reasons(tree)
    assert (
        "individuals: the split table is not of the individuals of the panel on contig 20" in said
    )
    assert "model 20: was made from another split" in said
    assert len(Evidence(tree / "results", "p", NAME).real_individuals()) == 60


@pytest.mark.parametrize(
    ("column", "other"),
    [
        *dict.fromkeys(("value", "low", "high", "reference", "n", "window"), "31").items(),
        ("verdict", "overfitted"),
        ("measure", "ratio"),
        ("role", "baseline"),
    ],
)
def test_every_row_of_the_public_table_is_that_of_the_audit(tree, column, other):
    path = tree / "results" / TABLES / "privacy.tsv"
    rows = read_table(path)
    for i in (0, len(rows) // 2, len(rows) - 1):
        changed = [row | {column: other if i == j else row[column]} for j, row in enumerate(rows)]
        write_table(path, list(rows[0]), changed)
        restamp(tree / "results" / PRIVATE / "audit.json", path.parent)
        assert "privacy: the public table is not of this audit" in reasons(tree)
    for changed in (
        rows[:-1],
        rows[::-1],
        [*rows, rows[-1]],
        [*rows, rows[-1] | {"generator": "markov"}],
    ):
        write_table(path, list(rows[0]), changed)
        restamp(tree / "results" / PRIVATE / "audit.json", path.parent)
        assert "privacy: " in reasons(tree)


def test_rows_of_baselines_are_in_their_own_tables(tree):
    """A generator's tables also show the baselines; nothing but their own rows may be there."""
    path = tree / "results" / TABLES / "fidelity.tsv"
    rows = read_table(path)
    baseline = rows[0] | {"generator": "markov"}
    write_table(path, list(rows[0]), [*rows, baseline])
    restamp(path.with_name("fidelity.provenance.json"))
    assert "fidelity: fidelity.tsv not found" in reasons(tree)
    own = tree / f"results/validation/p/markov/{path.name}"
    write_table(own, list(rows[0]), [baseline])
    assert "fidelity: was made without baseline/1" in reasons(tree)
    write_table(own, list(rows[0]), [baseline | {"value": "0.8"}])
    assert "the rows of the baselines differ from their own tables" in reasons(tree)
    write_table(path, list(rows[0]), [*rows, rows[0] | {"generator": "REAL00001"}])
    restamp(path.with_name("fidelity.provenance.json"))
    assert "the rows of the baselines differ from their own tables" in reasons(tree)


def test_an_audit_of_fewer_individuals_than_there_are_stops_it(tree):
    path = tree / "results" / PRIVATE / "audit.json"
    values = json.loads(path.read_text())
    for individuals, reason in (
        (29, "audit: compared fewer individuals"),
        ("30", "does not say how many individuals"),
        (None, "does not say"),
    ):
        write_record(path, values | {"facts": {"individuals_per_role": individuals}})
        assert reason in reasons(tree)
    write_tables(tree / "results", worst={"n": 19})
    write_record(path, json.loads(path.read_text()) | {"facts": {"individuals_per_role": 19}})
    assert "privacy: the audit compared fewer than 20 individuals per role" in reasons(tree)


def test_a_release_of_many_more_individuals_than_were_audited_tells_more(tree):
    """The audit sees 30 synthetic individuals; the frequencies of 3,000 hold less noise."""
    record = tree / "results" / PRIVATE / "audit.json"
    facts = {"individuals_per_role": 30, "training_individuals": 30, "effective_sites": 40.0}
    write_tables(tree / "results", worst={"high": 0.58})
    write_record(record, json.loads(record.read_text()) | {"facts": facts})
    assert reasons(tree) == ""
    make_individuals_of(tree, size=3000)
    bound = 0.58 + unavoidable(40, 30, 30, 3000).auc - unavoidable(40, 30, 30, 30).auc
    said = f"all 3,000 synthetic individuals the worst attack's AUC may be as high as {bound:.3f}"
    assert said in reasons(tree)


def planted(tree, change):
    """The VCF rewritten with a change, its index with it, and both in the record."""
    path = tree / "results" / MADE / "20.vcf.gz"
    plain = path.with_suffix("")
    plain.write_text(change(gzip.decompress(path.read_bytes()).decode()))
    pysam.tabix_compress(str(plain), str(path), force=True)
    plain.unlink()
    pysam.tabix_index(str(path), preset="vcf", force=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("##source", "##command=REAL00001\n##source", 1),
        lambda text: text.replace("\ts1\t", "\tREAL00001\t", 1),
        lambda text: text.replace("AC=", "NOTE=REAL00001;AC=", 1),
        lambda text: text.replace("\t0|1", "\t1|1", 1),
    ],
    ids=["header", "ID", "INFO", "genotype"],
)
def test_nothing_that_was_put_into_a_vcf_leaves(tree, change):
    planted(tree, change)
    assert "synthetic 20: 20.vcf.gz is not the file that was written" in reasons(tree)
    nothing_leaves(tree, "20.vcf.gz")


def test_nothing_that_was_put_into_a_psam_leaves(tree):
    path = tree / "results" / MADE / "20.psam"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{head}\tNOTE", *(f"{row}\tREAL00001" for row in rows)]) + "\n")
    assert "synthetic 20: 20.psam is not the file that was written" in reasons(tree)
    nothing_leaves(tree, "20.psam")


def nothing_leaves(tree, name):
    """With records that fit the gate sees nothing, and the bundle has what was audited all the
    same.
    """
    forge(tree / "results")
    assert reasons(tree) == ""
    before = tree / "whole"
    write_bundle(tree, before, sheet=None)
    content = (before / name).read_bytes()
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    assert b"REAL00001" not in content
    assert content != (tree / "results" / MADE / name).read_bytes()


# bytes and cells


def mutants(content: bytes, rng: random.Random, number: int):
    """Content with a byte changed, cut out or put in, cut off, empty, or a cell of a table
    exchanged, emptied or doubled.
    """
    words = (
        b"",
        b"nan",
        b"inf",
        b"-1",
        b"1e999",
        b"\xff",
        b"\x00",
        b"'",
        b'"',
        b"0x1",
        b"pass",
        b"1_0",
        "\u0661".encode(),
        b"[]",
        b"null",
    )
    yield from (
        b"",
        content[: len(content) // 2],
        content + content,
        content.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + content,
    )
    for _ in range(number):
        at, kind = rng.randrange(len(content)), rng.randrange(6)
        if kind < 2:
            yield content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
        elif kind == 2:
            yield content[:at] + content[at + rng.randrange(1, 9) :]
        elif kind == 3:
            yield content[:at] + rng.choice(words) + content[at:]
        else:
            lines = [line.split(b"\t") for line in content.split(b"\n")]
            row = rng.choice(lines)
            cell = rng.randrange(len(row))
            row[cell : cell + 1] = rng.choice(
                ([rng.choice(words)], [], row[cell : cell + 1] * 2, [rng.choice(rng.choice(lines))])
            )
            yield b"\n".join(b"\t".join(line) for line in lines)


TEXTS = [*(name for name in FILES if name.endswith((".tsv", ".psam", ".json"))), *RECORDS]


def test_no_damage_ends_in_anything_but_reasons(tree):
    """Of any text that the gate reads; a changed file of the chain never passes."""
    rng = random.Random(1)
    for name in (*TEXTS, f"{MODELS}/20.safetensors", f"{MADE}/20.pgen"):
        path = tree / "results" / name
        whole, found_at = path.read_bytes(), path.stat()
        for content in mutants(whole, rng, 5):
            path.write_bytes(content)
            found = reasons(tree)
            same = content == whole or (name in RECORDS and json_of(content) == json_of(whole))
            assert found or same, (name, content)
        path.write_bytes(whole)
        os.utime(path, ns=(found_at.st_atime_ns, found_at.st_mtime_ns))
    assert reasons(tree) == ""


def json_of(content: bytes):
    try:
        return json.loads(content)
    except ValueError:
        return None


def test_no_damage_with_records_that_fit_ends_in_anything_but_reasons_or_a_bundle(
    finished, tmp_path, monkeypatch
):
    """Then the readers see the damage, not only the digests."""
    monkeypatch.setattr("genoloom.evidence.bundle.scan", lambda *_: set())  # has mutants of its own
    rng = random.Random(2)
    shutil.copytree(finished / "results", tmp_path / "results")
    results = tmp_path / "results"
    for name in [name for name in TEXTS if name not in RECORDS]:
        path = results / name
        whole = path.read_bytes()
        for content in mutants(whole, rng, 3):
            path.write_bytes(content)
            forge(results)
            with suppress(GateError):
                write_bundle(results.parent, tmp_path / "out", sheet=None)
        path.write_bytes(whole)
        forge(results)
    write_bundle(results.parent, tmp_path / "out", sheet=None)
    assert os.path.exists(tmp_path / "out")
