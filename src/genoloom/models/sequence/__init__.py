"""Sequence generators. A new one is a file here, its options in `genoloom.config`, and a line
below.
"""

from genoloom.models import class_of

GENERATORS = {
    "transformer": "transformer:TransformerGenerator",
    "gan": "gan:GanGenerator",
    "markov": "markov:MarkovGenerator",
    "context_mixing": "markov:ContextMixingGenerator",
}
BASELINES = ("markov", "context_mixing")
SHARED = ("transformer",)  # several processes can train it, `genoloom.training.processes`


def generator_class(name: str) -> type:
    """The class of the sequence generator `name`."""
    return class_of(__name__, GENERATORS, name)
