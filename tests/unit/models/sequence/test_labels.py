"""Labels of several columns: what can be asked for, what hiding a column leaves, and that a model
answers to a part.
"""

import numpy as np
import pytest

from genoloom.models.sequence.base import SequenceRequest, TrainingSequences
from genoloom.models.sequence.labels import LabelPatterns
from genoloom.models.sequence.transformer import TransformerGenerator
from genoloom.sequence_config import SequenceTransformerOptions
from genoloom.training.run import TrainingRun

TWO = ["a+x", "a+y", "b+x", "b+y"]


def test_every_part_of_a_label_of_two_columns_has_a_name():
    labels = LabelPatterns(TWO)
    assert labels.names[:5] == [*TWO, "*"]
    assert sorted(labels.names[5:]) == ["*+x", "*+y", "a+*", "b+*"]
    hidden = np.array([[False, False], [False, True], [True, False], [True, True]])
    assert [labels.names[i] for i in labels.hide(np.array([1, 1, 1, 1]), hidden)] == [
        "a+y",
        "a+*",
        "*+y",
        "*",
    ]
    assert labels.matching("a+*").tolist() == [0, 1]
    assert labels.matching("*+y").tolist() == [1, 3]
    assert labels.matching("b+x").tolist() == [2]
    assert labels.matching("*").tolist() == [0, 1, 2, 3]
    told = dict(zip(labels.names, labels.cells.tolist(), strict=True))  # of a, b, x, y
    assert told["a+y"] == [True, False, False, True]
    assert told["*+x"] == [False, False, True, False]
    assert told["*"] == [False] * 4
    assert LabelPatterns(["a", "b"]).cells.shape == (3, 0)


@pytest.mark.parametrize(
    "names", [["a", "b"], ["a+x", "b"], ["+".join("abcdefg"), "+".join("tuvwxyz")]]
)
def test_labels_that_are_no_columns_are_hidden_as_a_whole(names):
    labels = LabelPatterns(names)
    assert labels.names == [*names, "*"]
    assert labels.hide(np.array([0, 1]), np.array([[True], [False]])).tolist() == [2, 1]


def test_sequences_without_label_stay_so():
    labels = LabelPatterns(["", "a+x"])
    assert labels.names == ["", "a+x", "*", "a+*", "*+x"]
    hidden = np.array([[False, False], [False, True], [True, True]])
    assert [labels.names[i] for i in labels.hide(np.zeros(3, dtype=int), hidden)] == ["", "*", "*"]
    assert LabelPatterns([""]).names == ["", "*"]


def test_a_model_answers_to_one_of_two_columns(tmp_path):
    """The first column decides about A or G, the second about T or C."""
    rng = np.random.default_rng(1)
    label = np.arange(600) % 4
    chance = np.array(
        [[0.4, 0.1, 0.1, 0.4], [0.4, 0.4, 0.1, 0.1], [0.1, 0.1, 0.4, 0.4], [0.1, 0.4, 0.4, 0.1]]
    )
    bases = np.stack([rng.choice(4, size=24, p=chance[k]) for k in label]).astype(np.uint8)
    data = TrainingSequences(
        bases, np.full(600, 24), label, TWO, np.arange(600) % 5 == 0, np.arange(600), True
    )
    options = {
        "steps": 80,
        "batch": 32,
        "width": 16,
        "convolutions": 1,
        "evaluate_every": 40,
        "learning_rate": 1e-2,
    }
    generator = TransformerGenerator(SequenceTransformerOptions(**options))
    generator.fit(data, TrainingRun(tmp_path, "d", 1))
    generator = TransformerGenerator.from_state(*generator.state())

    def share(choice: str, base: int) -> float:
        n = 200
        request = SequenceRequest(
            np.full(n, 24),
            np.full(n, generator.label_choices.index(choice)),
            np.arange(n, dtype=np.uint64),
        )
        return float((generator.sample(request) == base).mean())

    a, c, g, t = range(4)
    assert share("a+*", a) > 0.32 > 0.18 > share("b+*", a)
    assert share("b+*", g) > 0.32 > 0.18 > share("a+*", g)
    assert share("*+x", t) > 0.32 > 0.18 > share("*+y", t)
    assert abs(share("a+*", t) - share("a+*", c)) < 0.1  # what was not asked for is as in training
