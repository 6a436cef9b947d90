"""Model files that anybody may have made: whatever is wrong with them is one clear error, at once
and in little memory.
"""

import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from tiny_models import BASES, MODELS, load_model_file, tiny_model, write_model

from genoloom.config import CohortOptions
from genoloom.errors import InputError
from genoloom.formats.models import save_model
from genoloom.formats.splits import write_split
from genoloom.models.haplotype.base import SampleRequest
from genoloom.models.load import load_generator
from genoloom.models.sequence.base import SequenceRequest
from genoloom.panel import Individuals
from genoloom.stages.cohort import make_cohort

ALL = pytest.mark.parametrize("made", MODELS, ids="-".join, indirect=True)


@pytest.fixture
def made(request):
    """(kind, arrays, description) of a small trained model."""
    return request.param[0], *tiny_model(*request.param)


def draw(kind: str, generator) -> np.ndarray:
    seed = np.arange(3, dtype=np.uint64)
    if kind == "haplotypes":
        return np.concatenate(list(generator.sample(SampleRequest(np.array([0, 1, 1]), seed))))
    return generator.sample(SequenceRequest(np.full(3, BASES), np.array([0, 1, 1]), seed))


def refused(kind: str, path: Path, arrays: dict, description: dict) -> InputError:
    """The error of a file that somebody else wrote, with a digest that fits."""
    write_model(path, arrays, description)
    with pytest.raises(InputError) as error:
        load_model_file(kind, path)
    assert str(path) in str(error.value)
    return error.value


@ALL
def test_what_is_written_is_read(made, tmp_path):
    kind, arrays, description = made
    save_model(tmp_path / "m.safetensors", arrays, description)
    generator = load_model_file(kind, tmp_path / "m.safetensors")
    assert set(np.unique(draw(kind, generator))) <= set(range(4))
    again, _ = generator.state()
    assert {name for name in arrays if not name.startswith(("sites.", "shapes."))} == set(again)


@ALL
def test_a_model_of_an_earlier_version_is_trained_again(made, tmp_path):
    """Its options may have other names: it is refused as what it is, before they are read."""
    kind, arrays, description = made
    old = description | {"format_version": 1, "options": {"a_former_name": 1}}
    text = str(refused(kind, tmp_path / "m.safetensors", arrays, old))
    assert "has format version 1" in text
    assert "train it again" in text


def spoilt(name: str, values: np.ndarray):
    """(what was done, other values) of an array."""
    yield "retyped", values.astype("float16" if values.dtype.kind != "f" else "int64")
    yield "an axis more", values[None]
    yield (
        "longer",
        np.concatenate([values, values], axis=-1) if values.ndim else np.stack([values, values]),
    )
    yield "empty", values.ravel()[:0]
    if values.dtype.kind == "f":
        for number in (np.nan, np.inf, 1e30, -1e30):
            other = values.copy()
            other.reshape(-1)[-1:] = number
            yield str(number), other
        yield "none a number", np.full_like(values, np.nan)
    # where any number is one
    elif values.size and not name.startswith(("ones", "called", "counts.", "positions.")):
        for number in (np.iinfo(values.dtype).max, np.iinfo(values.dtype).min):
            other = values.copy()
            other.reshape(-1)[-1:] = number
            yield str(number), other


# where these numbers are good ones: no map, letters beyond ASCII, hardly a chance
GOOD = {
    ("sites.cm", "none a number"),
    ("sites.id", "255"),
    *((f"chain.log_{of}", "-1e+30") for of in ("chance", "marginal")),
}


@ALL
def test_an_array_that_is_not_as_declared_is_refused(made, tmp_path):
    kind, arrays, description = made
    path = tmp_path / "m.safetensors"
    weights = [
        name
        for name in arrays
        if name.startswith(("network.", "critic.", "reader.0.", "reader.1."))
    ]
    for name in sorted(set(arrays) - set(weights)) + weights[::6]:
        values = arrays[name]
        assert name in str(
            refused(kind, path, {k: v for k, v in arrays.items() if k != name}, description)
        )
        for done, other in spoilt(name, values):
            if (name, done) in GOOD or (values.size == 0 and done in ("longer", "empty")):
                continue
            if values.ndim == 0 and done == "an axis more":  # so it is written
                continue
            assert refused(kind, path, {**arrays, name: other}, description), f"{name}, {done}"
    assert "stranger" in str(refused(kind, path, {**arrays, "stranger": np.zeros(1)}, description))


def places(description: dict, above=()):
    for key, value in description.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


def changed(description: dict, place: tuple, value=None, drop: bool = False) -> dict:
    other = json.loads(json.dumps(description))
    inside = other
    for key in place[:-1]:
        inside = inside[key]
    if drop:
        del inside[place[-1]]
    else:
        inside[place[-1]] = value
    return other


STRANGE = (
    None,
    True,
    "x",
    -1,
    0,
    0.5,
    10**6,
    10**30,
    1e308,
    [],
    [1],
    {},
    {"a": 1},
    [["a"]],
    ["a", "a"],
    [f"P{i}" for i in range(2000)],
)


