"""Files of what real individuals score against the samples of one shadow model: private, and exact
to the last bit.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.tensors import TensorFile, digest_tensors

MEMBER = "member"
REMEDY = "make it again (genoloom shadow)"


def write_scores(
    path: str | Path, made_for: str, member: np.ndarray, scores: dict[str, np.ndarray]
) -> None:
    """Write the scores of one shadow model.

    Parameters
    ----------
    made_for : str
        Digest of all that they follow from.
    member : ndarray of bool, shape (2 n,)
        Who trained it.
    scores : dict of str to ndarray, float64
        By attack; empty where the plan is to fit no shadow model.
    """
    arrays = {MEMBER: member} | {
        f"score.{name}": np.asarray(values, np.float64) for name, values in scores.items()
    }
    words = {"made_for": made_for}
    words["digest"] = digest_tensors(words, arrays)
    with write_beside(path) as [part]:
        save_file(arrays, part, metadata={"shadow": json.dumps(words)})


def read_scores(
    path: str | Path, made_for: str, n_individuals: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Who trained a shadow model, and the scores by attack.

    Raises
    ------
    InputError
        The file is missing, damaged, or was made for other data, models or options.
    """
    with TensorFile(path, "file of shadow scores", remedy=REMEDY) as file:
        words = file.words("shadow")
        arrays = {name: file.read(name) for name in file.headers}
    if not isinstance(words, dict) or words.get("digest") != digest_tensors(words, arrays):
        raise InputError(path, "is damaged: its content is not what was written", remedy=REMEDY)
    if words.get("made_for") != made_for:
        raise InputError(
            path,
            "was made for other data, models, options or another place in the row of shadow models",
            remedy=REMEDY,
        )
    member = arrays.pop(MEMBER, None)
    if (
        member is None
        or member.shape != (n_individuals,)
        or not all(np.isfinite(v).all() for v in arrays.values())
    ):
        raise InputError(path, "holds no scores of the individuals compared", remedy=REMEDY)
    return member, {name.removeprefix("score."): values for name, values in arrays.items()}
