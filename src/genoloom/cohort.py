"""The synthetic individuals, made before any chromosome: the same individuals on every contig."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from genoloom.errors import InputError
from genoloom.panel import Individuals
from genoloom.ploidy import Ploidy
from genoloom.seeds import derive_seed
from genoloom.tracts import Tracts, draw_tracts

ADMIXED = "admixed"  # population of admixed individuals


@dataclass(frozen=True)
class Cohort:
    """Synthetic individuals, and all that their haplotypes follow from but the model.

    Attributes
    ----------
    individuals : Individuals
    seed : list of int
        One an individual.
    ancestry : list of dict
        Shares of populations of each admixed individual; empty for the others, who are of their
        population throughout.
    generations : list of float
        Since admixture; 0 for individuals who are not admixed.
    inbreeding : list of float
        Inbreeding coefficient.
    meioses : list of float
        Around the inbreeding loop.
    parents : list of (father, mother)
        Their names; ("", "") of founders, whose haplotypes a generator draws. Parents come before
        their children.
    """

    individuals: Individuals
    seed: list[int]
    ancestry: list[dict[str, float]]
    generations: list[float]
    inbreeding: list[float]
    meioses: list[float]
    parents: list[tuple[str, str]]

    @property
    def has_families(self) -> bool:
        return any(father for father, _ in self.parents)

    def renamed(self, labels: dict[str, str]) -> "Cohort":
        """The same individuals, with the names that a model has for their populations."""
        ancestry = []
        for shares in self.ancestry:
            merged: dict[str, float] = {}
            for name, share in shares.items():
                merged[labels.get(name, name)] = merged.get(labels.get(name, name), 0.0) + share
            ancestry.append(merged)
        population = [labels.get(name, name) for name in self.individuals.population]
        return replace(
            self, individuals=replace(self.individuals, population=population), ancestry=ancestry
        )

    def take(self, index: np.ndarray) -> "Cohort":
        """The individuals at these integers."""
        columns = (
            [values[i] for i in index]
            for values in (
                self.seed,
                self.ancestry,
                self.generations,
                self.inbreeding,
                self.meioses,
                self.parents,
            )
        )
        return Cohort(self.individuals.take(index), *columns)

    def populations(self) -> set[str]:
        """All that haplotypes are asked of."""
        own = {
            p
            for p, ancestry in zip(self.individuals.population, self.ancestry, strict=True)
            if not ancestry
        }
        return own.union(*self.ancestry)

    def ancestry_tracts(self, contig: str, map_cm: np.ndarray, names: list[str]) -> Tracts:
        """Index into `names` of each haplotype's ancestry along the contig; two haplotypes an
        individual.
        """
        first, label = [], []
        for i, ancestry in enumerate(self.ancestry):
            shares = np.array([ancestry.get(name, 0.0) for name in names])
            for h in (1, 2):
                if ancestry:
                    seed = derive_seed(self.seed[i], "ancestry", contig, h)
                    drawn = draw_tracts(seed, map_cm, shares, self.generations[i])
                else:
                    drawn = (
                        np.zeros(1, dtype=np.int64),
                        np.array([names.index(self.individuals.population[i])]),
                    )
                first.append(drawn[0])
                label.append(drawn[1])
        return Tracts(first, label)

    def descent(self, contig: str, map_cm: np.ndarray, ploidy: Ploidy) -> Tracts:
        """Index into the haplotypes (two for each individual) of the founder's haplotype that each
        haplotype is a copy of, along the contig.

        Of a diploid contig the first haplotype is the father's. Crossovers come at one a Morgan
        without interference (Haldane 1919). Males inherit X from the mother, daughters the father's
        X as it is; Y is the father's, a mitochondrion the mother's. Of who is haploid both
        haplotypes are the same.
        """
        at = {name: i for i, name in enumerate(self.individuals.id)}
        found = Tracts([], [])

        def add(tracts: Tracts) -> None:
            found.first.extend(tracts.first)
            found.label.extend(tracts.label)

        def take(i: int, parent: str, crosses: bool = True) -> None:
            rate = 2.0 if crosses else 0.0  # at half of the events the haplotype stays
            seed = derive_seed(self.seed[i], "meiosis", contig, parent)
            first, side = draw_tracts(seed, map_cm, np.array([0.5, 0.5]), rate)
            add(Tracts([first], [2 * at[parent] + side]).through(found))

        haploid = ploidy.haploid(self.individuals.sex)
        for i, (father, mother) in enumerate(self.parents):
            if not father:
                add(Tracts.constant(np.array([2 * i, 2 * i + 1])))
            elif haploid[i]:
                parent = father if ploidy is Ploidy.Y_LINKED else mother
                for _ in range(2):
                    take(i, parent, crosses=ploidy is Ploidy.X_LINKED)
            else:
                take(i, father, crosses=ploidy is not Ploidy.X_LINKED)
                take(i, mother)
        return found

    def autozygous_tracts(self, contig: str, map_cm: np.ndarray) -> Tracts:
        """1 where an individual's second haplotype is a copy of the first, else 0; one row an
        individual.
        """
        drawn = [
            draw_tracts(
                derive_seed(seed, "autozygous", contig), map_cm, np.array([1 - f, f]), meioses
            )
            for seed, f, meioses in zip(self.seed, self.inbreeding, self.meioses, strict=True)
        ]
        return Tracts([first for first, _ in drawn], [label for _, label in drawn])


def parse_shares(
    text: str, trained: dict[str, int], superpopulation: dict[str, str], flag: str = "--populations"
) -> dict[str, float]:
    """Shares such as "GBR:0.7,FIN:0.3" or "EUR:0.7,AFR:0.3", by population, scaled to sum to one.

    Parameters
    ----------
    trained : dict
        Individuals of each population that the model knows. A superpopulation's share is
        divided among its populations in this proportion.
    superpopulation : dict
        The superpopulation of each population, "" where there is none.
    flag : str
        The option, for messages.

    Raises
    ------
    InputError
        The text is not understood, or names a population that the model does not know.
    """
    shares: dict[str, float] = {}
    named = set()
    for part in text.split(","):
        name, _, number = part.strip().partition(":")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 <= value < np.inf or name in named:
            raise InputError(
                flag,
                f"'{part.strip()}' is not understood",
                expected="shares such as GBR:0.7,FIN:0.3",
            )
        named.add(name)
        members = (
            [name]
            if name in trained
            else [p for p in trained if superpopulation.get(p) == name and name]
        )
        if not members:
            known = [*trained, *sorted({superpopulation.get(p, "") for p in trained} - {""})]
            raise InputError(
                flag,
                f"the model knows no population '{name}'",
                expected=f"one of {', '.join(known)}",
            )
        individuals = sum(trained[p] for p in members)
        for p in members:
            shares[p] = shares.get(p, 0.0) + value * (
                trained[p] / individuals if individuals else 1 / len(members)
            )
    total = sum(shares.values())
    if total <= 0:
        raise InputError(flag, f"'{text}' sums to nothing", expected="positive shares")
    return {name: value / total for name, value in shares.items()}


def parse_labels(
    text: str | None, known: Collection[str], flag: str = "--populations"
) -> dict[str, str]:
    """Which population of a public panel represents which of a cohort: "IBS:TSI,FIN:CEU" as
    {"IBS": "TSI", "FIN": "CEU"}. A population that is not named represents itself.

    Raises
    ------
    InputError
        The text is not understood, names a population twice or one that the panel does not know.
    """
    labels: dict[str, str] = {}
    for part in (text or "").split(",") if text else ():
        label, _, name = (word.strip() for word in part.partition(":"))
        if not label or not name or label in labels:
            raise InputError(
                flag,
                f"'{part.strip()}' is not understood",
                expected="pairs of the cohort's and the public panel's populations, each of the "
                "cohort's once, such as IBS:TSI,FIN:CEU",
            )
        if name not in known:
            raise InputError(
                flag,
                f"the public panel knows no population '{name}'",
                expected=f"one of {', '.join(known)}",
            )
        labels[label] = name
    return labels


def largest_remainder(shares: dict[str, float], size: int) -> dict[str, int]:
    """Whole numbers that sum to `size` in the given shares (Hamilton's method); ties go to the
    first name.
    """
    exact = {name: share * size for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (counts[name] - exact[name], name))
    for name in by_remainder[: size - sum(counts.values())]:
        counts[name] += 1
    return counts


def make_individuals(shares: dict[str, float], size: int, female: float, seed: int) -> Individuals:
    """`size` synthetic individuals SYN000001 ..., in shuffled order of populations.

    Parameters
    ----------
    shares : dict
        Share of each population; sums to one.
    female : float
        Share of female individuals, exact up to rounding.
    """
    counts = largest_remainder(shares, size)
    rng = np.random.default_rng(derive_seed(seed, "cohort"))
    population = rng.permutation(
        np.repeat(sorted(counts), [counts[name] for name in sorted(counts)])
    )
    sex = rng.permutation(
        np.array(["female"] * round(female * size) + ["male"] * (size - round(female * size)))
    )
    return Individuals(individual_names(size), population.tolist(), sex.tolist())


def make_families(
    units: Individuals, couples: int, children: int, female: float, seed: int
) -> tuple[Individuals, list[tuple[str, str]]]:
    """Couples with their children in place of some individuals, and everybody's parents.

    A family is of one population: that of the individual it replaces. Families keep together;
    names are given anew.

    Parameters
    ----------
    units : Individuals
        One for each family and each individual without one.
    female : float
        Share of girls among the children, exact up to rounding.

    Returns
    -------
    (Individuals, list of (father, mother))
        The names of the parents are "" for those who have none.
    """
    rng = np.random.default_rng(derive_seed(seed, "families"))
    chosen = set(rng.permutation(len(units))[:couples].tolist())
    n_girls = round(female * couples * children)
    sexes = rng.permutation(
        np.array(["female"] * n_girls + ["male"] * (couples * children - n_girls))
    )
    size = len(units) + couples * (1 + children)
    names = individual_names(size)
    family, population, sex, parents, n_families = [], [], [], [], 0
    for i in range(len(units)):
        members, name, couple = [units.sex[i]], "", ("", "")
        if i in chosen:
            born = sexes[n_families * children : (n_families + 1) * children]
            n_families += 1
            members = ["male", "female", *born.tolist()]
            name, couple = f"FAM{n_families:06d}", (names[len(sex)], names[len(sex) + 1])
        parents += [("", "")] * min(len(members), 2) + [couple] * (len(members) - 2)
        sex += members
        population += [units.population[i]] * len(members)
        family += [name] * len(members)
    return Individuals(names, population, sex, family), parents


def individual_names(size: int) -> list[str]:
    """SYN000001 ..."""
    width = max(6, len(str(size)))
    return [f"SYN{i:0{width}d}" for i in range(1, size + 1)]
