"""What files were made from: a JSON record next to them with the digests of everything read and
everything written.

A stage opens a `Making` before it reads, and writes the record when its outputs are under their
final names. A run that is killed between leaves a record that does not fit, which the release gate
takes for what it is: no evidence.

    record = Making("generate", {"model": model, "cohort": cohort})
    ...
    record.write(record_path(prefix), [pgen, pvar, psam], seed=seed)

Digests are no signatures: they show that files belong together, not who wrote them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from genoloom import __version__
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.models import file_digest

SUFFIX = ".provenance.json"
OWN = "digest"  # of the record itself
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Value = str | int | float | bool | None


class Provenance(BaseModel):
    """A record as it is on disk. Paths are no part of it.

    Attributes
    ----------
    stage : str
        The command that wrote the outputs.
    seed : int or None
    options : dict
        Options of the command that a reader has to know.
    facts : dict
        What the stage counted and a reader has to know.
    inputs : dict of str to str
        SHA-256 by role (`split`, `panel/20.pgen`).
    outputs : dict of str to str
        SHA-256 by file name.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    format: Literal[1] = 1
    stage: str
    version: Annotated[str, Field(pattern="^[0-9A-Za-z.+-]{1,40}$")] = __version__
    seed: Annotated[int, Field(ge=0)] | None = None
    options: dict[str, Value] = {}
    facts: dict[str, Value] = {}
    inputs: dict[str, Digest]
    outputs: dict[str, Digest]


def record_path(prefix: str | Path) -> Path:
    """Where the record of the files at `prefix` is."""
    return Path(f"{prefix}{SUFFIX}")


def numbered(role: str, paths: Iterable[Path]) -> dict[str, Path]:
    """Several files of one role, as records name them: `baseline/1`, `baseline/2`."""
    return {f"{role}/{i}": path for i, path in enumerate(paths, 1)}


class Making:
    """The inputs of a stage, as they are when it begins.

    Parameters
    ----------
    stage : str
    inputs : mapping of str to Path
        Files by role; None for one that is not given. What is no file (a pipe) has no digest, and
        what is missing is left to the stage to complain about.

    Attributes
    ----------
    digests : dict of str to str
        SHA-256 of the files by role.
    """

    def __init__(self, stage: str, inputs: Mapping[str, Path | None]):
        self.stage = stage
        self._files = {
            role: Path(path)
            for role, path in inputs.items()
            if path is not None and Path(path).is_file()
        }
        self.digests = {role: file_digest(path) for role, path in self._files.items()}
        self._seen = {role: _signature(path) for role, path in self._files.items()}

    def write(
        self, path: Path, outputs: Iterable[Path], options: BaseModel | None = None, **more
    ) -> None:
        """Write the record.

        Parameters
        ----------
        outputs : iterable of Path
            Files of different names, complete.
        options : Section, optional
            Without those that name files.
        more
            `seed` and `facts` of the record.

        Raises
        ------
        InputError
            An input is not what it was when the stage began.
        """
        for role, file in self._files.items():
            # a touched file costs a second digest; only another content is an error
            if _signature(file) != self._seen[role] and (
                not file.is_file() or file_digest(file) != self.digests[role]
            ):
                raise InputError(
                    file, "was changed while it was read", remedy="run the command again"
                )
        record = Provenance(
            stage=self.stage,
            inputs=self.digests,
            outputs={file.name: file_digest(file) for file in outputs},
            options=options.model_dump() if options else {},
            **more,
        )
        with write_beside(path) as [part]:
            part.write_text(json.dumps(sealed(record.model_dump()), indent=2) + "\n")


def sealed(values: dict) -> dict:
    """A record with its own digest: one that was damaged or edited is distinguished from one that
    was written.
    """
    content = {key: value for key, value in values.items() if key != OWN}
    return content | {OWN: hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}


def _signature(path: Path) -> tuple[int, ...] | None:
    """What differs when a file was written again; None where it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def read_provenance(path: Path) -> Provenance:
    """The record at `path`.

    Raises
    ------
    InputError
        It is missing, or is not what `Making.write` writes.
    """
    try:
        values = json.loads(
            path.read_bytes().decode(), object_pairs_hook=_unique, parse_constant=_no_number
        )
        if values != sealed(values):
            raise ValueError("its own digest differs")
        return Provenance.model_validate(
            {key: value for key, value in values.items() if key != OWN}
        )
    except FileNotFoundError:
        raise InputError(
            path, "not found", remedy="make the files again: the command writes it next to them"
        ) from None
    # a ValidationError is a ValueError
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(path, f"is no record of provenance ({type(error).__name__})") from None


def _unique(pairs: list[tuple[str, object]]) -> dict:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is listed twice")
    return dict(pairs)


def _no_number(text: str):
    raise ValueError(f"{text} is no number")
