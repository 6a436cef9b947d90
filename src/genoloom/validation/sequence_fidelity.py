"""Fidelity of synthetic sequences: every metric next to what real sequences score on
it.

The reference is the holdout H. *Composition* (GC, k-mers, dinucleotides, two classifiers) compares
equal numbers of synthetic and held-out sequences; its reference puts training sequences in the
place of the synthetic ones. Both are means over `n_permutations` random halves, and the reference's
spread is its standard deviation.

How near synthetic sequences are to the training sequences is a matter of the audit
(`genoloom.privacy.sequence_audit`). The histogram of identities is drawn here: "train" are training
sequences against the rest of training.

The reference of `bits_per_base` is the context mixture of the training sequences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genoloom.seeds import derive_seed
from genoloom.sequences import OTHER, SequenceSet, gc_content
from genoloom.validation.coding_fidelity import coding_metrics
from genoloom.validation.label_fidelity import label_metrics
from genoloom.validation.metric_ids import MetricId as M
from genoloom.validation.motif_fidelity import Motif, motif_metrics
from genoloom.validation.rows import ALL
from genoloom.validation.sequence_classifier import cnn_auc
from genoloom.validation.sequence_measures import (
    base_shares,
    dinucleotide_distance,
    distinct_share,
    gc_distance,
    kmer_auc,
    kmer_distance,
    kmer_spectrum,
    nearest_identity,
    strand_asymmetry,
)
from genoloom.validation.sequence_table import Measured, Score, summarised

KMER_DISTANCES = {
    3: M.KMER3_DISTANCE,
    4: M.KMER4_DISTANCE,
    5: M.KMER5_DISTANCE,
    6: M.KMER6_DISTANCE,
    8: M.KMER8_DISTANCE,
}
CLASSIFIER_PERMUTATIONS = 3
GC_EDGES = np.linspace(0, 1, 41)
IDENTITY_EDGES = np.linspace(0.3, 1, 36)


@dataclass
class Comparison:
    """Synthetic, training and held-out sequences, and how they are sampled for comparison."""

    synthetic: SequenceSet
    train: SequenceSet
    holdout: SequenceSet
    n_permutations: int
    max_compared: int
    max_classified: int
    seed: int
    motifs: Sequence[Motif] = ()
    coding: str = "none"  # as `ValidateSequencesOptions.coding`
    # whether the generator has learnt from `train`; else it is more held-out sequences
    learnt: bool = True

    def __post_init__(self):
        self.size = max(min(map(len, (self.synthetic, self.train, self.holdout))) // 2, 1)
        # the name of the seed is a former one: the same halves are drawn
        rng = np.random.default_rng(derive_seed(self.seed, "resplits"))
        sets = (self.synthetic, self.train, self.holdout)
        self.samples = [
            tuple(s.take(rng.permutation(len(s))[: self.size]) for s in sets)
            for _ in range(self.n_permutations)
        ]
        self.queries, self.identity = {}, {}
        if self.learnt:
            self._prepare_novelty(rng)

    def _prepare_novelty(self, rng: np.random.Generator) -> None:
        """Queries of each kind, of equal number, and the training sequences they are compared
        with.
        """
        n = max(
            min(self.max_compared, len(self.synthetic), len(self.holdout), len(self.train) // 2), 1
        )
        order = rng.permutation(len(self.train))
        self.queries = {
            "synthetic": self.synthetic.take(rng.permutation(len(self.synthetic))[:n]),
            "holdout": self.holdout.take(rng.permutation(len(self.holdout))[:n]),
            "train": self.train.take(order[:n]),
        }
        self.targets = self.train.take(order[n:])
        self.identity = {
            name: nearest_identity(queries, self.targets) for name, queries in self.queries.items()
        }

    def measure(self) -> list[Measured]:
        """All metrics but bits per base."""
        return [
            *self._composition(),
            *self._motifs(),
            *self._coding(),
            *self._labels(),
            *([self._nearest_holdout()] if self.learnt else []),
            self._distinct(),
        ]

    def _against_holdout(
        self, metric: M, score: Score, n_permutations: int | None = None, bin: str = ALL
    ) -> Measured:
        """A score of two sets: synthetic against held-out ones, and training against held-out
        ones.
        """
        samples = self.samples[:n_permutations]
        values = [score(synthetic, holdout) for synthetic, _, holdout in samples]
        references = [score(train, holdout) for _, train, holdout in samples]
        return summarised(metric, values, references, self.size, bin)

    def _composition(self) -> list[Measured]:
        rows = [self._against_holdout(M.GC_DISTANCE, gc_distance)]
        for k, metric in KMER_DISTANCES.items():
            rows.append(self._against_holdout(metric, lambda a, b, k=k: kmer_distance(a, b, k)))
        rows.append(self._against_holdout(M.DINUCLEOTIDE_DISTANCE, dinucleotide_distance))
        auc_seed = derive_seed(self.seed, "auc")
        auc = self._against_holdout(
            M.KMER6_AUC, lambda a, b: kmer_auc(a, b, auc_seed), CLASSIFIER_PERMUTATIONS
        )
        rows += [auc, self._network()]
        if not self.train.stranded:
            values = [strand_asymmetry(synthetic) for synthetic, _, _ in self.samples]
            references = [strand_asymmetry(train) for _, train, _ in self.samples]
            rows.append(summarised(M.STRAND_ASYMMETRY, values, references, self.size))
        return rows

    def _network(self) -> Measured:
        """AUC of a convolutional network, of up to `max_classified` sequences of each set; the
        spread is that of a fair coin.
        """
        synthetic, train, holdout = (s.take(slice(self.max_classified)) for s in self.samples[0])
        n, seed = len(holdout), derive_seed(self.seed, "cnn")
        value, reference = cnn_auc(synthetic, holdout, seed), cnn_auc(train, holdout, seed)
        return Measured(M.CNN_AUC, value, reference, fair_coin(n, n), n)

    def _motifs(self) -> list[Measured]:
        return motif_metrics(self.motifs, self.synthetic, self.holdout, self._against_holdout)

    def _coding(self) -> list[Measured]:
        """What `genoloom.validation.coding_fidelity` says, where it is asked."""
        if self.coding == "none":
            return []
        return coding_metrics(
            self.synthetic, self.holdout, self._against_holdout, self.coding == "frame"
        )

    def _labels(self) -> list[Measured]:
        """What `genoloom.validation.label_fidelity` says; nothing without labels on all sides."""
        return label_metrics(
            self.synthetic,
            self.train,
            self.holdout,
            2 * self.max_classified,
            derive_seed(self.seed, "labels"),
        )

    def _distinct(self) -> Measured:
        """Share of different sequences."""
        return Measured(
            M.DISTINCT_SHARE,
            distinct_share(self.synthetic),
            distinct_share(self.holdout),
            0.0,
            len(self.synthetic),
        )

    def _nearest_holdout(self) -> Measured:
        """How near the held-out sequences come: as near as training sequences do, when the model
        knows what it should.
        """
        n = len(self.queries["holdout"])
        synthetic, real = (
            nearest_identity(self.queries[name], self.holdout) for name in ("synthetic", "train")
        )
        error = float(np.hypot(synthetic.std(), real.std()) / np.sqrt(n))
        return Measured(
            M.NEAREST_HOLDOUT_IDENTITY, float(synthetic.mean()), float(real.mean()), error, n
        )

    def plot_data(self) -> dict:
        """What the report draws; counts of sequences in bins, and 4-mer frequencies."""
        sets = {"holdout": self.holdout, "train": self.train, "synthetic": self.synthetic}
        gc = {
            name: np.histogram(gc_content(s.bases), GC_EDGES)[0].tolist()
            for name, s in sets.items()
        }
        spectra = {name: kmer_spectrum(s, 4) for name, s in sets.items()}
        identity = {
            name: np.histogram(self.identity[name], IDENTITY_EDGES)[0].tolist()
            for name in self.queries
        }
        aligned = self.train.stranded and len(np.unique(self.holdout.length)) == 1
        places = (
            {"places": {name: base_shares(s.bases).tolist() for name, s in sets.items()}}
            if aligned
            else {}
        )
        return (
            places
            | {
                "gc": {"edges": GC_EDGES.tolist(), **gc},
                "kmers": {
                    name: (values / values.sum()).tolist() for name, values in spectra.items()
                },
            }
            | ({"identity": {"edges": IDENTITY_EDGES.tolist(), **identity}} if identity else {})
        )


def fair_coin(n: int, m: int) -> float:
    """Standard deviation of the AUC of n against m sequences that nothing distinguishes."""
    return float(np.sqrt((n + m + 1) / (12 * n * m)))


def bits_metric(model: np.ndarray, chain: np.ndarray, holdout: SequenceSet) -> Measured:
    """Bits per base of a model on held-out sequences, next to the chain's.

    Parameters
    ----------
    model, chain : ndarray, float64, shape (n,)
        Natural-log likelihood of each held-out sequence. The spread is that of the paired
        difference over clusters.
    """
    scored = (holdout.bases != OTHER).sum(axis=1)
    bits = scored.sum() * np.log(2)
    _, cluster = np.unique(holdout.cluster, return_inverse=True)
    excess = np.bincount(cluster, (chain - model) / bits)
    error = float(excess.std() * np.sqrt(len(excess)))
    value, reference = float(-model.sum() / bits), float(-chain.sum() / bits)
    return Measured(M.BITS_PER_BASE, value, reference, error, len(holdout))
