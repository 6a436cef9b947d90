"""The weights of the copying network between its training and its draws: what does without torch,
whose import takes longer than many a draw.
"""

from collections.abc import Mapping

import numpy as np

from genoloom.declared import Declared
from genoloom.models.finite import LARGEST_WEIGHT
from genoloom.models.haplotype.copying_features import N_ROW, N_TOKEN, Network

PREFIX = "network."  # of their names in model files


def shapes(width: int) -> dict[str, tuple[int, ...]]:
    """Of all weights of a `CopyingNetwork`, float32, in its order."""
    return {
        "token_mean": (N_TOKEN,), "token_spread": (N_TOKEN,), "row_mean": (N_ROW,),
        "row_spread": (N_ROW,), "token.weight": (width, N_TOKEN), "row.weight": (width, N_ROW),
        "row.bias": (width,), "hidden.weight": (width, width), "hidden.bias": (width,),
        "out.weight": (1, width), "linear.weight": (1, N_TOKEN),
    }  # fmt: skip


def declare_weights(arrays: Declared, width: int) -> None:
    """Declare the weights of a model file."""
    for name, shape in shapes(width).items():
        arrays.expect(PREFIX + name, "float32", *shape, low=-LARGEST_WEIGHT, high=LARGEST_WEIGHT)


def compiled(weights: Mapping[str, np.ndarray]) -> Network:
    """Weights, by the names of `shapes`, for the compiled loops on features as they come."""
    token = weights["token.weight"] / weights["token_spread"]
    row = weights["row.weight"] / weights["row_spread"]
    shift = token @ weights["token_mean"] + row @ weights["row_mean"]
    found = {
        "w_token": np.pad(token, [(0, 0), (0, -N_TOKEN % 8)]), "w_row": row,
        "b_row": weights["row.bias"] - shift, "w_hidden": weights["hidden.weight"],
        "b_hidden": weights["hidden.bias"], "w_out": weights["out.weight"][0],
        "w_linear": weights["linear.weight"][0] / weights["token_spread"],
    }  # fmt: skip
    return Network(**{name: np.ascontiguousarray(x, dtype=np.float32) for name, x in found.items()})
