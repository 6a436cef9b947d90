import pytest
import torch

from genoloom.errors import InputError
from genoloom.training.checkpoint import load_checkpoint, save_checkpoint


def test_optimiser_and_nested_values_come_back(tmp_path):
    model = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    state = {"optimiser": optimiser.state_dict(), "rows": [{"a": 1.5}, None], 3: torch.tensor(7), "inf": float("inf")}

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