@ALL
def test_a_description_that_is_not_as_declared_is_refused(made, tmp_path):
    """Every field is dropped and given every kind of value; whatever is accepted makes a generator
    that works.
    """
    kind, arrays, description = made
    path, accepted = tmp_path / "m.safetensors", 0
    for place in places(description):
        if place[0] in ("versions", "private"):
            continue
        for value in STRANGE[:: 1 if len(place) == 1 else 3]:
            write_model(path, arrays, changed(description, place, value))
            try:
                generator = load_model_file(kind, path)
            except InputError:
                continue
            accepted += 1
            if len(place) == 1 or accepted % 4 == 0:
                draw(kind, generator)
        write_model(path, arrays, changed(description, place, drop=True))
        try:
            load_model_file(kind, path)
        except InputError:
            assert place[-1] not in ("seed",)
    for place in (
        ("population_names", "n_variants", "contig") if kind == "haplotypes" else ("label_names",)
    ):
        assert place in str(refused(kind, path, arrays, changed(description, (place,), {"a": 1})))
        assert place in str(refused(kind, path, arrays, changed(description, (place,), drop=True)))
    assert 0 < accepted < 8 * len(list(places(description)))


@ALL
def test_changed_bytes_are_found(made, tmp_path):
    kind, arrays, description = made
    path, other = tmp_path / "m.safetensors", tmp_path / "other.safetensors"
    save_model(path, arrays, description)
    content, rng = path.read_bytes(), np.random.default_rng(7)
    expected = draw(kind, load_model_file(kind, path))
    header = 8 + struct.unpack("<Q", content[:8])[0]
    found = 0
    for trial in range(60):
        mutant = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(0, header if trial % 2 else len(content)))
            mutant[at] = int(rng.integers(0, 256))
        if trial % 7 == 0:
            mutant = mutant[: int(rng.integers(0, len(content)))]
        other.write_bytes(mutant)
        try:
            generator = load_model_file(kind, other)
        except InputError:
            found += 1
        else:
            np.testing.assert_array_equal(draw(kind, generator), expected)
    assert found > 40


def with_header(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cut off"),
        (b"\0" * 7, "cut off"),
        (b"<html></html>", "cut off"),
        (with_header(b"{}", length=2**62), "cut off"),
        (with_header(b" " * (2**24 + 1)), "a header of"),
        (
            with_header(
                b'{"a":{"dtype":"F64","shape":[1000000000000],"data_offsets":[0,8000000000000]}}'
            ),
            "is no GenoLoom model",
        ),
        (
            with_header(b'{"a":{"dtype":"F64","shape":[-1],"data_offsets":[0,8]}}', b"\0" * 8),
            "is no GenoLoom model",
        ),
        (
            with_header(b'{"a":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}}', b"\0" * 16),
            "is no GenoLoom model",
        ),
        (with_header(b"{}"), "no description"),
        (
            with_header(b'{"__metadata__":{"description":"[' + b"[" * 100_000 + b'"}}'),
            "is no GenoLoom model",
        ),
        (with_header(b'{"__metadata__":{"description":"{\\"seed\\": NaN}"}}'), "the number NaN"),
        (
            with_header(b'{"__metadata__":{"description":"{\\"seed\\": 1e999}"}}'),
            "the number 1e999",
        ),
        (
            with_header(
                b'{"__metadata__":{"description":"{\\"seed\\": 1' + b"0" * 10_000 + b'}"}}'
            ),
            "the number 10000",
        ),
        (with_header(b'{"__metadata__":{"description":"3"}}'), "the description"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files_of_another_kind(tmp_path, content, words):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(words)):
        load_generator(path)


def test_missing_files_and_directories(tmp_path):
    for path, words in ((tmp_path / "none.safetensors", "not found"), (tmp_path, "cannot be read")):
        with pytest.raises(InputError, match=words):
            load_generator(path)


@pytest.mark.parametrize("made", [("haplotypes", "transformer")], indirect=True)
def test_a_million_populations_and_layers(made, tmp_path):
    kind, arrays, description = made
    path = tmp_path / "m.safetensors"
    names = [f"P{i}" for i in range(10**6)]
    assert "population_names" in str(
        refused(kind, path, arrays, changed(description, ("population_names",), names))
    )
    for option in ("layers", "width", "context"):
        assert option in str(
            refused(kind, path, arrays, changed(description, ("options", option), 10**6))
        )


def test_a_cohort_of_a_damaged_description_is_refused(tmp_path):
    """The sheet of individuals needs the description alone."""
    arrays, description = tiny_model("haplotypes", "independent")
    path, out = tmp_path / "m.safetensors", tmp_path / "cohort.tsv"
    write_split(tmp_path / "split.tsv", Individuals(["a"], ["AAA"], ["unknown"]), ["train"])
    for names in (None, 3, ["AAA", "AAA"], [["AAA"]]):
        write_model(path, arrays, changed(description, ("population_names",), names))
        with pytest.raises(InputError, match="population_names"):
            make_cohort(
                model=path, split=tmp_path / "split.tsv", out=out, options=CohortOptions(), seed=1
            )
        assert not out.exists()


def test_text_among_the_sites_is_checked(tmp_path):
    arrays, description = tiny_model("haplotypes", "independent")
    for name, text in (("ref", b"\xff"), ("alt", b"1"), ("id", b"\xff")):
        values = arrays[f"sites.{name}"].copy()
        values[:1] = np.frombuffer(text, dtype=np.uint8)
        refused(
            "haplotypes",
            tmp_path / "m.safetensors",
            {**arrays, f"sites.{name}": values},
            description,
        )
