"""What every section of the configuration has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo

Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A section of the configuration: unknown keys are errors, values are checked when set."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


def heads_divide_width(heads: int, info: ValidationInfo) -> int:
    """A validator of the number of attention heads; rotary positions need an even width of each."""
    width = info.data.get("width", 0)
    if width % (2 * heads):
        raise ValueError(f"width {width} must be a multiple of {2 * heads}, twice the heads")
    return heads
