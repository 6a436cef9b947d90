"""Model files: arrays as safetensors, and a JSON next to them that says what the model is. Nothing
unpickles.
"""

import hashlib
import json
import platform
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationError
from safetensors.numpy import save_file

from genoloom import __version__
from genoloom.declared import DeclarationError, Declared, Description, Name, Variants
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.tensors import TensorFile, digest_tensors
from genoloom.panel import Sites
from genoloom.ploidy import Ploidy

FORMAT_VERSION = 2  # 1: options had other names, see `genoloom.renamed_keys`
ALLELE = re.compile(r"[A-Za-z*]+|<[^<>\s]+>")
MOST_AT_ONE_PLACE = 500  # sites of one position; all of them exclude each other
NOT_THE_GENERATORS = ("sites.", "shapes.")  # prefixes of arrays that stages add
PRIVATE = (
    "This model was trained on real individuals without differential privacy. Treat it as private "
    "data."
)


class ModelDescription(Description):
    """What every model file says, whatever the generator."""

    format_version: int
    kind: Name
    generator: Name
    digest: str | None = None
    config_digest: str | None = None
    data_digest: str | None = None
    sites_digest: str | None = None
    adapted_from: str | None = None
    seed: int = 0


class SitesDescription(Description):
    """What is said of the sites next to their arrays."""

    contig: str = Field(pattern=r"^[!-~]+$", max_length=1000)
    contig_length: int | None = Field(ge=1, le=2**40)
    ploidy: Literal["diploid", "haploid", "x-linked", "y-linked"] = "diploid"
    n_variants: Variants


class Model(NamedTuple):
    """A model file that has been read and checked."""

    generator: Any
    arrays: dict[str, np.ndarray]
    description: dict


def describe(kind: str, generator: str, description: dict, **more) -> dict:
    """The description of a model: what every model file says, then the generator's own words.

    Parameters
    ----------
    kind : str
        "haplotypes" or "sequences".
    description : dict
        From the generator's `state`.
    more
        Seed, digests, counts; JSON-ready. No names of individuals, no paths.
    """
    return {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "generator": generator,
        "private": PRIVATE,
        **more,
        **description,
        "versions": {
            "genoloom": __version__,
            "python": platform.python_version(),
            "numpy": version("numpy"),
            "torch": version("torch"),
        },
    }


def privacy_of(description: dict) -> dict:
    """What a model says of its privacy mode; `{"mode": "none"}` where it says nothing."""
    privacy = description.get("privacy")
    return privacy if isinstance(privacy, dict) and "mode" in privacy else {"mode": "none"}


def is_public(description: dict) -> bool:
    """Whether a model's templates and weights are of public individuals alone: mode `public`, or
    `statistics`.
    """
    return privacy_of(description)["mode"] in ("public", "statistics")


def is_guarded(description: dict) -> bool:
    """Whether nothing of the cohort is in such a model, or as much as its epsilon says."""
    privacy = privacy_of(description)
    noised = privacy["mode"] == "statistics" and privacy.get("epsilon") is not None
    return privacy["mode"] == "public" or noised


def save_model(path: str | Path, arrays: dict[str, np.ndarray], description: dict) -> None:
    """Write `path` (.safetensors) and the same name with .json; both appear together."""
    description = {**description, "digest": digest_tensors(description, arrays)}
    text = json.dumps(description, indent=2, sort_keys=True)
    with write_beside(path, Path(path).with_suffix(".json")) as [tensors, words]:
        contiguous = {name: np.ascontiguousarray(values) for name, values in sorted(arrays.items())}
        # one entry: safetensors writes several in no fixed order
        save_file(contiguous, tensors, metadata={"description": text})
        words.write_text(text + "\n")


def read_description(
    path: str | Path, kind: str, more: type[Description] = ModelDescription
) -> dict:
    """The description inside a model file; its arrays are not read.

    Parameters
    ----------
    more : type of Description
        What it must say next to what every model file says.

    Raises
    ------
    InputError
        Not a model of GenoLoom, of another format version, of another kind than asked for, or its
        description is damaged.
    """
    with _open(path) as file:
        description = _read_description(file, kind)
    _typed(path, more, description)
    return description


def load_model(
    path: str | Path,
    kind: str,
    generator_class: Callable[[str], type],
    more: type[Description],
    declare_more: Callable[[Declared, Any], None],
) -> Model:
    """Read a model file, which anybody may have made: everything is checked before it is believed.

    First the types and bounds of the description, then the names, dtypes and shapes of all arrays
    as the generator declares them (`genoloom.declared`), and only then the arrays are read: whether
    they are what was written, and whether their values are finite and in range.

    Parameters
    ----------
    kind : str
        "haplotypes" or "sequences".
    generator_class : callable
        From a generator's name to its class.
    more : type of Description, declare_more : callable
        What the description must say next to the generator's own words, and declares the arrays
        that are not its own, given that.

    Raises
    ------
    InputError
        Something is missing, damaged, too large or not what it should be.
    """
    with _open(path) as file:
        description = _read_description(file, kind)
        try:
            model_class = generator_class(description["generator"])
        except InputError as error:
            raise InputError(
                path, f"is a model of '{description['generator']}'", expected=error.expected
            ) from None
        words, more_words = (
            _typed(path, model, description) for model in (model_class.description_class, more)
        )

        def declare(declared: Declared) -> None:
            try:
                model_class.declare(declared, words)
                declare_more(declared, more_words)
                declared.nothing_else()
            except DeclarationError as error:
                raise damaged(path, str(error)) from None

        declare(Declared(file.headers))
        arrays = {name: file.read(name) for name in file.headers}
    if description.get("digest") not in (None, digest_tensors(description, arrays)):
        raise damaged(path, "its content is not what was written")
    declare(Declared(arrays))
    own = {
        name: values for name, values in arrays.items() if not name.startswith(NOT_THE_GENERATORS)
    }
    return Model(model_class.from_state(own, description), arrays, description)


