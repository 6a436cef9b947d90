"""Records of what files were made from."""

import hashlib
import json
import os

import pytest

from genoloom.config import CohortOptions
from genoloom.errors import InputError
from genoloom.formats.provenance import Making, read_provenance, record_path, sealed


@pytest.fixture
def files(tmp_path):
    for name in "abc":
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_record_has_the_digests_of_all_that_was_read_and_written(files):
    made = Making(
        "cohort",
        {
            "model": files / "a",
            "split": files / "b",
            "map": None,
            "pipe": "/dev/null",
            "x": files / "none",
        },
    )
    made.write(
        record_path(files / "c"),
        [files / "c"],
        CohortOptions(size=7),
        seed=3,
        facts={"individuals": 7},
    )
    found = read_provenance(files / "c.provenance.json")
    assert found.inputs == {
        "model": hashlib.sha256(b"a").hexdigest(),
        "split": hashlib.sha256(b"b").hexdigest(),
    }
    assert found.outputs == {"c": hashlib.sha256(b"c").hexdigest()}
    assert (found.stage, found.seed, found.options["size"], found.facts) == (
        "cohort",
        3,
        7,
        {"individuals": 7},
    )
    assert str(files) not in (files / "c.provenance.json").read_text()


def test_an_input_that_changes_meanwhile_is_no_evidence(files):
    made = Making("cohort", {"model": files / "a"})
    os.utime(files / "a", (1, 1))
    made.write(files / "record", [])  # touched, and the same
    (files / "a").write_text("z")
    with pytest.raises(InputError, match="changed while it was read"):
        made.write(files / "other", [])
    (files / "a").unlink()
    with pytest.raises(InputError, match="changed while it was read"):
        made.write(files / "other", [])
    assert not (files / "other").exists()


GOOD = {
    "format": 1,
    "stage": "x",
    "version": "1",
    "seed": 1,
    "options": {},
    "facts": {},
    "inputs": {},
    "outputs": {},
}


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", "{", "\x00", "[" * 100000, '{"inputs": {}, "inputs": {}}',
        '{"inputs": {}}',
        *(
            json.dumps(sealed(GOOD | change))
            for change in (
                {"format": 2}, {"format": "1"}, {"seed": -1}, {"seed": "1"}, {"seed": 1.5},
                {"stage": 1}, {"version": "/home/me"},
                {"inputs": {"a": "0" * 63}}, {"inputs": ["0" * 64]}, {"outputs": {"a": None}},
                {"options": {"a": []}},
                {"facts": {"a": float("nan")}}, {"more": 1},
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "r"
    path.write_text(text)
    with pytest.raises(InputError, match="is no record of provenance"):
        read_provenance(path)


def test_records_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "r").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "r", tmp_path, tmp_path / "none"):
        with pytest.raises(InputError):
            read_provenance(path)
    (tmp_path / "r").write_text(json.dumps(GOOD))
    with pytest.raises(InputError):  # not sealed
        read_provenance(tmp_path / "r")
    (tmp_path / "r").write_text(json.dumps(sealed(GOOD) | {"seed": 2}))
    with pytest.raises(InputError):  # edited
        read_provenance(tmp_path / "r")
    (tmp_path / "r").write_text(json.dumps(sealed(GOOD)))
    assert read_provenance(tmp_path / "r").stage == "x"
