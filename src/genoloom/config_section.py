"""What every section of the configuration has in common."""

from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic.fields import FieldInfo

from genoloom.errors import InputError

Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A section of the configuration: unknown keys are errors, values are checked when set."""

    # a command builds the sections that it uses only, which takes time
    model_config = ConfigDict(extra="forbid", validate_assignment=True, defer_build=True)


def filled(section: type[Section], given: dict, named: Callable[[str], str] = str) -> Section:
    """A section with the values that are given; `named` says what the user calls a key.

    Raises
    ------
    InputError
        The first value that is out of bounds, or a key that the section does not have.
    """
    try:
        return section(**given)
    except ValidationError as error:
        problem = error.errors()[0]
        if not problem["loc"]:  # of several options
            raise InputError("options", problem["msg"]) from None
        name = named(str(problem["loc"][0]))
        if problem["type"] == "extra_forbidden":
            raise InputError(
                name, "is no option", expected=f"one of {', '.join(section.model_fields)}"
            ) from None
        raise InputError(name, f"{problem['input']!r}: {problem['msg']}") from None


def patience_field(default: int | None) -> FieldInfo:
    """The field `patience` of whatever is trained and evaluated in turn."""
    return Field(
        default,
        ge=1,
        description="Stop after this many evaluations without improvement; null never stops early.",
    )


def learning_rate_field(default: float) -> FieldInfo:
    """The field `learning_rate` of what is trained by likelihood."""
    return Field(default, gt=0, description="Peak learning rate of the cosine schedule.")


class FiniteSection(Section):
    """A section whose numbers are finite."""

    model_config = ConfigDict(allow_inf_nan=False)


def heads_divide_width(heads: int, info: ValidationInfo) -> int:
    """A validator of the number of attention heads; rotary positions need an even width of each."""
    width = info.data.get("width", 0)
    if width % (2 * heads):
        raise ValueError(f"width {width} must be a multiple of {2 * heads}, twice the heads")
    return heads


def sorted_into(options: dict, *sections: type[Section]) -> list[Section]:
    """Options sorted into the sections that have them; the last one refuses all others."""
    left, filled_in = dict(options), []
    for section in sections[:-1]:
        own = {name: left.pop(name) for name in section.model_fields if name in left}
        filled_in.append(filled(section, own))
    return [*filled_in, filled(sections[-1], left)]
