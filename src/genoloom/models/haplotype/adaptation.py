"""Starting a transformer from one of another panel: its blocks, tokens and weights, cut to the
sites that both have.
"""

from dataclasses import dataclass

import numpy as np
import torch

from genoloom.models.haplotype.blocks import BlockTokenizer
from genoloom.training_config import TransformerOptions

# options that follow from the weights
STRUCTURE = (
    "block_size", "context", "vocabulary_size", "min_token_carriers", "width", "layers",
    "heads",
)  # fmt: skip
BY_BLOCK = (
    "site_in", "site_out", "token_in", "token_out", "position_embedding", "token_bias",
    "recombination_prior", "error_logit", "crossover",
)  # fmt: skip
RATE = 0.3  # learning rate of an adaptation, in that of a training from scratch


@dataclass(frozen=True)
class Start:
    """What an adaptation starts from.

    Attributes
    ----------
    options : TransformerOptions
        Those asked for, but for the structure, which is that of the weights.
    tokenizer : BlockTokenizer
        Of the blocks that hold a site of the new panel.
    site_mapping : ndarray, int64, shape (n_variants,)
        Site of each variant of the new panel in these blocks, rising.
    weights : dict
        State of the network but for the table of populations.
    populations : dict
        Row of each population of the other panel; "" for the unlabelled.
    """

    options: TransformerOptions
    tokenizer: BlockTokenizer
    site_mapping: np.ndarray
    weights: dict[str, torch.Tensor]
    populations: dict[str, torch.Tensor]

    @classmethod
    def from_generator(cls, base, options: TransformerOptions, index: np.ndarray) -> "Start":
        """Cut `base`, a transformer, to its variants `index` (int64, rising), which are the
        variants of the new panel.
        """
        L = base.tokenizer.block
        sites = base.site_mapping[index]
        blocks, rank = np.unique(sites // L, return_inverse=True)
        whole = base.tokenizer
        missing_at_end = max(0, (int(blocks[-1]) + 1) * L - whole.n_variants)
        tokenizer = BlockTokenizer(
            len(blocks) * L - missing_at_end,
            whole.alleles[blocks],
            whole.count[blocks],
            whole.error[blocks],
        )
        state = {name: value.clone() for name, value in base.model.state_dict().items()}
        weights = {
            name: value[torch.from_numpy(blocks)] if name in BY_BLOCK else value
            for name, value in state.items()
        }
        table = weights.pop("population")
        populations = dict(zip([*base.population_names, ""], table, strict=True))
        kept = {name: getattr(base.options, name) for name in STRUCTURE}
        rate = {"learning_rate": RATE * options.learning_rate}
        options = TransformerOptions(**{**options.model_dump(), **kept, **rate})
        return cls(options, tokenizer, rank * L + sites % L, weights, populations)

    def load_into(self, model: torch.nn.Module, names: list[str]) -> None:
        """Give `model` the weights; a population that the other panel has not begins as the
        unlabelled do.
        """
        rows = [self.populations.get(name, self.populations[""]) for name in [*names, ""]]
        model.load_state_dict({**self.weights, "population": torch.stack(rows)})
