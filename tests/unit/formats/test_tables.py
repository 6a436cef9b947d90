"""Tables come back as they were written; what is no table is told with its line, without what it
holds.
"""

import csv
import io
import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest

from genoloom.errors import InputError
from genoloom.formats import cohort_sheets as sheet
from genoloom.formats.cohort_sheets import read_cohort
from genoloom.formats.histories import read_history
from genoloom.formats.splits import COLUMNS, read_roles, write_split
from genoloom.formats.tables import (
    read_exact_records,
    read_records,
    read_table,
    records_text,
    write_records,
    write_table,
)
from genoloom.panel import Individuals
from genoloom.privacy.rows import AttackRow, ExposureRow, PrivateAttackRow
from genoloom.records import columns
from genoloom.task_rows import EffectRow, StarRow, TaskRow
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.rows import MetricRow
from genoloom.validation.verdicts import Role, Verdict

WEAK = Verdict.WEAK

INDIVIDUALS = Individuals(
    ["ALICE_SMITH", "b c", 'd"\te'], ["GBR", "GBR", "FIN"], ["female", "male", "unknown"]
)
COHORT = (
    "\t".join(sheet.COLUMNS)
    + "\nALICE_SMITH\tadmixed\tfemale\t7\tGBR:0.6,FIN:0.6\t8\t0.25\t6\t\t\t\n"
)


@pytest.mark.parametrize("name", ["t.tsv", "t.tsv.gz"])
def test_round_trip(tmp_path, name):
    rows = [{"a": 'x"\t\n', "b": 1.5}, {"a": "", "b": None}, {"a": "ü", "b": float("nan")}]
    write_table(tmp_path / name, ["a", "b"], rows)
    assert read_table(tmp_path / name) == [
        {"a": 'x"\t\n', "b": "1.5"},
        {"a": "", "b": ""},
        {"a": "ü", "b": ""},
    ]
    before = (tmp_path / name).read_bytes()
    write_table(tmp_path / f"other-{name}", ["a", "b"], rows)
    assert (tmp_path / f"other-{name}").read_bytes() == before


def test_agrees_with_the_csv_module(tmp_path):
    rng = np.random.default_rng(1)
    cells = ["".join(rng.choice(list('ab"\t\n '), 5)) for _ in range(300)]
    write_table(
        tmp_path / "t.tsv",
        ["a", "b"],
        [{"a": a, "b": b} for a, b in zip(cells[::2], cells[1::2], strict=True)],
    )
    text = (tmp_path / "t.tsv").read_text()
    assert read_table(tmp_path / "t.tsv") == list(
        csv.DictReader(io.StringIO(text, newline=""), delimiter="\t")
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "is empty"),
        ("a\tc\n", "has no column 'b'"),
        ("a\tb\ta\n", "columns 1 and 3 have the same name"),
        ("a\tb\n1\t2\nALICE_SMITH\n", "line 3: 1 cells"),
        ("a\tb\n1\tALICE_SMITH\t3\n", "line 2: 3 cells"),
        ('a\tb\n1\t"ALICE_SMITH', "line 2"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, text, found):
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(InputError, match=found) as error:
        read_table(tmp_path / "t.tsv", ("a", "b"))
    assert "ALICE" not in error.value.found


def test_numbers_of_a_row(tmp_path):
    write_table(tmp_path / "t.tsv", ["a"], [{"a": cell} for cell in ("7", "1e400", "ALICE_SMITH")])
    seven, large, word = read_table(tmp_path / "t.tsv")
    assert seven.number("a") == seven.integer("a", 0, 7) == 7
    for row in (large, word):
        for read in (
            row.number,
            lambda name, row=row: row.integer(name, 0, 9),
            lambda name, row=row: row.one_of(name, ("7",)),
        ):
            with pytest.raises(InputError, match=f"line {row.line}: the column 'a'") as error:
                read("a")
            assert "ALICE" not in error.value.found
    with pytest.raises(InputError, match="not from 0 to 1"):
        seven.number("a", 0, 1)


def test_split(tmp_path):
    roles = ["train", "train", "holdout"]
    write_split(tmp_path / "s.tsv", INDIVIDUALS, roles)
    assert read_roles(tmp_path / "s.tsv", INDIVIDUALS) == roles
    with pytest.raises(InputError, match="names other individuals"):
        read_roles(tmp_path / "s.tsv", INDIVIDUALS.take([0, 1]))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("ALICE_SMITH\t\tGBR\t\t\ttrain", "line 3: the individual of line 2 again"),
        ("\t\tGBR\t\t\ttrain", "line 3: individual or population is empty"),
        ("x\t\tGBR\t\t\ttrained", "line 3: the column 'role'"),
        ("x\tGBR\ttrain", "line 3: 3 cells"),
    ],
)
def test_damaged_split(tmp_path, row, found):
    write_split(tmp_path / "s.tsv", INDIVIDUALS.take([0]), ["train"])
    (tmp_path / "s.tsv").write_text((tmp_path / "s.tsv").read_text() + row + "\n")
    with pytest.raises(InputError, match=found) as error:
        read_roles(tmp_path / "s.tsv", INDIVIDUALS)
    assert "ALICE" not in error.value.found
    (tmp_path / "s.tsv").write_text("\t".join(COLUMNS) + "\n")
    with pytest.raises(InputError, match="names nobody"):
        read_roles(tmp_path / "s.tsv", INDIVIDUALS)