def damaged(path: str | Path, why: str) -> InputError:
    """The error of a model file that cannot be what was written."""
    return InputError(
        path, f"is damaged, or no GenoLoom model: {why}", remedy="copy it again, or train it again"
    )


def _open(path: str | Path) -> TensorFile:
    return TensorFile(
        path,
        "GenoLoom model",
        remedy="train it with `genoloom train` or `genoloom sequences train`, or copy it again",
    )


def _read_description(file: TensorFile, kind: str) -> dict:
    path, description = file.path, file.words("description")
    words = _typed(path, ModelDescription, description)
    if words.format_version != FORMAT_VERSION:
        raise InputError(
            path,
            f"has format version {words.format_version}",
            expected=str(FORMAT_VERSION),
            remedy="train it again",
        )
    if words.kind != kind:
        raise InputError(path, f"is a model of {words.kind}", expected=f"a model of {kind}")
    return description


def _typed(path: str | Path, model: type[Description], description: object) -> Description:
    """The description as a typed object; names the first field that is not what it should be."""
    try:
        return model.model_validate(description)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, problem["loc"]))[:200] or "the description"
        raise damaged(path, f"'{place}': {problem['msg']}") from None


def pack_sites(sites: Sites) -> dict[str, np.ndarray]:
    """The sites as arrays for a model file; texts as UTF-8 bytes with offsets."""
    arrays = {"sites.position": sites.position, "sites.cm": sites.cm}
    for name in ("ref", "alt", "id"):
        encoded = [text.encode() for text in getattr(sites, name)]
        arrays[f"sites.{name}"] = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        arrays[f"sites.{name}.end"] = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return arrays


def ploidy_words(sites: Sites) -> dict[str, str]:
    """What a description says of the ploidy; nothing where everybody is diploid."""
    return {} if sites.ploidy is Ploidy.DIPLOID else {"ploidy": str(sites.ploidy)}


def declare_sites(arrays: Declared, words: SitesDescription) -> None:
    """Declare the arrays of `pack_sites`."""
    n = words.n_variants
    arrays.expect(
        "sites.position", "int64", n, low=1, high=words.contig_length or 2**40, least_step=0
    )
    arrays.expect("sites.cm", "float64", n, or_nan=True, low=-1e9, high=1e9, least_step=0)
    if "sites.frequency" in arrays:  # model files of before have none
        arrays.expect("sites.frequency", "float32", n, low=0, high=1)
    position = arrays["sites.position"]
    if (
        isinstance(position, np.ndarray)
        and (position[MOST_AT_ONE_PLACE:] == position[:-MOST_AT_ONE_PLACE]).any()
    ):
        raise DeclarationError(f"more than {MOST_AT_ONE_PLACE} sites at one position")
    for name in ("ref", "alt", "id"):
        # no white space
        (size,) = arrays.expect(f"sites.{name}", "uint8", ... if name == "id" else None, low=33)
        least = int(name != "id")
        arrays.expect(f"sites.{name}.end", "int64", n, low=least, high=size, least_step=least)
        ends = arrays[f"sites.{name}.end"]
        if isinstance(ends, np.ndarray) and ends[-1] != size:
            raise DeclarationError(f"the array 'sites.{name}' is longer than its texts")


def unpack_sites(path: str | Path, arrays: dict[str, np.ndarray], description: dict) -> Sites:
    """The sites that `pack_sites` packed, in the model file `path`."""
    columns = []
    for name in ("ref", "alt", "id"):
        text, ends = arrays[f"sites.{name}"].tobytes(), arrays[f"sites.{name}.end"].tolist()
        starts = [0, *ends[:-1]]
        try:
            column = [text[a:b].decode() for a, b in zip(starts, ends, strict=True)]
        except UnicodeDecodeError:
            raise damaged(path, f"the array 'sites.{name}' is no text") from None
        if name != "id" and not all(map(ALLELE.fullmatch, column)):
            raise damaged(path, f"the array 'sites.{name}' holds what is no allele")
        columns.append(np.array(column, dtype=object))
    return Sites(
        description["contig"],
        arrays["sites.position"],
        *columns,
        arrays["sites.cm"],
        description["contig_length"],
        Ploidy(description.get("ploidy", Ploidy.DIPLOID)),
    )


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
