import numpy as np
import pytest
import torch

from genoloom.errors import InputError
from genoloom.training.checkpoint import check_fit, load_checkpoint, save_checkpoint


def test_optimiser_and_nested_values_come_back(tmp_path):
    model = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    state = {
        "optimiser": optimiser.state_dict(),
        "rows": [{"a": 1.5}, None],
        3: torch.tensor(7),
        "inf": float("inf"),
    }

    save_checkpoint(tmp_path / "state", state)
    loaded = load_checkpoint(tmp_path / "state")

    assert loaded["rows"] == [{"a": 1.5}, None]
    assert loaded[3] == 7
    assert loaded["inf"] == float("inf")
    fresh = torch.optim.AdamW(model.parameters())
    fresh.load_state_dict(loaded["optimiser"])
    for kept, original in zip(fresh.state.values(), optimiser.state.values(), strict=True):
        assert all(torch.equal(kept[key], original[key]) for key in original)


def test_a_damaged_file_is_explained(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"weights": torch.arange(1000)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="no training checkpoint"):
        load_checkpoint(path)


def test_a_foreign_safetensors_file_is_explained(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="no training checkpoint"):
        load_checkpoint(tmp_path / "other.safetensors")


def test_every_changed_byte_is_found(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    state = {"weights": torch.arange(50.0), "rows": [{"a": 1.5}, None], "inf": float("inf")}
    save_checkpoint(path, state)
    content, rng, remedies = path.read_bytes(), np.random.default_rng(3), set()
    for _ in range(200):
        mutant = bytearray(content)
        mutant[int(rng.integers(0, len(content)))] = int(rng.integers(0, 256))
        path.write_bytes(
            mutant if rng.random() < 0.8 else mutant[: int(rng.integers(0, len(content)))]
        )
        try:
            loaded = load_checkpoint(path)
        except InputError as error:
            remedies.add(str(error).splitlines()[-1].strip())
        else:
            assert loaded["rows"] == state["rows"]
            assert torch.equal(loaded["weights"], state["weights"])
    assert remedies == {"what to do: remove it to start again"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state["weights"].fill_(float("nan")), "no finite numbers"),
        (lambda state: state.update(weights=torch.zeros(3)), "weights is not torch.float32"),
        (lambda state: state.update(weights=1.0), "weights is not torch.float32"),
        (lambda state: state.pop("weights"), "incomplete"),
        (
            lambda state: state["optimiser"]["state"].update(
                {0: {"exp_avg": torch.tensor([float("inf")])}}
            ),
            "no finite numbers",
        ),
    ],
)
def test_a_state_that_does_not_fit_is_refused(change, words):
    own = {"weights": torch.zeros(2, 2), "optimiser": {"state": {}, "param_groups": [{"lr": 0.1}]}}
    loaded = {
        "weights": torch.ones(2, 2),
        "optimiser": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]},
    }
    check_fit("checkpoint", loaded, own)
    change(loaded)
    with pytest.raises(InputError, match=words):
        check_fit("checkpoint", loaded, own)
