"""The record of a registered public panel: `panel.json` next to its PGEN trios, one a contig."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.provenance import Digest

RECORD = "panel.json"
MATCH = ".match.json"  # next to templates: the account of a public panel and a cohort
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class Part(BaseModel):
    """A part of the record."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PublicContig(Part):
    """One contig: how many sites, its length in base pairs where known, and SHA-256 by file."""

    sites: Annotated[int, Field(ge=1)]
    length: Annotated[int, Field(ge=1)] | None
    files: dict[str, Digest]


class PublicPanel(Part):
    """What is registered. The individuals are public, so that all counts are given.

    Attributes
    ----------
    name, source, terms : str
        As the user typed them.
    populations : dict of str to int
        Individuals by population.
    raw : dict of str to Digest
        SHA-256 of the files that the panel was made from, by role.
    """

    format: Literal[1] = 1
    name: Text
    source: Text
    terms: Text
    populations: dict[str, int]
    contigs: dict[str, PublicContig]
    raw: dict[str, Digest]

    @property
    def individuals(self) -> int:
        return sum(self.populations.values())


def write_public_panel(path: Path, panel: PublicPanel) -> None:
    """Write the record."""
    with write_beside(path) as [part]:
        part.write_text(json.dumps(panel.model_dump(), indent=2) + "\n")


def read_public_panel(folder: Path) -> PublicPanel:
    """The record in the directory of a panel.

    Raises
    ------
    InputError
        There is none, or it is not what `write_public_panel` writes.
    """
    path = folder / RECORD
    try:
        return PublicPanel.model_validate(json.loads(path.read_text()))
    except FileNotFoundError:
        raise InputError(
            path,
            "not found",
            expected="a registered public panel",
            remedy="register it with `genoloom panel add`, or see `genoloom panel list`",
        ) from None
    except (OSError, ValueError, RecursionError) as error:  # a ValidationError is a ValueError
        raise InputError(
            path,
            f"is no record of a public panel ({type(error).__name__})",
            remedy="remove the folder and register the panel again with `genoloom panel add`",
        ) from None