def test_cohort(tmp_path):
    (tmp_path / "c.tsv").write_text(COHORT)
    found = read_cohort(tmp_path / "c.tsv")
    assert found.ancestry == [{"GBR": 0.5, "FIN": 0.5}]
    assert (found.seed, found.generations, found.inbreeding, found.meioses) == (
        [7],
        [8.0],
        [0.25],
        [6.0],
    )


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("\t7\t", "\t-1\t", "'seed' is not from 0"),
        ("\t7\t", "\t1e400\t", "'seed' is no whole number"),
        ("\t8\t", "\tinf\t", "'generations' is no finite number"),
        ("\t0.25\t", "\t1.25\t", "'inbreeding' is not from 0 to 1"),
        ("FIN:0.6", "GBR:0.6", "'ancestry' is no list of shares"),
        ("FIN:0.6", "FIN", "'ancestry' is no list of shares"),
        ("GBR:0.6,FIN:0.6", "GBR:0", "'ancestry' is no list of shares"),
        ("FIN:0.6", "FIN:nan", "'ancestry' is no list of shares"),
        ("\tfemale", "\tF", "'sex' holds another word"),
        ("\t6\t", "\t", "10 cells"),
        ("ALICE_SMITH\t", "\t", "an individual without a name"),
        ("ancestry", "x", "has no column 'ancestry'"),
    ],
)
def test_damaged_cohort(tmp_path, old, new, found):
    (tmp_path / "c.tsv").write_text(COHORT.replace(old, new))
    with pytest.raises(InputError, match=found) as error:
        read_cohort(tmp_path / "c.tsv")
    assert not re.search("ALICE|SMITH", error.value.found)


def test_history(tmp_path):
    (tmp_path / "h.tsv").write_text("step\tbits\n1\t0.5\n2\t\n")
    assert read_history(tmp_path / "h.tsv") == [{"step": 1.0, "bits": 0.5}, {"step": 2.0}]
    (tmp_path / "h.tsv").write_text("step\tbits\n1\tx\n")
    with pytest.raises(InputError, match="line 2: the column 'bits' is no number"):
        read_history(tmp_path / "h.tsv")


def filled(record, last):
    """A record with the first or last member of enums, and numbers of few digits."""
    of_type = {str: "a b", bool: last, int: 7 + last, float: -0.25 + last}
    return record(
        **{
            f.name: of_type[f.type] if f.type in of_type else [*f.type][-last]
            for f in fields(record)
        }
    )


@pytest.mark.parametrize(
    "record", [MetricRow, AttackRow, PrivateAttackRow, ExposureRow, TaskRow, EffectRow, StarRow]
)
def test_every_table_comes_back_with_its_types(tmp_path, record):
    rows = [filled(record, False), filled(record, True)]
    nothing = {f.name: math.nan for f in fields(record) if f.type is float}
    rows.append(replace(rows[0], **nothing))
    write_records(tmp_path / "t.tsv", record, rows)
    text = (tmp_path / "t.tsv").read_text()
    assert text == records_text(record, rows)
    assert text.splitlines()[0].split("\t") == columns(record)
    for read in (read_records, read_exact_records):
        found = read(tmp_path / "t.tsv", record)
        assert list(map(repr, found)) == list(map(repr, rows))
        assert all(type(getattr(row, f.name)) is f.type for row in found for f in fields(record))


def test_records_come_back_as_they_were_written(tmp_path):
    none = [math.nan, math.inf, -math.inf]
    rows = [
        MetricRow("a", Role.GENERATOR, MetricId.PI_ERROR, "all", "1-5%", 0.25, 1.5, *none, 7, WEAK),
        MetricRow("real", Role.BASELINE, MetricId.OVERALL, "all", "all", 1, 0, 0, 0, 0, 7, WEAK),
    ]
    write_records(tmp_path / "t.tsv", MetricRow, rows)
    assert list(map(repr, read_records(tmp_path / "t.tsv", MetricRow))) == [
        repr(rows[0]),
        repr(replace(rows[1], value=1.0, reference=0.0, null_sd=0.0, nfr=0.0, z=0.0)),
    ]


@pytest.mark.parametrize(
    ("cell", "other", "found"),
    [
        ("weak", "wek", "'verdict' is a word of another version"),
        ("pi_error", "pie_error", "'metric' is a word of another version"),
        ("0.25", "a quarter", "'value' is no number"),
        ("\t7\t", "\t-7\t", "'n' "),
    ],
)
def test_records_of_other_cells_are_refused(tmp_path, cell, other, found):
    row = MetricRow("a", Role.GENERATOR, MetricId.PI_ERROR, "all", "x", 0.25, 1, 1, 1, 1, 7, WEAK)
    write_records(tmp_path / "t.tsv", MetricRow, [row])
    text = (tmp_path / "t.tsv").read_text()
    (tmp_path / "t.tsv").write_text(text.replace(cell, other))
    with pytest.raises(InputError, match=f"line 2.*{found}"):
        read_records(tmp_path / "t.tsv", MetricRow)
