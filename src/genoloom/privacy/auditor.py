"""The audit: what synthetic haplotypes reveal about the training individuals, next to the same for
held-out individuals. Every attack judged, and the tests for copies and kinship.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan, nan

import numpy as np

from genoloom.audit_levels import CHANCE_LEVEL, COPY_LEVEL, INTERVAL, RARE_LEVEL, fewest_resamples
from genoloom.privacy.attack_ids import AttackId, Measure, Scored
from genoloom.privacy.attacks import CopiedSegments, Kinship, per_individual
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.comparable import LEAST_CORRELATION, correlation, reasons_against
from genoloom.privacy.copies import FEW_COPIES
from genoloom.privacy.excess import LeakBasis, split_rows, within_chance
from genoloom.privacy.exposure import exposure_rows, stacked
from genoloom.privacy.measures import (
    Resampling,
    auc,
    auc_verdict,
    interval_of_maximum,
    percentile_interval,
    within,
)
from genoloom.privacy.rows import MIN_POPULATION, ExposureRow, PrivateAttackRow
from genoloom.privacy.shadows import Shadow, calibrated
from genoloom.seeds import derive_seed
from genoloom.validation.cohorts import Group
from genoloom.validation.rows import ALL
from genoloom.validation.verdicts import Role, Verdict, worst

DECILE = "most isolated tenth"
MAX_RUN_RATIO = 1.25
MAX_LOSS = 0.05
UNSEEN = f"copies of {FEW_COPIES:.0%} of the training individuals would not be seen"


@dataclass(frozen=True)
class Audit:
    """Rows of the private table and of the private table of individuals; `not_comparable` are
    reasons why nothing that passes says anything.
    """

    rows: list[PrivateAttackRow]
    individuals: list[ExposureRow]
    not_comparable: list[str]


class Auditor:
    """Judges the scores of one audit.

    An attack passes when the upper bound of its AUC is at most `max_auc`, fails when its lower
    bound is above it, and is weak between. What could not have failed is `not run`. Where the model
    was made from public individuals, the worst attack and the excess also pass within chance: no
    leak is possible, and none is seen.

    Parameters
    ----------
    name : str
    role : Role
        Of the rows: what was audited.
    resamples : int
        Bootstrap samples, and shuffles of who trained.
    max_auc : float
        Largest AUC that passes.
    relatives : ndarray of bool, shape (n_individuals,), optional
        Held-out individuals with a relative among the training individuals.
    phased : bool
        Whether phase is known. Without it, what needs it is `not run`, and so is an audit that
        would pass.
    shadows : sequence of Shadow
        For the attacker who has trained shadow models; without, the row is `not run`.
    max_excess : float
        Largest AUC beyond the unavoidable one that passes.
    training : int, optional
        Individuals that the model was trained on; those compared when not given.
    unmatched : float
        Share of the sites of the synthetic data that are not in the comparison.
    public : bool
        The model was made from public individuals.
    """

    def __init__(
        self,
        data: AuditData,
        name: str,
        role: Role,
        resamples: int,
        max_auc: float,
        seed: int,
        relatives: np.ndarray | None = None,
        phased: bool = True,
        shadows: Sequence[Shadow] = (),
        max_excess: float = 0.03,
        training: int | None = None,
        unmatched: float = 0.0,
        public: bool = False,
    ):
        self.data, self.max_auc, self.relatives, self.phased = data, max_auc, relatives, phased
        self.of = {"generator": name, "role": role}
        individuals = data.individuals
        self.n, self.seed, self.max_excess = individuals.n, seed, max_excess
        self.basis = LeakBasis(data.effective_sites, training or self.n, self.n, public)
        self.frequencies = np.concatenate(list(data.frequencies.values()), axis=1)
        self.not_comparable = reasons_against(data.frequencies, unmatched)
        self.population = individuals.real_population
        self.rng = np.random.default_rng(derive_seed(seed, "audit"))
        self.resampling = Resampling(self.population, individuals.n, resamples, self.rng)
        self.has_tails = resamples >= fewest_resamples((1 - INTERVAL) / 2)
        self.member = np.arange(2 * individuals.n) >= individuals.n
        self.everybody = np.ones(2 * individuals.n, dtype=bool)
        self.by_haplotype = data.scores(seed)
        self.scores = self._by_individual(self.by_haplotype)
        self.odds = self._attacker(np.stack(list(self.scores.values()), axis=1))
        self.attackers = {Scored(AttackId.STACKED): self.odds}
        if shadows:
            # next to the scores as they are: few shadow models are noise, and the better score
            # counts
            known = [np.stack(list(self.scores.values()), axis=1), calibrated(self.scores, shadows)]
            self.attackers[Scored(AttackId.SHADOWS)] = self._attacker(np.concatenate(known, axis=1))

    def _by_individual(self, scores: dict[Scored, np.ndarray]) -> dict[Scored, np.ndarray]:
        return {
            scored: per_individual(values) if len(values) == 4 * self.n else values
            for scored, values in scores.items()
            if self._runs(scored)
        }

    def _attacker(self, features: np.ndarray) -> np.ndarray:
        return stacked(features, self.population, self.member, derive_seed(self.seed, "stacked"))

    def groups(self) -> dict[str, np.ndarray]:
        """Populations of at least `MIN_POPULATION` individuals per role, as masks over all."""
        masks = {name: self.population == name for name in sorted(set(self.population))}
        return {name: mask for name, mask in masks.items() if mask.sum() >= 2 * MIN_POPULATION}

    def _runs(self, scored: Scored) -> bool:
        return self.phased or not scored.attack.needs_phase

    def audit(
        self,
        model_scores: dict[AttackId, np.ndarray] | None = None,
        untried: str = "",
        ids: Sequence[str] | None = None,
    ) -> Audit:
        """Judge what was collected.

        Parameters
        ----------
        model_scores : dict, optional
            Scores of individuals by attacks that need the model, NaN for individuals who were not
            scored.
        untried : str
            Why there are no shadow models: the note of that row.
        ids : sequence of str, optional
            Of the real individuals compared, held-out individuals first; their numbers when not
            given.
        """
        rows = self._rows() + self._model_rows(model_scores or {})
        if Scored(AttackId.SHADOWS) not in self.attackers:
            # an attack that was not run neither passes nor fails the audit: whether it must be run
            # is for the release to say
            rows.append(self._not_run_row(Scored(AttackId.SHADOWS), untried))
        return Audit(rows, self._individuals(ids or range(2 * self.n)), self.not_comparable)

    def _rows(self) -> list[PrivateAttackRow]:
        """All rows; the last one is the worst of them, and its verdict that of the audit."""
        judged = self._attack_rows(self.scores | self.attackers)
        strongest = next(row for row in judged if row.attack is AttackId.WORST)
        rows = [row for row in judged if row is not strongest]
        if self.basis.public and within_chance(strongest):
            strongest = replace(strongest, verdict=Verdict.PASS)
        parts = split_rows(strongest, self.basis, self.max_auc, self.max_excess)
        rows += parts
        # resampling so few individuals says little: they can show a leak, and never that there is
        # none
        few = [Verdict.WEAK] if self.n < MIN_POPULATION else []
        deciding = [
            *few,
            strongest.verdict,
            *(row.verdict for row in judged if row.attack is AttackId.WORST_POPULATION),
        ]
        others = [self._comparable_row(), *self._copy_rows(), self._kinship_row()]
        others += [self._runs_row()] if self.phased else []
        scored = {known.attack for known in self.by_haplotype}
        skipped = [
            *self.by_haplotype,
            *(Scored(attack) for attack in AttackId if attack not in scored),
        ]
        others += [self._not_run_row(attack) for attack in skipped if not self._runs(attack)]
        rows += others
        deciding += [row.verdict for row in others] + [parts[1].verdict]
        rows += [self._loss_row(), *(self._relative_rows() if self.phased else [])]
        return [*rows, replace(strongest, verdict=worst(deciding))]

    def _attack_rows(self, scores: dict[Scored, np.ndarray]) -> list[PrivateAttackRow]:
        """A row for each attack (everybody, each population, the most isolated individuals), and
        one for the worst of each.
        """
        rows = []
        by_population: dict[Scored, list[tuple[float, np.ndarray, np.ndarray]]] = {}
        groups = {ALL: self.everybody, **self.groups(), DECILE: self._isolated()}
        for group, inside in groups.items():
            found = {attack: self._both(values, inside) for attack, values in scores.items()}
            rows += [self._auc_row(attack, group, inside, *both) for attack, both in found.items()]
            if group == ALL:
                aucs, rates = map(list, zip(*found.values(), strict=True))
                rows.append(self._worst_row(AttackId.WORST, aucs, rates, CHANCE_LEVEL))
            elif group != DECILE:
                for attack, (aucs, _) in found.items():
                    by_population.setdefault(attack, []).append(aucs)
        if by_population:
            [strongest] = [row for row in rows if row.attack is AttackId.WORST]
            alone = strongest.verdict is not Verdict.FAIL
            rows.append(self._worst_population_row(by_population, alone))
        return rows

    def _worst_population_row(
        self, found: dict[Scored, list[tuple]], alone: bool
    ) -> PrivateAttackRow:
        """Small groups cannot show that they are safe, but they can show a leak: this row can only
        accuse.

        Shuffled labels leave the scores as they are, although held-out individuals are both scored
        and the reference: two who are near each other are both taken for outsiders. In groups of
        some fifty that widens what chance does by a fifth. So before a population `alone` is
        accused, roles are exchanged and all scores computed anew.
        """
        everything = [own_value for own in found.values() for own_value in own]
        row = self._worst_row(AttackId.WORST_POPULATION, everything, [], RARE_LEVEL)
        again = {
            scored: own for scored, own in found.items() if scored.attack is not AttackId.SHADOWS
        }
        verdict = row.verdict
        if alone and verdict is Verdict.FAIL and self._within_chance(again):
            shadows = found.get(Scored(AttackId.SHADOWS))
            verdict = Verdict.PASS
            if shadows:
                verdict = self._worst_row(AttackId.SHADOWS, shadows, [], RARE_LEVEL).verdict
        return replace(row, verdict=Verdict.PASS if verdict is Verdict.WEAK else verdict)

    def _within_chance(self, found: dict[Scored, list[tuple]]) -> bool:
        """Whether exchanged roles reach the largest AUC of a population in more than 1 -
        `RARE_LEVEL` of the cases.

        One of 99 that does is enough to know (Besag & Clifford 1991, doi:10.1093/biomet/78.2.301).
        """
        observed = max(value for own in found.values() for value, _, _ in own)
        rng = np.random.default_rng(derive_seed(self.seed, "exchange"))
        for _ in range(fewest_resamples(1 - RARE_LEVEL)):
            scores = self._by_individual(self.data.exchanged(rng).scores(self.seed))
            scores[Scored(AttackId.STACKED)] = self._attacker(
                np.stack(list(scores.values()), axis=1)
            )
            for inside in self.groups().values():
                members, others = inside & self.member, inside & ~self.member
                if max(auc(own[members], own[others]) for own in scores.values()) >= observed:
                    return True
        return False

    def _isolated(self) -> np.ndarray:
        """The tenth of each role that is farthest from all of the reference: individuals with
        haplotypes like nobody else's.
        """
        isolation, inside = self.data.isolation(), np.zeros(2 * self.n, dtype=bool)
        for rows in np.split(np.arange(2 * self.n), 2):
            inside[rows[np.argsort(-isolation[rows], kind="stable")[: max(2, self.n // 10)]]] = True
        return inside

    def _auc_row(
        self, scored: Scored, group: str, inside: np.ndarray, found: tuple, rates: tuple
    ) -> PrivateAttackRow:
        value, resampled, shuffled = found
        low, high = percentile_interval(resampled)
        return self._row(
            scored,
            Measure.AUC,
            value,
            self._verdict(low, high),
            population=group,
            low=low,
            high=high,
            reference=self._reference(shuffled, CHANCE_LEVEL),
            n=int(inside.sum()) // 2,
            tpr_at_1_percent_fpr=float(rates[0]),
            tpr_reference=self._reference(rates[2], RARE_LEVEL),
        )

    def _worst_row(
        self, attack: AttackId, aucs: list[tuple], rates: list[tuple], level: float
    ) -> PrivateAttackRow:
        reference = float(np.quantile(np.max([a[2] for a in aucs], axis=0), level))
        value, low, high = interval_of_maximum(
            np.array([a[0] for a in aucs]), np.array([a[1] for a in aucs]), reference
        )
        row = self._row(
            Scored(attack),
            Measure.AUC,
            value,
            self._verdict(low, high),
            low=low,
            high=high,
            reference=reference,
        )
        if not rates:
            return row
        by_chance = np.max([rate[2] for rate in rates], axis=0)
        return replace(
            row,
            tpr_at_1_percent_fpr=float(max(rate[0] for rate in rates)),
            tpr_reference=self._reference(by_chance, RARE_LEVEL),
        )

    def _reference(self, shuffled: np.ndarray, level: float) -> float:
        """What chance exceeds in 1 - `level` of the audits; nan where so few individuals or
        shuffles cannot say.
        """
        return float(np.quantile(shuffled, level)) if self.resampling.least_p <= 1 - level else nan

    def _verdict(self, low: float, high: float) -> Verdict:
        return auc_verdict(low, high, self.max_auc, len(self.resampling.labels))

    def _copy_rows(self) -> list[PrivateAttackRow]:
        """Tests for near copies and copied segments."""
        individuals = self.data.individuals
        population = individuals.population[
            np.concatenate([individuals.synthetic, individuals.holdout, individuals.train])
        ]
        rng = np.random.default_rng(derive_seed(self.seed, "roles"))
        tests = self.data.similarities.tests(self.resampling.labels, population, rng, self.phased)
        return [
            self._row(
                Scored(attack),
                Measure.ONE_SIDEDNESS,
                test.statistic,
                test.verdict,
                reference=test.reference,
                note=UNSEEN
                if test.verdict is Verdict.NOT_RUN and test.few_copies_chance > COPY_LEVEL
                else "",
            )
            for attack, test in tests.items()
        ]

    def _comparable_row(self) -> PrivateAttackRow:
        """Correlation of allele frequencies; the verdict is also about how many sites are
        compared.
        """
        return self._row(
            Scored(AttackId.COMPARABLE),
            Measure.FREQUENCY_CORRELATION,
            correlation(*self.frequencies),
            Verdict.NOT_RUN if self.not_comparable else Verdict.PASS,
            reference=LEAST_CORRELATION,
        )

    def _row(
        self, scored: Scored, measure: Measure, value: float, verdict: Verdict, **more
    ) -> PrivateAttackRow:
        cells = {"n": self.n, "value": float(value), "measure": measure, "verdict": verdict}
        return PrivateAttackRow(**self.of, **scored._asdict(), **cells | more)

    def _not_run_row(self, scored: Scored, note: str = "") -> PrivateAttackRow:
        """The row of an attack that was not run, and why."""
        return self._row(scored, Measure.NONE, nan, Verdict.NOT_RUN, note=note)

    def _loss_row(self) -> PrivateAttackRow:
        """Privacy loss: AATS(holdout, synthetic) - AATS(train, synthetic); positive when training
        individuals are nearer.
        """
        loss = self.data.aats(Group.HOLDOUT) - self.data.aats(Group.TRAIN)
        return self._row(
            Scored(AttackId.PRIVACY_LOSS),
            Measure.DIFFERENCE,
            loss,
            within(loss - MAX_LOSS, loss, MAX_LOSS),
            reference=0.0,
        )

    def _runs_row(self) -> PrivateAttackRow:
        """Longest runs shared with training haplotypes over those shared with held-out ones, mean
        over synthetic haplotypes.
        """
        own = self.data.own_rows(Group.SYNTHETIC)
        training, holdout = (
            self.data.attack(CopiedSegments).of_synthetic(role)[own]
            for role in ("train", "holdout")
        )
        picks = self.rng.integers(0, len(holdout), size=(len(self.resampling.labels), len(holdout)))
        ratios = training[picks].mean(axis=1) / np.maximum(holdout[picks].mean(axis=1), 1e-12)
        low, high = percentile_interval(ratios)
        ratio = float(training.mean() / max(holdout.mean(), 1e-12))
        verdict = within(low, high, MAX_RUN_RATIO)
        # in a region so short whole copies would not be conspicuous
        if (
            not self.has_tails
            or self.data.attack(CopiedSegments).longest_possible <= MAX_RUN_RATIO * holdout.mean()
        ):
            verdict = Verdict.NOT_RUN
        return self._row(
            Scored(AttackId.LONGEST_SHARED_RUN),
            Measure.RATIO,
            ratio,
            verdict,
            low=low,
            high=high,
            reference=1.0,
        )

    def _kinship_row(self) -> PrivateAttackRow:
        """Kinship with the most related synthetic individual, none counting as 0: mean over
        training individuals minus over held-out ones.
        """
        kinship = np.maximum(self.scores[Scored(AttackId.KINSHIP)], 0)
        weights = self.resampling
        means = (
            weights.member_weights @ kinship[self.n :] - weights.other_weights @ kinship[: self.n]
        )
        low, high = percentile_interval(means / self.n)
        shuffled = np.where(weights.labels, kinship, -kinship).sum(axis=1) / self.n
        value = float(kinship[self.n :].mean() - kinship[: self.n].mean())
        reference = self._reference(shuffled, CHANCE_LEVEL)
        verdict = Verdict.FAIL if low > reference else Verdict.PASS
        return self._row(
            Scored(AttackId.KINSHIP_WITH_SYNTHETIC),
            Measure.DIFFERENCE,
            value,
            Verdict.NOT_RUN if isnan(reference) else verdict,
            low=low,
            high=high,
            reference=reference,
        )

    def _relative_rows(self) -> list[PrivateAttackRow]:
        """Are relatives of training individuals exposed? By children mated in silico, and by real
        relatives where there are any.

        A child has one haplotype of a training individual and one of a held-out individual, against
        children of two held-out individuals. Haplotypes are passed on whole: an upper bound where
        recombination is frequent. Where somebody is haploid, children have not one haplotype of
        each parent, and are not made.
        """
        attack = Scored(AttackId.NEAREST_AGAINST_REFERENCE, self.data.windows[0])
        haplotypes = self.by_haplotype[attack].reshape(2, self.n, 2)
        given = np.take_along_axis(haplotypes, self.rng.integers(0, 2, (2, self.n, 1)), axis=2)[
            :, :, 0
        ]
        mates = np.empty(self.n, dtype=np.int64)
        for name in np.unique(self.population[: self.n]):
            inside = np.flatnonzero(self.population[: self.n] == name)
            mates[np.roll(inside, 1)] = inside  # another held-out individual of the population
        children = np.concatenate([given[0] + given[0][mates], given[1] + given[0][mates]])
        replayed = Scored(AttackId.KINSHIP_REPLAY_CHILDREN)
        rows = [
            self._not_run_row(replayed, "individuals are haploid")
            if self.data.haploid.any()
            else self._auc_row(replayed, ALL, self.everybody, *self._both(children, self.everybody))
        ]
        if self.relatives is not None and 2 <= self.relatives.sum() <= self.n - 2:
            holdout = self.scores[attack][: self.n]
            related, others = holdout[self.relatives], holdout[~self.relatives]
            picks = Resampling(
                np.repeat("", self.n), int(others.size), len(self.resampling.labels), self.rng
            )
            scores, inside = np.concatenate([others, related]), np.ones(self.n, dtype=bool)
            found = picks.aucs(scores, inside), picks.true_positive_rates(scores, inside)
            row = self._auc_row(Scored(AttackId.KINSHIP_REPLAY_RELATIVES), ALL, inside, *found)
            rows.append(replace(row, n=int(related.size)))
        return rows

    def _both(self, scores: np.ndarray, inside: np.ndarray) -> tuple[tuple, tuple]:
        return self.resampling.aucs(scores, inside), self.resampling.true_positive_rates(
            scores, inside
        )

    def _model_rows(self, model_scores: dict[AttackId, np.ndarray]) -> list[PrivateAttackRow]:
        """Attacks that need the model file: they say what giving it away would reveal, and do not
        count for the data.
        """
        rows = []
        for attack, scores in model_scores.items():
            inside = np.isfinite(scores)
            rows.append(
                self._auc_row(
                    Scored(attack), ALL, inside, *self._both(np.where(inside, scores, 0), inside)
                )
            )
        return rows

    def _individuals(self, ids: Sequence[str]) -> list[ExposureRow]:
        """Who is exposed, and how much, next to held-out individuals."""
        nearest = self.data.attack(Kinship).squared.min(axis=1)
        return exposure_rows(self.scores, self.odds, self.population, ids, self.n, nearest)
