import pytest
import torch

from genoloom.models.layers import (
    AveragedTraining,
    KeyValueCache,
    TransformerLayer,
    adamw,
    cosine_schedule,
    exponential_average,
    rotary_table,
    rotate,
)

ROWS, TOKENS, WIDTH, HEADS = 3, 7, 16, 4


@pytest.fixture
def layer():
    torch.manual_seed(1)
    return TransformerLayer(WIDTH, HEADS, dropout=0.1).eval()


def test_layer_is_causal(layer):
    table = rotary_table(TOKENS, WIDTH // HEADS)
    x = torch.randn(ROWS, TOKENS, WIDTH)
    changed = x.clone()
    changed[:, 4:] += 1
    assert torch.equal(layer(x, table)[:, :4], layer(changed, table)[:, :4])
    assert not torch.allclose(layer(x, table)[:, 4:], layer(changed, table)[:, 4:])


@pytest.mark.parametrize("prefix", [0, 1, 4])
def test_cache_token_by_token_equals_all_at_once(layer, prefix):
    table = rotary_table(TOKENS, WIDTH // HEADS)
    x = torch.randn(ROWS, TOKENS, WIDTH)
    cache = KeyValueCache(1, ROWS, HEADS, TOKENS, WIDTH // HEADS)
    pieces = [(0, prefix)] * (prefix > 0) + [(t, t + 1) for t in range(prefix, TOKENS)]
    outputs = []
    for first, last in pieces:
        outputs.append(layer(x[:, first:last], table[:, first:last], cache, 0))
        cache.length = last
    torch.testing.assert_close(torch.cat(outputs, 1), layer(x, table))


def test_rotary_scores_depend_on_distance_only():
    table = rotary_table(20, 8)
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def score(i, j):
        return (rotate(q, table[:, i : i + 1]) * rotate(k, table[:, j : j + 1])).sum()

    torch.testing.assert_close(score(5, 2), score(19, 16))
    assert not torch.isclose(score(5, 2), score(5, 3))


def test_schedule_rises_then_falls_to_the_floor():
    values = [cosine_schedule(f / 1000) for f in range(1000)]
    assert max(values) == pytest.approx(1, abs=1e-3)
    assert 40 <= values.index(max(values)) <= 60
    assert all(0 < v <= 1 for v in values)
    assert values[-1] == pytest.approx(0.02, abs=1e-3)


def test_average_forgets_the_start_and_follows_its_closed_form():
    model = torch.nn.Linear(1, 1, bias=False)
    average = exponential_average(model, decay=0.9)
    expected = None
    for value in [5.0, 1.0, 2.0, 4.0]:
        with torch.no_grad():
            model.weight.fill_(value)
        count = int(average.n_averaged)
        decay = min(0.9, (1 + count) / (10 + count))
        expected = value if expected is None else decay * expected + (1 - decay) * value
        average.update_parameters(model)
    assert average.module.weight.item() == pytest.approx(expected)


def test_only_matrices_decay_and_marked_parameters_learn_at_their_own_rate():
    model = torch.nn.Linear(2, 2)
    model.counted = torch.nn.Parameter(torch.zeros(2, 2))
    model.counted.rate = 5.0
    groups = {
        id(p): g for g in adamw(model, 1e-3, 0.1, (0.9, 0.98)).param_groups for p in g["params"]
    }
    assert groups[id(model.weight)]["weight_decay"] == 0.1
    assert groups[id(model.bias)]["weight_decay"] == 0
    assert groups[id(model.counted)]["weight_decay"] == 0
    assert [groups[id(p)]["rate"] for p in (model.weight, model.bias, model.counted)] == [1, 1, 5]


def test_snapshot_is_a_copy_of_the_average():
    training = AveragedTraining(torch.nn.Linear(2, 1), 0.1)
    snapshot = training.snapshot()
    before = snapshot["weight"].clone()
    for _ in range(3):
        training.descend(training.model(torch.ones(1, 2)).sum(), 0.2)
    assert torch.equal(snapshot["weight"], before)
    training.restore(snapshot)
    assert torch.equal(training.model.weight, before)
    assert torch.equal(training.average.module.weight, before)


def linear_training() -> AveragedTraining:
    torch.manual_seed(2)
    return AveragedTraining(torch.nn.Linear(3, 1), learning_rate=0.1)


@pytest.mark.parametrize(
    "fault",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("[enforce fail at alloc_cpu] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)  # fmt: skip
def test_a_batch_too_large_for_the_memory_is_halved(caplog, fault):
    """Until it fits, from then on, and with the same gradients."""
    torch.manual_seed(1)
    x, y = torch.randn(30, 3), torch.randn(30, 1)
    whole, halved = linear_training(), linear_training()
    sizes = []

    def loss_of(model, most: int):
        def part(rows: slice) -> torch.Tensor:
            sizes.append(len(x[rows]))
            if len(x[rows]) > most:
                raise fault
            return ((model(x[rows]) - y[rows]) ** 2).sum() / len(x)

        return part

    for step in range(3):
        losses = [
            training.descend_rows(30, loss_of(training.model, most), step / 3)
            for training, most in ((whole, 30), (halved, 8))
        ]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    torch.testing.assert_close(whole.model.weight, halved.model.weight)
    assert (whole.pieces, halved.pieces) == (1, 4)
    assert sizes == [30, 30, 15, 7, 8, 7, 8, *2 * [30, 7, 8, 7, 8]]
    said = [record.message for record in caplog.records]
    assert len(said) == 2
    assert "in 4 pieces of about 7 rows" in said[1]


def test_a_single_row_that_does_not_fit_is_an_error():
    def no_memory(rows: slice) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        linear_training().descend_rows(4, no_memory, 0.0)

    def other_fault(rows: slice) -> torch.Tensor:
        raise RuntimeError("shapes do not fit")

    training = linear_training()
    with pytest.raises(RuntimeError, match="shapes"):
        training.descend_rows(4, other_fault, 0.0)
    assert training.pieces == 1
