"""Optimisers of torch that do not load its compiler.

The methods of `torch.optim.Optimizer` are wrapped so that they are never compiled, and the wrappers
import the compiler for that: two seconds for each process that trains.
"""

import inspect

import torch

WRAPPED = ("add_param_group", "load_state_dict", "state_dict", "step", "zero_grad")


def _unwrapped(optimiser: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    methods = {name: inspect.unwrap(getattr(optimiser, name)) for name in WRAPPED}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(optimiser.__name__, (optimiser,), methods)


Adam, AdamW, LBFGS = map(_unwrapped, (torch.optim.Adam, torch.optim.AdamW, torch.optim.LBFGS))
