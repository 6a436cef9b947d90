"""Sequence generators. A new one is a file here, its options in `genoloom.config`, and a line
below.
"""

from importlib import import_module

from genoloom.errors import InputError

GENERATORS = {
    "transformer": "transformer:TransformerGenerator",
    "gan": "gan:GanGenerator",
    "markov": "markov:MarkovGenerator",
    "context_mixing": "markov:ContextMixingGenerator",
}
BASELINES = ("markov", "context_mixing")
SHARED = ("transformer",)  # several processes can train it, `genoloom.training.processes`


def generator_class(name: str):
    """The class of the sequence generator `name`."""
    if name not in GENERATORS:
        raise InputError(
            "generator", f"'{name}' is not known", expected=f"one of {', '.join(GENERATORS)}"
        )
    module, attribute = GENERATORS[name].split(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute)
