"""What a model file must hold: each generator declares its arrays, and they are checked before any
of them is believed.

A declaration is a method of the generator (`declare`). It names every array with its dtype, its
shape in terms of the description and of other arrays, and the range of its values. The same calls
run twice: over the headers of a file, before anything is read, and then over the values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import Annotated, ClassVar

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# dtypes of counts that are stored as small as they can be
COUNTS = ("uint8", "uint16", "uint32", "uint64")
MOST_COUNTED = 2**40
LONGEST_SEQUENCE = 2**20  # bases
MOST_POPULATIONS = MOST_LABELS = 1000
SUM_TOLERANCE = 1e-3


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("a name is listed twice")
    return names


Name = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Populations = Annotated[
    list[Annotated[Name, Field(min_length=1)]],
    Field(min_length=1, max_length=MOST_POPULATIONS),
    AfterValidator(_distinct),
]
Labels = Annotated[
    list[Name], Field(min_length=1, max_length=MOST_LABELS), AfterValidator(_distinct)
]
Variants = Annotated[int, Field(ge=1, le=2**40)]
Weight = Annotated[float, Field(ge=0, le=1e12)]
Positive = Annotated[float, Field(gt=0, le=1e12)]
Chance = Annotated[float, Field(ge=0, le=1)]


class Description(BaseModel):
    """The words of a model file; a subclass adds the words of one generator. Nothing is converted,
    and infinity is no number.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="ignore", strict=True, allow_inf_nan=False
    )


@dataclass(frozen=True)
class Header:
    """What a file says of an array before it is read: the name of a numpy dtype, and a shape."""

    dtype: str
    shape: tuple[int, ...]


class DeclarationError(ValueError):
    """An array is not what its generator declares; the message says which and how."""


def within(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose name begins so, under the rest of their names."""
    own = {name: values for name, values in arrays.items() if name.startswith(prefix)}
    return {name.removeprefix(prefix): values for name, values in own.items()}


class Declared:
    """The arrays of a model, against which a generator's declaration is held.

    Parameters
    ----------
    headers : mapping of str to Header or ndarray
        Of every array of the file. Where they are arrays, their values are checked as well.
    """

    def __init__(self, headers: Mapping[str, Header | np.ndarray]):
        self._headers, self._known = headers, set()

    def __contains__(self, name: str) -> bool:
        return name in self._headers

    def __getitem__(self, name: str) -> Header | np.ndarray:
        return self._headers[name]

    def names(self, prefix: str) -> list[str]:
        """The arrays whose name begins so."""
        return [name for name in self._headers if name.startswith(prefix)]

    def within(self, prefix: str) -> "Declared":
        """The arrays whose name begins so, under the rest of their names: what is declared of them
        there is declared here.
        """
        return _Within(self, prefix)

    def expect(
        self,
        name: str,
        dtype: str | tuple[str, ...],
        *shape: int | EllipsisType | None,
        low: float | None = None,
        high: float | None = None,
        minus_infinity: bool = False,
        or_nan: bool = False,
        shares: bool = False,
        least_step: float | None = None,
    ) -> tuple[int, ...]:
        """Declare an array; returns its shape.

        Parameters
        ----------
        dtype : str or tuple of str
            Numpy's name, or several that will do.
        shape : int, None or ...
            Lengths of the axes; where the array itself says it, None for at least 1, and ... for
            any.
        low, high : float, optional
            Bounds of the values, both allowed. Numbers must be finite in any case, but for
        minus_infinity : bool
            where this may be, as in logarithms of chances, and for
        or_nan : bool
            arrays that may be "not known" throughout.
        shares : bool
            The last axis sums to one.
        least_step : float, optional
            By how much each value of a vector is at least larger than the one before: 0 where it
            must not fall.

        Raises
        ------
        DeclarationError
            The array is missing, or something else.
        """
        self._known.add(name)
        found = self._headers.get(name)
        if found is None:
            raise DeclarationError(f"the array '{name}' is missing")
        dtypes = (dtype,) if isinstance(dtype, str) else dtype
        if str(found.dtype) not in dtypes:
            raise DeclarationError(
                f"the array '{name}' is {found.dtype}, not {' or '.join(dtypes)}"
            )
        if len(found.shape) != len(shape) or not all(map(_fits, shape, found.shape)):
            wanted = ", ".join(str(n) if isinstance(n, int) else "any" for n in shape)
            got = ", ".join(map(str, found.shape))
            raise DeclarationError(f"the array '{name}' has the shape ({got}), not ({wanted})")
        if isinstance(found, np.ndarray) and found.size and not (or_nan and np.isnan(found).all()):
            _check_values(name, found, low, high, minus_infinity, shares, least_step)
        return tuple(found.shape)

    def nothing_else(self) -> None:
        """Raise a `DeclarationError` where there is an array that has not been declared."""
        strange = sorted(set(self._headers) - self._known)
        if strange:
            raise DeclarationError(
                f"{len(strange)} arrays do not belong to such a model, the first "
                f"'{strange[0][:80]}'"
            )


class _Within(Declared):
    """Some of the arrays of another one, by a part of their names."""

    def __init__(self, whole: Declared, prefix: str):
        self._whole, self._prefix = whole, prefix

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._whole

    def __getitem__(self, name: str) -> Header | np.ndarray:
        return self._whole[self._prefix + name]

    def names(self, prefix: str) -> list[str]:
        """As of the whole."""
        found = self._whole.names(self._prefix + prefix)
        return [name.removeprefix(self._prefix) for name in found]

    def expect(self, name: str, *given, **more) -> tuple[int, ...]:
        """As of the whole."""
        return self._whole.expect(self._prefix + name, *given, **more)


def _fits(declared: int | EllipsisType | None, length: int) -> bool:
    return declared is ... or (length > 0 if declared is None else length == declared)


def _check_values(
    name: str, values: np.ndarray, low, high, minus_infinity, shares, least_step
) -> None:
    least, most = values.min(), values.max()  # both are NaN where one value is
    if values.dtype.kind == "f":
        endless = np.isneginf(least) and minus_infinity
        if not (np.isfinite(most) or (endless and np.isneginf(most))) or not (
            np.isfinite(least) or endless
        ):
            raise DeclarationError(f"the array '{name}' holds values that are no finite numbers")
    if (low is not None and least < low) or (high is not None and most > high):
        raise DeclarationError(f"the array '{name}' holds values outside of {low} to {high}")
    if shares and np.abs(values.sum(axis=-1, dtype=np.float64) - 1).max() > SUM_TOLERANCE:
        raise DeclarationError(f"the array '{name}' holds shares that do not sum to one")
    if least_step is not None and (values[1:] < values[:-1] + least_step).any():
        raise DeclarationError(f"the values of the array '{name}' do not rise")
