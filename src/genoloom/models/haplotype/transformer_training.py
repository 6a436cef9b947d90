"""Training of the haplotype transformer: random windows of rows, and of matched crossovers between
rows.
"""

import math

import numpy as np
import torch

from genoloom.models.haplotype.base import TrainingHaplotypes
from genoloom.models.haplotype.training_rows import PackedRows
from genoloom.models.haplotype.transformer_network import (
    HaplotypeTransformer,
    score_window,
    windows,
)
from genoloom.models.layers import AveragedTraining
from genoloom.seeds import derive_seed
from genoloom.training import processes
from genoloom.training.run import TrainingRun
from genoloom.training_config import TransformerOptions

INPUT_MUTATIONS = 2e-4  # share of input alleles mutated in training
TOKEN_DROPOUT = 0.2  # share of input blocks whose token is hidden: novel blocks have none
LABEL_DROPOUT = 0.1  # share of training rows without a population
BLOCKS_A_CROSSOVER = 8  # mean length of a piece in augmented rows
# Rare tokens have a gradient up in one step of hundreds and a tiny one down in all others. With a
# short memory of squared gradients (0.98) Adam takes the tiny ones at full size, and rare alleles
# die out: 1000 Genomes, DPYD region, 2,504 haplotypes, 1,000 steps: sites of two copies keep 1.1
# with 0.98 and 2.0 with 0.999.
BETAS = (0.9, 0.999)
EVALUATION_WINDOWS = 512  # most windows scored in one evaluation


class TransformerTraining(AveragedTraining):
    """Training on random windows of rows and of matched crossovers between rows."""

    def __init__(
        self,
        model: HaplotypeTransformer,
        data: TrainingHaplotypes,
        options: TransformerOptions,
        run: TrainingRun,
    ):
        super().__init__(model, options.learning_rate, betas=BETAS)
        self.options, self.seed, self.device = options, run.seed, run.device
        self.n_blocks = len(model.token_alleles)
        fitted, validation = np.flatnonzero(~data.validation), np.flatnonzero(data.validation)
        self.rows = PackedRows.read(data.haplotypes, options.block_size, fitted)
        self.population = data.population[fitted]
        self.validation_rows = PackedRows.read(data.haplotypes, options.block_size, validation)
        self.validation_population = data.population[validation]
        self.reference_likelihoods: dict[str, float] = {}  # what simple models pay, shown next to

    def train_step(self, step: int, fraction: float) -> dict[str, float]:
        rng = np.random.default_rng([self.seed, step])
        alleles, population, start = self._batch(rng)
        mutated, hidden = self._hidden(alleles.shape[1])
        self.model.train()

        def loss_of(rows: slice) -> torch.Tensor:
            some = alleles[rows].to(self.device)
            token = self.model.token_ids(some, start)
            noisy = torch.where(mutated[rows] & (some >= 0), 1 - some, some)
            silent = mutated[rows].any(-1) | hidden[rows]
            inputs = self.model.embed(noisy, token.masked_fill(silent, -1), start)
            of_rows = population[rows].to(self.device)
            log_prob = self.model.log_prob(some, inputs, of_rows, start)
            bits = -log_prob.mean() / self.options.block_size / math.log(2)
            return bits * (len(some) / self.options.batch)

        return {"loss": self.descend_rows(len(alleles), loss_of, fraction)}

    def _batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, int]:
        length = min(self.options.context, self.n_blocks)
        # starts beyond the ends are moved inside: else the blocks there would hardly ever be seen
        start = int(np.clip(rng.integers(1 - length, self.n_blocks), 0, self.n_blocks - length))
        rows = rng.integers(0, len(self.rows), size=self.options.batch)
        crossed = round(self.options.augmentation_fraction * len(rows))
        source = np.repeat(rows[:, None], length * self.rows.bytes_per_block, axis=1)
        breakpoints = -(-length // BLOCKS_A_CROSSOVER)
        source[:crossed] = self.rows.matched_crossovers(
            rows[:crossed], self.population, start, start + length, breakpoints, rng
        )
        alleles = self.rows.alleles(source, start, start + length)
        population = np.where(
            rng.random(len(rows)) < LABEL_DROPOUT, self.model.unlabelled, self.population[rows]
        )
        mine = processes.share(len(rows))
        return (torch.from_numpy(alleles[mine]), torch.from_numpy(population[mine]), start)

    def _hidden(self, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Which input alleles of this process's rows are mutated, (B, T, L), and which tokens are
        not known, (B, T): the same rows have the same, however many processes there are.
        """
        shape = self.options.batch, length
        mutated = torch.rand(*shape, self.options.block_size, device=self.device) < INPUT_MUTATIONS
        hidden = torch.rand(shape, device=self.device) < TOKEN_DROPOUT
        processes.part_ways()
        mine = processes.share(self.options.batch)
        return mutated[mine], hidden[mine]

    def evaluate(self, step: int) -> dict[str, float]:
        """Bits per site on the validation set ("bits") and on as many training rows ("train_bits"),
        and what distinguishes them.

        "gap" is the share of the bits that training rows need not pay; "weights_auc" the membership
        AUC of the likelihood: the chance that a training row is likelier, site by site, than a
        validation one.
        """
        model = self.average.module
        validation = self._bits(model, self.validation_rows, self.validation_population)
        trained = self._bits(model, self.rows, self.population)
        bits, train_bits = (
            float(total.sum() / max(sites.sum(), 1)) for total, sites in (validation, trained)
        )
        fitted, held = (total / np.maximum(sites, 1) for total, sites in (trained, validation))
        # Mann-Whitney: training rows of fewer bits than each validation row; ties are one half
        below = [np.searchsorted(np.sort(fitted), held, side) for side in ("left", "right")]
        return {
            "score": bits,
            "bits": bits,
            "train_bits": train_bits,
            "gap": 1 - train_bits / bits,
            "weights_auc": float(np.mean(below)) / len(fitted),
            **self.reference_likelihoods,
        }

    def _bits(
        self, model, rows: PackedRows, population: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bits and called sites of some rows, the same at each evaluation; float64, shape (n,)
        each.
        """
        spans = list(windows(self.n_blocks, self.options.context))
        # the same rows and windows every time
        rng = np.random.default_rng(derive_seed(self.seed, "evaluation"))
        n = min(len(rows), len(self.validation_rows), max(1, EVALUATION_WINDOWS // len(spans)))
        chosen = rng.permutation(len(rows))[:n]
        if n * len(spans) > EVALUATION_WINDOWS:
            spans = [spans[i] for i in np.sort(rng.permutation(len(spans))[:EVALUATION_WINDOWS])]
        total, sites = np.zeros(n), np.zeros(n)
        for span in spans:
            alleles = rows.alleles(chosen, span[0], span[2])
            total -= score_window(model, alleles, population[chosen], span, self.device).sum(
                axis=1
            ) / math.log(2)
            sites += (alleles[:, span[1] - span[0] :] >= 0).sum(axis=(1, 2))
        return total, sites
