"""The label classifier: samples that it agrees with have the law they should, whatever their
company; it learns, is calibrated, comes back.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare

from genoloom.models.sequence.base import Sampling, SequenceRequest, TrainingSequences
from genoloom.models.sequence.classifier import _moved
from genoloom.models.sequence.label_classifier import LabelClassifier
from genoloom.models.sequence.transformer import TransformerGenerator
from genoloom.seeds import row_uniforms
from genoloom.sequence_config import SequenceTransformerOptions
from genoloom.training.run import TrainingRun

# P(base | label) of a model
GIVEN = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.3, 0.3, 0.3], [0.25, 0.25, 0.25, 0.25]])
# P(label | base) of a classifier
READ = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]])
MIX = np.array([0.5, 0.2, 0.3])


class Known(LabelClassifier):
    """One that reads the first base from a table."""

    def __init__(self):
        super().__init__(3, False)
        self.longest, self.mix = np.array([1]), MIX[None]

    def log_probabilities(self, bases, length):
        return np.log(READ[bases[:, 0]])


def one_base(request: SequenceRequest) -> np.ndarray:
    drawn = row_uniforms(request.seed, 0)[:, None] > GIVEN[request.label].cumsum(axis=1)[:, :-1]
    return drawn.sum(axis=1)[:, None].astype(np.uint8)


def ask(n: int, label: int) -> SequenceRequest:
    return SequenceRequest(np.ones(n, dtype=int), np.full(n, label), np.arange(n, dtype=np.uint64))


def drawn(
    request: SequenceRequest,
    guidance: float = 1.0,
    most: int = 500,
    at_once: int = 64,
    within=lambda k: [k],
) -> np.ndarray:
    return Known().draw(one_base, request, within, guidance, most, at_once)


@pytest.mark.parametrize("guidance", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_samples_have_the_law_of_model_and_reader_together(label, guidance):
    n = 4000
    steered = READ**guidance / (READ**guidance).sum(axis=1, keepdims=True)
    expected = (MIX @ GIVEN) * steered[:, label]
    found = np.bincount(drawn(ask(n, label), guidance)[:, 0], minlength=4)
    assert chisquare(found, n * expected / expected.sum()).pvalue > 1e-3


def test_a_part_of_the_labels_is_their_sum():
    n = 4000
    expected = (MIX @ GIVEN) * READ[:, :2].sum(axis=1)
    found = np.bincount(drawn(ask(n, 0), within=lambda k: [0, 1])[:, 0], minlength=4)
    assert chisquare(found, n * expected / expected.sum()).pvalue > 1e-3


def test_a_sequence_does_not_depend_on_its_company():
    request = ask(300, 1)
    whole = drawn(request)
    few = SequenceRequest(*(x[40:50] for x in (request.length, request.label, request.seed)))
    np.testing.assert_array_equal(drawn(few, at_once=7), whole[40:50])


def test_where_all_candidates_are_refused_the_model_draws_alone(caplog):
    class Never(Known):
        def log_probabilities(self, bases, length):
            return np.tile(np.log([1e-30, 1.0, 1e-30]), (len(bases), 1))

    request = ask(50, 0)
    with caplog.at_level("INFO"):
        synthetic = Never().draw(one_base, request, lambda k: [k], 1.0, 5, 16)
    np.testing.assert_array_equal(synthetic, one_base(request))
    assert "none of 5 candidates for 100.0% of the sequences" in caplog.text


def labelled(n: int = 900, seed: int = 1) -> TrainingSequences:
    """Three labels that G and C become more frequent with; those of the third are longer."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 3
    length = np.where(label == 2, 40, 30)
    gc = np.array([0.25, 0.75, 0.5])[label]
    strong = rng.random((n, 40)) < gc[:, None]
    bases = np.where(strong, rng.integers(1, 3, (n, 40)), 3 * rng.integers(0, 2, (n, 40))).astype(
        np.uint8
    )
    bases[np.arange(40) >= length[:, None]] = 4
    return TrainingSequences(
        bases, length, label, ["a", "b", "c"], np.arange(n) // 3 % 5 == 0, np.arange(n), False
    )


