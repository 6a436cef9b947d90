"""The audit of sequences: what they, and the model, reveal about the training sequences, next to
the same for held-out ones.

*Membership*: a score that should be higher for training sequences than for held-out ones, nearness
to the synthetic sequences; planted random sequences against others like them. The same by the
likelihood of the model says what giving the model file away would reveal, and does not count for
the data. *Copies*: how near synthetic sequences are to training sequences, next to how near
held-out ones are. A homology split keeps relatives of training out of the holdout, so this is
strict: a set full of repeats has sequences that are nearer to each other.

An attack passes, fails or is weak as in the audit of haplotypes (`Auditor`); copies as
`MetricType.COPYING` of `genoloom.validation.verdicts`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from genoloom.audit_levels import CHANCE_LEVEL, RARE_LEVEL
from genoloom.privacy.attack_ids import AttackId, Measure
from genoloom.privacy.measures import (
    Resampling,
    auc_verdict,
    interval_of_maximum,
    percentile_interval,
)
from genoloom.privacy.rows import MIN_POPULATION, PrivateAttackRow
from genoloom.seeds import derive_seed
from genoloom.sequences import SequenceSet, canaries
from genoloom.validation.sequence_measures import copies, longest_shared, nearest_identity
from genoloom.validation.verdicts import MetricType, Role, Verdict, judge, worst

NEAR_COPY = 0.9  # identity
FEWEST_ALONE, FEWEST_CANARIES = 30, 8
Scores = Callable[[SequenceSet], np.ndarray]


@dataclass
class SequenceAuditor:
    """Judges one set of synthetic sequences.

    Attributes
    ----------
    planted : SequenceSet
        Canaries among the training sequences; none where it is empty.
    likelihood : callable or None
        Natural-log likelihood of sequences under the generator's model.
    resamples : int
        Bootstrap samples, and shuffles of who trained.
    max_auc : float
        Largest AUC that passes.
    max_compared : int
        Sequences of each kind that are compared, at most.
    """

    name: str
    role: Role
    synthetic: SequenceSet
    train: SequenceSet
    holdout: SequenceSet
    planted: SequenceSet
    resamples: int
    max_auc: float
    max_compared: int
    seed: int
    likelihood: Scores | None = None

    def rows(self) -> list[PrivateAttackRow]:
        """All rows; the last one is the worst attack on the data, and its verdict that of the
        audit.
        """
        members, others, targets = self._compared()

        def near(sequences: SequenceSet) -> np.ndarray:
            return nearest_identity(sequences, targets)

        n = len(members)
        by_samples = self._tried(near, members, others, "attacks")
        rows = [self._attack_row(AttackId.MEMBERSHIP_BY_SAMPLES, *by_samples, n)]
        strongest = self._worst_row([by_samples], n)
        counted = [*self._canary_rows(AttackId.MEMBERSHIP_OF_CANARIES, near), *self._copy_rows()]
        rows += counted
        if self.likelihood is not None:
            by_model = self._tried(self._per_base, members, others, "attacks")
            rows.append(self._attack_row(AttackId.MEMBERSHIP_BY_MODEL, *by_model, n))
            rows += self._canary_rows(AttackId.CANARIES_BY_MODEL, self._per_base)
        # so few can show a leak, and never that there is none
        few = [Verdict.WEAK] if n < MIN_POPULATION else []
        verdict = worst([*few, strongest.verdict, *(row.verdict for row in counted)])
        return [*rows, replace(strongest, verdict=verdict)]

    def _compared(self) -> tuple[SequenceSet, SequenceSet, SequenceSet]:
        """Members, as many held-out sequences, and synthetic ones.

        Members are training sequences without a relative in training, since the holdout has none
        either; all of them where these are few.
        """
        _, cluster, sizes = np.unique(self.train.cluster, return_inverse=True, return_counts=True)
        alone = np.flatnonzero(sizes[cluster] == 1)
        pool = alone if len(alone) >= FEWEST_ALONE else np.arange(len(self.train))
        rng = np.random.default_rng(derive_seed(self.seed, "membership"))
        n = min(self.max_compared, len(pool), len(self.holdout))
        return (
            self.train.take(rng.permutation(pool)[:n]),
            self.holdout.take(rng.permutation(len(self.holdout))[:n]),
            self.synthetic.take(rng.permutation(len(self.synthetic))[: 4 * self.max_compared]),
        )

    def _per_base(self, sequences: SequenceSet) -> np.ndarray:
        return self.likelihood(sequences) / np.maximum(sequences.length, 1)

    def _tried(
        self, score: Scores, members: SequenceSet, others: SequenceSet, what: str
    ) -> tuple[tuple, tuple]:
        """AUC and true positive rate of a score, as `Resampling` gives them."""
        scores = np.concatenate([score(others), score(members)])
        rng = np.random.default_rng(derive_seed(self.seed, "resampling", what))
        everybody = np.ones(len(scores), dtype=bool)
        resampling = Resampling(np.full(len(scores), ""), len(others), self.resamples, rng)
        return (
            resampling.aucs(scores, everybody),
            resampling.true_positive_rates(scores, everybody),
        )

    def _attack_row(self, attack: AttackId, auc: tuple, rate: tuple, n: int) -> PrivateAttackRow:
        value, resampled, shuffled = auc
        low, high = percentile_interval(resampled)
        return self._auc_row(attack, (value, low, high), shuffled, [rate], n)

    def _worst_row(self, found: list[tuple[tuple, tuple]], n: int) -> PrivateAttackRow:
        aucs, rates = zip(*found, strict=True)
        shuffled = np.max([auc[2] for auc in aucs], axis=0)
        largest = interval_of_maximum(
            np.array([auc[0] for auc in aucs]),
            np.array([auc[1] for auc in aucs]),
            float(np.quantile(shuffled, CHANCE_LEVEL)),
        )
        return self._auc_row(AttackId.WORST, largest, shuffled, rates, n)

    def _auc_row(
        self,
        attack: AttackId,
        interval: tuple[float, float, float],
        shuffled: np.ndarray,
        rates: list[tuple],
        n: int,
    ) -> PrivateAttackRow:
        value, low, high = interval
        return self._row(
            attack,
            n,
            auc_verdict(low, high, self.max_auc, self.resamples),
            measure=Measure.AUC,
            value=value,
            low=low,
            high=high,
            reference=float(np.quantile(shuffled, CHANCE_LEVEL)),
            tpr_at_1_percent_fpr=max(rate[0] for rate in rates),
            tpr_reference=float(
                np.quantile(np.max([rate[2] for rate in rates], axis=0), RARE_LEVEL)
            ),
        )

    def _row(self, attack: AttackId, n: int, verdict: Verdict, **more) -> PrivateAttackRow:
        return PrivateAttackRow(
            generator=self.name, role=self.role, attack=attack, n=n, verdict=verdict, **more
        )

    def _canary_rows(self, attack: AttackId, score: Scores) -> list[PrivateAttackRow]:
        """Whether planted random sequences are remembered; none where none was planted.

        They are few: they cannot show that nothing is remembered, but they can show what is. This
        row can only accuse.
        """
        n = len(self.planted)
        if not n:
            return []
        if n < FEWEST_CANARIES:
            note = f"fewer than {FEWEST_CANARIES} sequences were planted"
            return [self._row(attack, n, Verdict.NOT_RUN, note=note)]
        decoys = canaries(self.train, n, np.random.default_rng(derive_seed(self.seed, "decoys")))
        row = self._attack_row(attack, *self._tried(score, self.planted, decoys, "canaries"), n)
        return [replace(row, verdict=Verdict.PASS) if row.verdict is Verdict.WEAK else row]

    def _copy_rows(self) -> list[PrivateAttackRow]:
        """How near synthetic sequences, and held-out ones, are to the training sequences."""
        sets = {"synthetic": self.synthetic, "holdout": self.holdout}
        rng = np.random.default_rng(derive_seed(self.seed, "novelty"))
        n = min(self.max_compared, *map(len, sets.values()))
        queries = {name: s.take(rng.permutation(len(s))[:n]) for name, s in sets.items()}
        identity = {name: nearest_identity(q, self.train) for name, q in queries.items()}
        shared = {name: longest_shared(q, self.train) for name, q in queries.items()}
        near = {name: values >= NEAR_COPY for name, values in identity.items()}
        exact = {name: copies(s, self.train) for name, s in sets.items()}
        statistic = stats.ks_2samp(*identity.values(), alternative="less").statistic
        # the 5 % point of two samples of one distribution: 19 of 20 such pairs stay below it
        critical = np.sqrt(-np.log(0.05) / n)
        return [
            self._compared_row(AttackId.NEAREST_IDENTITY, Measure.MEAN_IDENTITY, identity),
            self._copy_row(
                AttackId.NEARER_THAN_HOLDOUT, Measure.KS_STATISTIC, statistic, critical, 0.0, n
            ),
            self._compared_row(AttackId.NEAR_COPIES_OF_SEQUENCES, Measure.SHARE, near),
            self._compared_row(AttackId.EXACT_COPIES_OF_SEQUENCES, Measure.SHARE, exact),
            self._compared_row(AttackId.LONGEST_SHARED_PIECE, Measure.MEAN_BASES, shared),
        ]

    def _compared_row(
        self, attack: AttackId, measure: Measure, scores: dict[str, np.ndarray]
    ) -> PrivateAttackRow:
        """Means over synthetic and held-out sequences; the spread is the standard error of their
        difference.
        """
        mine, real = scores["synthetic"], scores["holdout"]
        spread = np.concatenate([mine, real]).std() * np.sqrt(1 / len(mine) + 1 / len(real))
        n = min(len(mine), len(real))
        return self._copy_row(attack, measure, mine.mean(), real.mean(), spread, n)

    def _copy_row(
        self, attack: AttackId, measure: Measure, value, reference, null_sd, n: int
    ) -> PrivateAttackRow:
        value, reference = float(value), float(reference)
        found = judge(MetricType.COPYING, value, reference, float(null_sd))
        # so few can show copies, and never that there are none
        verdict = Verdict.NOT_RUN if n < MIN_POPULATION else found.verdict
        return self._row(
            attack, n, verdict, measure=measure, value=value, reference=reference
        )  # fmt: skip
