"""Labels of several columns, and the parts of them that a model can be asked for.

A label of several columns is its cells joined by "+" (`promoter+bin3`). In training each column is
hidden now and then, so a model also knows `promoter+*` and `*+bin3`; with every column hidden a
sequence has no label at all.
"""

from itertools import chain, product

import numpy as np

from genoloom.sequences import LABEL_JOIN

ANY = "*"
MOST_COLUMNS = 6  # labels of more columns are hidden as a whole


class LabelPatterns:
    """Labels with some of their columns hidden.

    Attributes
    ----------
    names : list of str
        The labels themselves, then `ANY` for no label, then the partial ones.
    n_columns : int
    unlabelled : int
        Index of `ANY`, which is also how many labels there are.
    """

    def __init__(self, label_names: list[str]):
        cells = [name.split(LABEL_JOIN) for name in label_names]
        widths = {len(row) for row, name in zip(cells, label_names, strict=True) if name}
        if len(widths) > 1 or max(widths, default=1) > MOST_COLUMNS:
            cells, widths = [[name] for name in label_names], {1}
        self.n_columns = max(widths, default=1)
        self.names = [*label_names, ANY]
        self.unlabelled = len(label_names)
        self._table = np.empty((len(label_names), 2**self.n_columns), dtype=np.int64)
        index = {name: i for i, name in enumerate(self.names)}
        for i, row in enumerate(cells):
            for mask, hidden in enumerate(product((False, True), repeat=self.n_columns)):
                name = self._pattern(label_names[i], row, hidden)
                if name not in index:
                    index[name] = len(self.names)
                    self.names.append(name)
                self._table[i, mask] = index[name]

    @staticmethod
    def _pattern(name: str, cells: list[str], hidden: tuple[bool, ...]) -> str:
        if not any(hidden):
            return name
        if all(hidden) or not name:
            return ANY
        return LABEL_JOIN.join(ANY if h else cell for h, cell in zip(hidden, cells, strict=True))

    @property
    def cells(self) -> np.ndarray:
        """Which cells each name tells, bool (n_names, n_cells); no cells where labels are one
        column.
        """
        if self.n_columns == 1:
            return np.zeros((len(self.names), 0), dtype=bool)
        named = [
            [
                (column, cell)
                for column, cell in enumerate(name.split(LABEL_JOIN))
                if cell not in (ANY, "")
            ]
            for name in self.names
        ]
        known = {cell: i for i, cell in enumerate(sorted(set(chain.from_iterable(named))))}
        cells = np.zeros((len(named), len(known)), dtype=bool)
        for row, own in zip(cells, named, strict=True):
            row[[known[cell] for cell in own]] = True
        return cells

    def hide(self, label: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """Index into `names` of labels int64 (n,) whose columns `hidden` bool (n, n_columns) are
        not known.
        """
        return self._table[label, hidden @ (1 << np.arange(self.n_columns)[::-1])]

    def matching(self, name: str) -> np.ndarray:
        """Which labels a name of `names` leaves possible, int64."""
        return np.flatnonzero((self._table == self.names.index(name)).any(axis=1))
