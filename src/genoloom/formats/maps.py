"""Genetic maps in the forms that individuals have.

With a header: any order of columns, read by their names (SHAPEIT, GLIMPSE, HapMap, Eagle, deCODE).
Without one: the forms of `HEADERLESS`, distinguished by which of them the first rows fit. deCODE
gives the centimorgans at the end of each interval (Halldorsson et al. 2019,
doi:10.1126/science.aau1043).
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.text import real_number, text_lines

# centimorgans per megabase over a whole map; chromosomes of individuals have 1 to 2, PAR1 8
LIMITS = (0.1, 10.0)
MOST_BASES = 1e12  # positions are whole numbers below this
SAMPLE = 1000  # rows that decide what a file without a header is

# what a column of a header holds; the first that fits its name
_MEANINGS = {
    "rate": r"rate|cm.?(/|_|per)?.?mb",
    "cm": r"cm|centimorgan|genetic|gen_?pos|gpos",
    "morgan": r"^m$|morgan|\(m\)",
    "contig": r"chr|chm|contig|seqname",
    "start": r"^(begin|start)",
    "position": r"pos|bp|base|physical|^(end|stop)$",
}


@dataclass(frozen=True)
class Form:
    """Where the columns of a map are; `contig` None: there is no such column."""

    name: str
    columns: int
    position: int
    cm: int
    contig: int | None


HEADERLESS = (
    Form("SHAPEIT without a header (position, contig, cM)", 3, 0, 2, 1),
    Form("contig, position, cM", 3, 1, 2, 0),
    Form("HapMap without a header (position, rate, cM)", 3, 0, 2, None),
    Form("HapMap without a header (contig, position, rate, cM)", 4, 1, 3, 0),
    Form("PLINK .map (contig, id, cM, position)", 4, 3, 2, 0),
    Form("deCODE without a header (contig, begin, end, rate, cM)", 5, 2, 4, 0),
    Form("PLINK .bim (contig, id, cM, position, alleles)", 6, 3, 2, 0),
)
KNOWN = (
    "a map of SHAPEIT, HapMap, Eagle, deCODE or PLINK, or columns with the names pos, chr and cM"
)


@dataclass
class GeneticMap:
    """The map of one contig, and an account of the sites that were placed on it.

    Attributes
    ----------
    form : str
        What the file was taken for.
    position : ndarray, int64, shape (n_points,), 1-based, rising
    cm : ndarray, float64, shape (n_points,), rising
    """

    source: Path
    contig: str
    form: str
    position: np.ndarray
    cm: np.ndarray
    sites: int = field(default=0, init=False)
    inside: int = field(default=0, init=False)

    def place(self, position: np.ndarray) -> np.ndarray:
        """Centimorgans of sites, float64: linear between the map's points and level beyond its
        ends.
        """
        self.sites += len(position)
        self.inside += int(((position >= self.position[0]) & (position <= self.position[-1])).sum())
        return np.interp(position, self.position, self.cm)

    def account(self) -> dict:
        """What was used, for summaries.

        Raises
        ------
        InputError
            Sites were placed, and the map covers none of them.
        """
        if self.sites and not self.inside:
            raise self.uncovered()
        return {
            "form": self.form,
            "points": len(self.position),
            "first_position": int(self.position[0]),
            "last_position": int(self.position[-1]),
            "centimorgans": round(float(self.cm[-1] - self.cm[0]), 6),
            "sites_inside": round(self.inside / max(self.sites, 1), 4),
        }

    def uncovered(self) -> InputError:
        """The error of a map of another place."""
        return InputError(
            self.source,
            f"contig {self.contig}: covers none of the sites: it goes from {self.position[0]} to "
            f"{self.position[-1]}",
            expected="a map of the region",
            remedy="give the map of this contig and genome build, or none",
        )


def read_map(path: str | Path, contig: str, limits: tuple[float, float] = LIMITS) -> GeneticMap:
    """The map of one contig; "chr" before its name is no matter.

    Parameters
    ----------
    limits : (low, high)
        Centimorgans per megabase that a whole map may have.

    Raises
    ------
    InputError
        With file and line: the form is not known, a row is none, there is no row of the contig, the
        map falls or is level, or its length is beyond `limits`, as where it is in Morgans or a rate
        is taken for it.
    """
    path = Path(path)
    lines = _rows(path)
    form, rows = _header_form(path, lines)
    if form is None:
        sample = list(islice(rows, SAMPLE))
        form, rows = _headerless_form(path, sample, contig), chain(sample, rows)
    wanted = _bare(contig)
    number, position, cm, taken = [], [], [], None
    for line, cells in rows:
        name, x, y = _point(path, form, line, cells)
        if name == taken or name is None or _bare(name) == wanted:
            taken = name
            number.append(line)
            position.append(x)
            cm.append(y)
    if not number:
        raise InputError(
            path,
            f"has no row of contig {contig}",
            remedy="give the map of this contig and genome build",
        )
    found = GeneticMap(path, contig, form.name, np.array(position, dtype=np.int64), np.array(cm))
    _check(found, np.array(number), limits)
    return found


def _bare(contig: str) -> str:
    return re.sub("^chr", "", contig, flags=re.IGNORECASE)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Cells of each line that is not blank; `#` begins a comment, but for a header that it is
    before.
    """
    for line, text in text_lines(path):
        if "#" in text and not text.startswith("#"):
            text = re.sub(r"\s#.*", "", text)
        cells = text.replace('"', "").split()
        if len(cells) == 1 and "," in text:
            cells = [cell.strip() for cell in text.replace('"', "").split(",")]
        if cells:
            yield line, cells