def test_it_learns_labels_and_comes_back_from_its_state():
    data, new = labelled(), labelled(300, seed=2)
    classifier = LabelClassifier.fit(data, 1)
    found_log = classifier.log_probabilities(new.bases, new.length)
    found = np.exp(found_log)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    suffix = found.argmax(axis=1) == new.label
    assert suffix.mean() > 0.9
    # as sure as it is right
    assert found.max(axis=1).mean() == pytest.approx(suffix.mean(), abs=0.06)
    again = LabelClassifier.from_state(*classifier.state())
    np.testing.assert_array_equal(
        again.log_probabilities(new.bases, new.length),
        classifier.log_probabilities(new.bases, new.length),
    )
    few = new.length == 30
    short_rows = classifier.log_probabilities(new.bases[few][:, :30], new.length[few])
    # whatever they are padded with
    np.testing.assert_allclose(short_rows, found_log[few], atol=1e-5)
    short, long = (again.draw_labels(np.full(200, n), np.linspace(0, 0.999, 200)) for n in (30, 40))
    assert np.bincount(short, minlength=3).tolist() == [100, 100, 0]
    assert (long == 2).all()


def test_it_is_calibrated_to_be_as_sure_as_it_is_right():
    rng = np.random.default_rng(3)
    found = np.log(rng.dirichlet(np.ones(4), 20000))
    true = found / 2.5
    chance = np.exp(true) / np.exp(true).sum(axis=1, keepdims=True)
    truth = (rng.random(20000)[:, None] > chance.cumsum(axis=1)[:, :-1]).sum(axis=1)
    classifier = LabelClassifier(4, True)
    classifier._calibrate(found, truth)
    assert classifier.temperature == pytest.approx(2.5, rel=0.05)
    classifier._calibrate(found, found.argmax(axis=1))
    assert classifier.temperature < 0.5


@pytest.mark.parametrize(
    ("by", "expected"), [(2, [4, 4, 0, 1, 2]), (-1, [1, 2, 3, 3, 4]), (0, [0, 1, 2, 3, 3])]
)
def test_sequences_are_moved_and_what_comes_in_is_unknown(by, expected):
    np.testing.assert_array_equal(
        _moved(np.array([[0, 1, 2, 3, 3]] * 2, dtype=np.uint8), by), [expected] * 2
    )


def test_too_few_validation_sequences_of_a_label_have_no_reader():
    data = labelled(150)
    rare = replace(data, label=np.where(np.arange(150) == 0, 1, 0))
    assert LabelClassifier.fit(rare, 1) is None


def untrained(data: TrainingSequences, tmp_path) -> TransformerGenerator:
    generator = TransformerGenerator(
        SequenceTransformerOptions(
            steps=1, learning_rate=1e-12, width=16, layers=1, convolutions=1, evaluate_every=1
        )
    )
    generator.fit(data, TrainingRun(tmp_path, "d", 1))
    return generator


def test_a_model_that_knows_nothing_of_labels_answers_to_them_by_its_reader(tmp_path):
    generator = untrained(labelled(), tmp_path)
    generator = TransformerGenerator.from_state(*generator.state())
    n = 200

    def gc(label: int, **how) -> float:
        synthetic = generator.sample(
            SequenceRequest(np.full(n, 30), np.full(n, label), np.arange(n, dtype=np.uint64)),
            Sampling(**how),
        )
        return float(np.isin(synthetic, (1, 2)).mean())

    assert gc(1) > gc(0) + 0.1
    assert abs(gc(1, candidates=0) - gc(0, candidates=0)) < 1e-9


def test_a_reader_that_knows_less_than_the_model_is_left_out(tmp_path):
    data = labelled()
    by_chance = replace(
        data,
        label=np.random.default_rng(1).integers(0, 3, len(data.label)),
        length=np.full(900, 40),
    )
    assert untrained(by_chance, tmp_path).classifier is None
