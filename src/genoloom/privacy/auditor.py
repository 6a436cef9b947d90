"""The rows of an audit: every attack judged, and the tests for copies and kinship."""

from collections.abc import Sequence

import numpy as np

from genoloom.audit_levels import CHANCE_LEVEL, INTERVAL, RARE_LEVEL, fewest_resamples
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.attacks import CopiedSegments, Kinship, Nearest, per_individual, windows_of
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.comparable import LEAST_CORRELATION, correlation, reasons_against
from genoloom.privacy.excess import LeakBasis, split_rows, within_chance
from genoloom.privacy.exposure import exposure_rows, stacked
from genoloom.privacy.measures import (
    Resampling,
    auc,
    auc_verdict,
    interval_of_maximum,
    percentile_interval,
)
from genoloom.privacy.shadows import Shadow, calibrated
from genoloom.seeds import derive_seed
from genoloom.validation.verdicts import Verdict, worst

MIN_POPULATION = 20  # individuals per role; of smaller groups nothing is made public
DECILE = "most isolated tenth"
MAX_RUN_RATIO = 1.25
MAX_LOSS = 0.05


class Auditor:
    """Judges the scores of one audit.

    An attack passes when the upper bound of its AUC is at most `max_auc`, fails when its lower
    bound is above it, and is weak between. What could not have failed is `not run`. Where the model
    was made from public individuals (`basis.public`), the worst attack and the excess also pass
    within chance: no leak is possible, and none is seen.
    """

    def __init__(
        self,
        data: AuditData,
        resamples: int,
        max_auc: float,
        seed: int,
        relatives: np.ndarray | None = None,
        phased: bool = True,
        shadows: Sequence[Shadow] = (),
        max_excess: float = 0.03,
        basis: LeakBasis | None = None,
        unmatched: float = 0.0,
    ):
        self.data, self.max_auc, self.relatives, self.phased = data, max_auc, relatives, phased
        individuals = data.individuals
        self.max_excess, self.basis = (
            max_excess,
            basis or LeakBasis(data.effective_sites, individuals.n, individuals.n),
        )
        self.n = individuals.n
        self.seed = seed
        self.frequencies = np.concatenate(list(data.frequencies.values()), axis=1)
        self.not_comparable = reasons_against(data.frequencies, unmatched)
        self.population = individuals.population[
            np.concatenate([individuals.holdout, individuals.train])
        ]
        self.rng = np.random.default_rng(derive_seed(seed, "audit"))
        self.resampling = Resampling(self.population, individuals.n, resamples, self.rng)
        self.has_tails = resamples >= fewest_resamples((1 - INTERVAL) / 2)
        self.member = np.arange(2 * individuals.n) >= individuals.n
        self.everybody = np.ones(2 * individuals.n, dtype=bool)
        self.by_haplotype = data.scores(seed)
        self.scores = self._by_individual(self.by_haplotype)
        self.odds = self._attacker(np.stack(list(self.scores.values()), axis=1))
        self.attackers = {AttackId.STACKED: self.odds}
        if shadows:
            # next to the scores as they are: few shadow models are noise, and the better score
            # counts
            known = [np.stack(list(self.scores.values()), axis=1), calibrated(self.scores, shadows)]
            self.attackers[AttackId.SHADOWS] = self._attacker(np.concatenate(known, axis=1))

    def _by_individual(self, scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            attack: per_individual(values) if len(values) == 4 * self.n else values
            for attack, values in scores.items()
            if self._runs(attack)
        }

    def _attacker(self, features: np.ndarray) -> np.ndarray:
        return stacked(features, self.population, self.member, derive_seed(self.seed, "stacked"))

    def groups(self) -> dict[str, np.ndarray]:
        """Populations of at least `MIN_POPULATION` individuals per role, as masks over everybody."""
        masks = {name: self.population == name for name in sorted(set(self.population))}
        return {name: mask for name, mask in masks.items() if mask.sum() >= 2 * MIN_POPULATION}

    def _runs(self, attack: str) -> bool:
        return self.phased or attack not in self.data.needs_phase

    def rows(self) -> list[dict]:
        """All rows; the last one is the worst of them, and its verdict that of the audit."""
        judged = self._attack_rows(self.scores | self.attackers)
        strongest = next(row for row in judged if row["attack"] is AttackId.WORST)
        rows = [row for row in judged if row is not strongest]
        if self.basis.public and within_chance(strongest):
            strongest = strongest | {"verdict": Verdict.PASS}
        parts = split_rows(strongest, self.basis, self.max_auc, self.max_excess)
        rows += parts
        # resampling so few individuals says little: they can show a leak, and never that there is
        # none
        few = [Verdict.WEAK] if self.n < MIN_POPULATION else []
        deciding = [
            *few,
            strongest["verdict"],
            *(row["verdict"] for row in judged if row["attack"] is AttackId.WORST_POPULATION),
        ]
        others = [self._comparable_row(), *self._copy_rows(), self._kinship_row()]
        others += [self._runs_row()] if self.phased else []
        skipped = [attack for attack in self.by_haplotype if not self._runs(attack)]
        skipped += [] if self.phased else [attack for attack in AttackId if attack.needs_phase]
        others += [self.not_run_row(attack) for attack in skipped]
        rows += others
        deciding += [row["verdict"] for row in others] + [parts[1]["verdict"]]
        rows += [self._loss_row(), *(self._relative_rows() if self.phased else [])]
        return [*rows, strongest | {"verdict": worst(deciding)}]

    def _attack_rows(self, scores: dict[str, np.ndarray]) -> list[dict]:
        """A row for each attack (everybody, each population, the most isolated individuals), and
        one for the worst of each.
        """
        rows = []
        by_population: dict[str, list[tuple[float, np.ndarray, np.ndarray]]] = {}
        for group, inside in {
            "all": self.everybody,
            **self.groups(),
            DECILE: self._isolated(),
        }.items():
            aucs = {
                attack: self.resampling.aucs(values, inside) for attack, values in scores.items()
            }
            rates = {
                attack: self.resampling.true_positive_rates(values, inside)
                for attack, values in scores.items()
            }
            rows += [
                self._auc_row(attack, group, inside, aucs[attack], rates[attack])
                for attack in scores
            ]
            if group == "all":
                rows.append(
                    self._worst_row(
                        AttackId.WORST, list(aucs.values()), list(rates.values()), CHANCE_LEVEL
                    )
                )
            elif group != DECILE:
                for attack, found in aucs.items():
                    by_population.setdefault(attack, []).append(found)
        if by_population:
            fails = (
                next(row["verdict"] for row in rows if row["attack"] is AttackId.WORST)
                == Verdict.FAIL
            )
            rows.append(self._worst_population_row(by_population, alone=not fails))
        return rows

    def _worst_population_row(self, found: dict[str, list[tuple]], alone: bool) -> dict:
        """Small groups cannot show that they are safe, but they can show a leak: this row can only
        accuse.

        Shuffled labels leave the scores as they are, although held-out individuals are both scored
        and the reference: two who are near each other are both taken for outsiders. In groups of
        some fifty that widens what chance does by a fifth. So before a population `alone` is
        accused, roles are exchanged and all scores computed anew.
        """
        everything = [own_value for own in found.values() for own_value in own]
        row = self._worst_row(AttackId.WORST_POPULATION, everything, [], RARE_LEVEL)
        again = {attack: own for attack, own in found.items() if attack != AttackId.SHADOWS}
        if alone and row["verdict"] == Verdict.FAIL and self._within_chance(again):
            shadows = found.get(AttackId.SHADOWS)
            row["verdict"] = (
                self._worst_row("", shadows, [], RARE_LEVEL)["verdict"] if shadows else Verdict.PASS
            )
        return row | {"verdict": Verdict.PASS if row["verdict"] == Verdict.WEAK else row["verdict"]}

    def _within_chance(self, found: dict[str, list[tuple]]) -> bool:
        """Whether exchanged roles reach the largest AUC of a population in more than 1 -
        `RARE_LEVEL` of the cases.

        One of 99 that does is enough to know (Besag & Clifford 1991, doi:10.1093/biomet/78.2.301).
        """
        observed = max(value for own in found.values() for value, _, _ in own)
        rng = np.random.default_rng(derive_seed(self.seed, "exchange"))
        for _ in range(fewest_resamples(1 - RARE_LEVEL)):
            scores = self._by_individual(self.data.exchanged(rng).scores(self.seed))
            scores[AttackId.STACKED] = self._attacker(np.stack(list(scores.values()), axis=1))
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
        self, attack: str, group: str, inside: np.ndarray, found: tuple, rates: tuple
    ) -> dict:
        value, resampled, shuffled = found
        low, high = percentile_interval(resampled)
        return {
            "attack": attack, "population": group, "measure": "auc", "value": value, "low": low,
            "high": high,
            "reference": self._reference(shuffled, CHANCE_LEVEL), "n": int(inside.sum()) // 2,
            "verdict": self._verdict(low, high),
            "tpr_at_1_percent_fpr": rates[0],
            "tpr_reference": self._reference(rates[2], RARE_LEVEL),
        }  # fmt: skip

    def _worst_row(self, name: str, aucs: list[tuple], rates: list[tuple], level: float) -> dict:
        reference = float(np.quantile(np.max([a[2] for a in aucs], axis=0), level))
        value, low, high = interval_of_maximum(
            np.array([a[0] for a in aucs]), np.array([a[1] for a in aucs]), reference
        )
        row = {
            "attack": name, "population": "all", "measure": "auc", "value": value, "low": low,
            "high": high,
            "reference": reference, "n": self.n, "verdict": self._verdict(low, high),
        }  # fmt: skip
        if rates:
            row["tpr_at_1_percent_fpr"] = max(rate[0] for rate in rates)
            row["tpr_reference"] = self._reference(
                np.max([rate[2] for rate in rates], axis=0), RARE_LEVEL
            )
        return row

    def _reference(self, shuffled: np.ndarray, level: float) -> float | None:
        """What chance exceeds in 1 - `level` of the audits; None where so few individuals or
        shuffles cannot say.
        """
        return float(np.quantile(shuffled, level)) if self.resampling.least_p <= 1 - level else None

    def _verdict(self, low: float, high: float) -> str:
        return auc_verdict(low, high, self.max_auc, len(self.resampling.labels))

    def _copy_rows(self) -> list[dict]:
        """Tests for near copies and copied segments."""
        individuals = self.data.individuals
        population = individuals.population[
            np.concatenate([individuals.synthetic, individuals.holdout, individuals.train])
        ]
        rng = np.random.default_rng(derive_seed(self.seed, "roles"))
        tests = self.data.similarities.tests(self.resampling.labels, population, rng, self.phased)
        return [
            self._row(
                name,
                "one-sidedness",
                test.statistic,
                reference=test.reference,
                verdict=test.verdict,
            )
            for name, test in tests.items()
        ]

    def _comparable_row(self) -> dict:
        """Correlation of allele frequencies; the verdict is also about how many sites are
        compared.
        """
        return self._row(
            AttackId.COMPARABLE, "frequency correlation", correlation(*self.frequencies),
            reference=LEAST_CORRELATION,
            verdict=Verdict.NOT_RUN if self.not_comparable else Verdict.PASS,
        )  # fmt: skip

    def _row(self, attack: str, measure: str, value: float | None, **more) -> dict:
        return {
            "attack": attack,
            "population": "all",
            "measure": measure,
            "value": value,
            "n": self.n,
            **more,
        }

    def not_run_row(self, attack: str, note: str = "") -> dict:
        """The row of an attack that was not run, and why."""
        return self._row(attack, "", None, verdict=Verdict.NOT_RUN, note=note)

    def _loss_row(self) -> dict:
        """Privacy loss: AATS(holdout, synthetic) - AATS(train, synthetic); positive when training
        individuals are nearer.
        """
        loss = self.data.aats("holdout") - self.data.aats("train")
        verdict = (
            Verdict.PASS
            if loss <= MAX_LOSS
            else Verdict.WEAK
            if loss <= 2 * MAX_LOSS
            else Verdict.FAIL
        )
        return self._row(AttackId.PRIVACY_LOSS, "difference", loss, reference=0.0, verdict=verdict)

    def _runs_row(self) -> dict:
        """Longest runs shared with training haplotypes over those shared with held-out ones, mean
        over synthetic haplotypes.
        """
        training, holdout = (
            self.data.attack(CopiedSegments).of_synthetic(role) for role in ("train", "holdout")
        )
        picks = self.rng.integers(0, len(holdout), size=(len(self.resampling.labels), len(holdout)))
        ratios = training[picks].mean(axis=1) / np.maximum(holdout[picks].mean(axis=1), 1e-12)
        low, high = percentile_interval(ratios)
        ratio = float(training.mean() / max(holdout.mean(), 1e-12))
        verdict = (
            Verdict.PASS
            if high <= MAX_RUN_RATIO
            else Verdict.WEAK
            if low <= MAX_RUN_RATIO
            else Verdict.FAIL
        )
        # in a region so short whole copies would not be conspicuous
        if (
            not self.has_tails
            or self.data.attack(CopiedSegments).longest_possible <= MAX_RUN_RATIO * holdout.mean()
        ):
            verdict = Verdict.NOT_RUN
        return self._row(
            AttackId.LONGEST_SHARED_RUN,
            "ratio",
            ratio,
            low=low,
            high=high,
            reference=1.0,
            verdict=verdict,
        )

    def _kinship_row(self) -> dict:
        """Kinship with the most related synthetic individual, none counting as 0: mean over
        training individuals minus over held-out ones.
        """
        kinship = np.maximum(self.scores["kinship"], 0)
        weights = self.resampling
        means = (
            weights.member_weights @ kinship[self.n :] - weights.other_weights @ kinship[: self.n]
        )
        low, high = percentile_interval(means / self.n)
        shuffled = np.where(weights.labels, kinship, -kinship).sum(axis=1) / self.n
        value = float(kinship[self.n :].mean() - kinship[: self.n].mean())
        reference = self._reference(shuffled, CHANCE_LEVEL)
        return self._row(
            AttackId.KINSHIP_WITH_SYNTHETIC,
            "difference",
            value,
            low=low,
            high=high,
            reference=reference,
            verdict=Verdict.NOT_RUN
            if reference is None
            else Verdict.FAIL
            if low > reference
            else Verdict.PASS,
        )

    def _relative_rows(self) -> list[dict]:
        """Are relatives of training individuals exposed? By children mated in silico, and by real
        relatives where there are any.

        A child has one haplotype of a training individual and one of a held-out individual, against
        children of two held-out individuals. Haplotypes are passed on whole: an upper bound where
        recombination is frequent.
        """
        attack = Nearest.against_reference(windows_of(self.data.windows[0]))
        haplotypes = self.by_haplotype[attack].reshape(2, self.n, 2)
        given = np.take_along_axis(haplotypes, self.rng.integers(0, 2, (2, self.n, 1)), axis=2)[
            :, :, 0
        ]
        mates = np.empty(self.n, dtype=np.int64)
        for name in np.unique(self.population[: self.n]):
            inside = np.flatnonzero(self.population[: self.n] == name)
            mates[np.roll(inside, 1)] = inside  # another held-out individual of the population
        children = np.concatenate([given[0] + given[0][mates], given[1] + given[0][mates]])
        rows = [
            self._auc_row(
                AttackId.KINSHIP_REPLAY_CHILDREN,
                "all",
                self.everybody,
                *self._both(children, self.everybody),
            )
        ]
        if self.relatives is not None and 2 <= self.relatives.sum() <= self.n - 2:
            holdout = self.scores[attack][: self.n]
            related, others = holdout[self.relatives], holdout[~self.relatives]
            picks = Resampling(
                np.repeat("", self.n), int(others.size), len(self.resampling.labels), self.rng
            )
            scores, inside = np.concatenate([others, related]), np.ones(self.n, dtype=bool)
            found = picks.aucs(scores, inside), picks.true_positive_rates(scores, inside)
            rows.append(
                self._auc_row(AttackId.KINSHIP_REPLAY_RELATIVES, "all", inside, *found)
                | {"n": int(related.size)}
            )
        return rows

    def _both(self, scores: np.ndarray, inside: np.ndarray) -> tuple[tuple, tuple]:
        return self.resampling.aucs(scores, inside), self.resampling.true_positive_rates(
            scores, inside
        )

    def model_rows(self, model_scores: dict[str, np.ndarray]) -> list[dict]:
        """Attacks that need the model file: they say what giving it away would reveal, and do not
        count for the data.
        """
        rows = []
        for attack, scores in model_scores.items():
            inside = np.isfinite(scores)
            rows.append(
                self._auc_row(
                    attack, "all", inside, *self._both(np.where(inside, scores, 0), inside)
                )
            )
        return rows

    def individuals(self) -> list[dict]:
        """Who is exposed, and how much, next to held-out individuals."""
        nearest = self.data.attack(Kinship).squared.min(axis=1)
        return exposure_rows(self.scores, self.odds, self.population, self.n, nearest)