def _header_form(
    path: Path, lines: Iterator[tuple[int, list[str]]]
) -> tuple[Form | None, Iterator[tuple[int, list[str]]]]:
    """The form that a header names, or None, and the rows after it. A comment that does not fit
    the first row is no header.
    """
    heads: list[tuple[int, list[str]]] = []
    for line, cells in lines:
        if cells[0].startswith("#"):
            heads.append((line, " ".join(cells).lstrip("# ").split()))
            continue
        if _has_header(cells):
            return _named_form(path, line, cells), _data(lines)
        line_above, names = heads[-1] if heads else (0, [])
        form = (
            _named_form(path, line_above, names)
            if len(names) == len(cells) and _has_header(names)
            else None
        )
        return form, _data(chain([(line, cells)], lines))
    raise InputError(path, "is empty", expected=KNOWN)


def _data(lines: Iterable[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    return ((line, cells) for line, cells in lines if not cells[0].startswith("#"))


def _has_header(cells: list[str]) -> bool:
    meanings = [_meaning(cell) for cell in cells]
    return "position" in meanings and bool({"cm", "rate", "morgan"} & set(meanings))


def _meaning(name: str) -> str:
    name = name.lower()
    return (
        next((meaning for meaning, pattern in _MEANINGS.items() if re.search(pattern, name)), "")
        if len(name) < 40
        else ""
    )


def _named_form(path: Path, line: int, names: list[str]) -> Form:
    meanings = [_meaning(name) for name in names]
    if "cm" not in meanings:
        unit = "Morgans" if "morgan" in meanings else "a rate"
        raise InputError(
            path,
            f"line {line}: the header has a column of {unit}, and none of centimorgans",
            expected=KNOWN,
            remedy="Morgans times 100 are centimorgans; a rate has to be summed up along "
            "the contig",
        )
    for meaning in ("cm", "position", "contig"):
        if meanings.count(meaning) > 1:
            raise InputError(
                path,
                f"line {line}: {meanings.count(meaning)} columns may hold the {meaning}",
                expected=KNOWN,
            )
    at = {
        meaning: meanings.index(meaning)
        for meaning in ("position", "cm", "contig")
        if meaning in meanings
    }
    kind = "deCODE" if "start" in meanings else "with a header"
    used = ", ".join(names[i] for i in sorted(at.values()))
    return Form(f"{kind} ({used})", len(names), at["position"], at["cm"], at.get("contig"))


def _headerless_form(path: Path, sample: list[tuple[int, list[str]]], contig: str) -> Form:
    """The form that the first rows fit: no error in them, contigs that are contigs, and a rise in
    both columns.
    """
    counts = Counter(len(cells) for _, cells in sample)
    forms = [form for form in HEADERLESS if form.columns == counts.most_common(1)[0][0]]
    if not forms:
        found = f"line {sample[0][0]}: {len(sample[0][1])} columns without a header that names them"
        raise InputError(path, found, expected=KNOWN)
    trials = [_try(path, form, sample, contig) for form in forms]
    fitting = [trial for trial in trials if trial.error is None]
    if not fitting:
        raise max(trials, key=lambda trial: trial.rows).error
    best = max(trial.merit for trial in fitting)
    chosen = [trial.form for trial in fitting if trial.merit == best]
    if len({(form.position, form.cm) for form in chosen}) > 1:
        names = " or ".join(form.name for form in chosen)
        raise InputError(
            path,
            f"line {sample[0][0]}: may be {names}",
            expected=KNOWN,
            remedy="add a header: pos chr cM",
        )
    return chosen[0]


@dataclass
class _Trial:
    """How well a form fits: rows read before the first error, if any; and merit among those that
    fit.
    """

    form: Form
    rows: int
    error: InputError | None
    merit: tuple = ()


def _try(path: Path, form: Form, sample: list[tuple[int, list[str]]], contig: str) -> _Trial:
    last: dict[str | None, tuple[int, float]] = {}
    first: dict[str | None, tuple[int, float]] = {}
    for n, (line, cells) in enumerate(sample):
        try:
            name, position, cm = _point(path, form, line, cells)
        except InputError as error:
            return _Trial(form, n, error)
        before = last.get(name, (0, -np.inf))
        if position < before[0] or cm < before[1]:
            return _Trial(form, n, _falling(path, line))
        last[name] = position, cm
        first.setdefault(name, (position, cm))
    if form.contig is not None and not _are_contigs(list(first), len(sample)):
        return _Trial(
            form,
            0,
            InputError(
                path,
                f"line {sample[0][0]}: column {form.contig + 1} holds no contigs",
                expected=KNOWN,
            ),
        )
    rates = [
        1e6 * (last[name][1] - first[name][1]) / max(last[name][0] - first[name][0], 1)
        for name in first
    ]
    named = any(name is not None and _bare(name) == _bare(contig) for name in first)
    rises = any(last[name][0] > first[name][0] for name in first)
    return _Trial(
        form,
        len(sample),
        None,
        (rises, named, LIMITS[0] <= max(rates) <= LIMITS[1], max(rates) <= 1e4),
    )


def _are_contigs(names: list[str], n_rows: int) -> bool:
    """Contigs are on many rows each, and are no broken numbers."""
    return len(names) <= max(1, n_rows // 2) and not any(
        re.fullmatch(r"[\d.]*\.[\d.]+(e[+-]?\d+)?", name, re.I) for name in names
    )


def _point(path: Path, form: Form, line: int, cells: list[str]) -> tuple[str | None, int, float]:
    """Contig, position and centimorgans of a row."""
    if len(cells) != form.columns:
        raise InputError(
            path, f"line {line}: {len(cells)} columns", expected=f"{form.columns}: {form.name}"
        )
    column = form.position
    try:
        position = real_number(cells[column])
        column = form.cm
        cm = real_number(cells[column])
    except ValueError as error:
        what = "position" if column == form.position else "centimorgans"
        raise InputError(
            path, f"line {line}: column {column + 1}, the {what}, {error}", expected=form.name
        ) from None
    if not 0 <= position < MOST_BASES or position % 1:
        found = f"line {line}: column {form.position + 1} is no position"
        raise InputError(path, found, expected=f"{form.name}, with positions in whole base pairs")
    return None if form.contig is None else cells[form.contig], int(position), cm


def _falling(path: Path, line: int) -> InputError:
    return InputError(
        path,
        f"line {line}: position or centimorgans fall",
        expected="rising positions and centimorgans",
        remedy="sort the map by position; a column that goes up and down is a rate (cM/Mb), not "
        "the map",
    )


def _check(found: GeneticMap, line: np.ndarray, limits: tuple[float, float]) -> None:
    falls = (np.diff(found.position) < 0) | (np.diff(found.cm) < 0)
    if falls.any():
        raise _falling(found.source, int(line[np.argmax(falls) + 1]))
    span, bases = float(found.cm[-1] - found.cm[0]), int(found.position[-1] - found.position[0])
    place = f"lines {line[0]} to {line[-1]}: contig {found.contig}"
    if span == 0 or bases == 0:
        raise InputError(
            found.source,
            f"{place}: the centimorgans are all {found.cm[0]:g}"
            if bases
            else f"{place}: a single position",
            expected="a map that rises",
            remedy="give another map, or none: then 1 cM per megabase is taken",
        )
    rate = 1e6 * span / bases
    if not limits[0] <= rate <= limits[1]:
        guess = (
            "Morgans (times 100 are centimorgans)" if rate < limits[0] else "a rate, or base pairs"
        )
        raise InputError(
            found.source, f"{place}: {rate:.3g} cM per megabase in all",
            expected=f"{limits[0]:g} to {limits[1]:g}",
            remedy=f"the column may hold {guess}; where the species is like that: "
            "genoloom prepare --map-min-rate, --map-max-rate",
        )  # fmt: skip
