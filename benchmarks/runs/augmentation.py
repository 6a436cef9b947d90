"""Filling up a small group: ancestry, imputation and scores, next to cheaper remedies.

    python -m benchmarks augmentation --set 805 --few 20 --seeds 1-3 \\
        --generators independent matched_mosaic transformer gan

Individuals in halves. Of one population of the training half (the smallest that has more than
`--few` individuals, or `--population`) only this many are kept, and all individuals of the others;
generators learn from exactly these. All is tested on the held-out half.

Rows: `few`, the training individuals as they are; `all`, with the individuals that were taken away
(what could be had at best); `copies`, the few individuals again and again; and each generator,
whose synthetic individuals of that population are as many as were taken away, and so are the
copies. With `, relatives` the generator takes haplotypes of other populations that share rare
alleles with the few for theirs (as admixed individuals have); with `, everybody` it draws
individuals of every population, three times as many of each as the largest one has.

Columns: recall of the small population, accuracy on the others, balanced accuracy (logistic
regression on 20 principal components), and the same where every population has equal weight;
`dosage_r2` of individuals of the small population, imputed from sites of an array by the
Li-Stephens imputer; `score_r2`, the squared correlation there of ridge scores with the true genetic
value of planted traits, the mean of 40. Synthetic individuals have the traits that a score of the
real ones predicts, and noise: their genetic values are not known.

`--base-steps` adds the row `adapted`: a transformer that is trained on the other populations for so
many steps, and then adapted (`init_from`) to the few individuals for `--steps`. Sites that it does
not model have the commoner allele.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from benchmarks.options import add_shared, options_of
from benchmarks.runner import Case, fit_generator, train_model, variable_sites
from benchmarks.runs.adaptation import divided
from genoloom.errors import InputError
from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest
from genoloom.models.haplotype.training_data import training_haplotypes
from genoloom.models.load import load_generator
from genoloom.panel import Panel, genetic_positions, haplotype_columns
from genoloom.popgen.frequencies import minor_frequency
from genoloom.seeds import derive_seed, row_seeds
from genoloom.training_config import TrainSections, TransformerOptions
from genoloom.utility.association import polygenic_scores
from genoloom.utility.imputation import COMMON, Window, array_sites, by_copying
from genoloom.utility.measures import squared_correlation

COMPONENTS = 20
TRAITS, CAUSAL, HERITABILITY = 40, 10, 0.5
EVERY = 3  # individuals of every population next to those of the largest one
ARRAY_BP = 4000  # base pairs for each site that imputed individuals have
SCORED = "recall others balanced recall_weighted others_weighted balanced_weighted"
COLUMNS = f"few population row added {SCORED} dosage_r2 score_r2"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["demo"], seeds="1", steps=None, set_option=[])
    add_shared(parser, generators=["independent", "matched_mosaic", "transformer"])
    parser.add_argument(
        "--few", type=int, default=20, help="individuals left of the smallest population"
    )
    parser.add_argument("--population", help="the population (default: the smallest)")
    text = "training steps of a transformer on the other populations, which is then adapted"
    parser.add_argument("--base-steps", type=int, help=text)


def measure(case: Case) -> Iterator[dict]:
    panel, population, roles = case.panel, case.population, case.roles
    seed, arguments = case.seed, case.arguments
    train = np.flatnonzero(roles == "train")
    names, size = np.unique(population[train], return_counts=True)
    asked = np.ones(len(names), dtype=bool)
    if arguments.population:
        asked = names == arguments.population
    larger = np.flatnonzero((size > arguments.few) & asked)
    if not len(larger):
        raise InputError(
            f"--few {arguments.few}", "no population has this many training individuals"
        )
    small = names[larger[size[larger].argmin()]]
    own = np.random.default_rng(derive_seed(seed, "few")).permutation(
        train[population[train] == small]
    )
    kept = np.sort(np.concatenate([own[: arguments.few], train[population[train] != small]]))
    training = panel.take_individuals(kept)
    sites = variable_sites(training)
    training = training.take_sites(sites)
    few, few_population = training.haplotypes.read(0, len(sites)), population[kept]
    tasks = Tasks(panel.take_sites(sites), roles, small, seed)
    added = len(own) - arguments.few
    filled = np.concatenate([few_population, np.repeat(small, added)])

    def row(name: str, haplotypes: np.ndarray, label: np.ndarray, traits=None) -> dict:
        found = scores((dosages(haplotypes), label), tasks.classified, small)
        if traits is not None:
            found |= {"dosage_r2": tasks.dosage_r2(haplotypes, few)}
            found |= {"score_r2": tasks.score_r2(haplotypes, traits)}
        return {
            "few": arguments.few,
            "population": small,
            "row": name,
            "added": len(label) - len(few_population),
            **found,
        }

    own_traits = tasks.traits[:, kept]
    everybody = panel.take_individuals(train).take_sites(sites).haplotypes.read(0, len(sites))
    yield row("few", few, few_population, own_traits)
    yield row("all", everybody, population[train], tasks.traits[:, train])
    again = np.resize(np.flatnonzero(few_population == small), added)
    copied = np.hstack([few, few[:, haplotype_columns(again)]])
    yield row("copies", copied, filled, np.hstack([own_traits, own_traits[:, again]]))
    data = training_haplotypes(training, TrainSections().common.validation_fraction, seed)
    known = data.population_names
    theirs = with_relatives(few, data.population, known.index(small))
    templates = {"": data, ", relatives": replace(data, population=theirs)}
    largest = max(Counter(few_population.tolist()).values())
    everybody = np.repeat(known, EVERY * largest)
    for name, (of, given) in product(arguments.generators, templates.items()):
        options, _ = options_of(name, arguments)
        with tempfile.TemporaryDirectory() as state:
            generator = fit_generator(name, options, given, Path(state), seed)
        synthetic = draw(generator, np.repeat(small, added), seed)
        guessed = tasks.guessed_traits(few, own_traits, synthetic)
        traits = np.hstack([own_traits, guessed])
        yield row(f"{name}{of}", np.hstack([few, synthetic]), filled, traits)
        synthetic = draw(generator, everybody, seed)
        label = np.concatenate([few_population, everybody])
        yield row(f"{name}{of}, everybody", np.hstack([few, synthetic]), label)

    if arguments.base_steps:
        synthetic = adapted_haplotypes(case, training, np.array(few_population) == small, 2 * added)
        guessed = tasks.guessed_traits(few, own_traits, synthetic)
        yield row("adapted", np.hstack([few, synthetic]), filled, np.hstack([own_traits, guessed]))


def adapted_haplotypes(case: Case, training: Panel, few: np.ndarray, number: int) -> np.ndarray:
    """Haplotypes of a transformer of all individuals but the `few` (bool, per individual) that is
    adapted to these, int8 (n_sites, number).
    """
    place = case.place / "adapted"
    base, model = "", place
    for name, rows, steps in (
        ("base", ~few, case.arguments.base_steps), ("few", few, case.arguments.steps)
    ):  # fmt: skip
        own = training.take_individuals(np.flatnonzero(rows))
        own = own.take_sites(variable_sites(own))
        whose = divided(own, place / name / case.prefix.name, None)
        options = TransformerOptions(steps=steps, init_from=base or None)
        model = train_model(case, "transformer", options, place / name / "model", **whose)
        base = str(model)
    generator, sites, _ = load_generator(model)
    drawn = draw(generator, np.repeat(generator.population_names, number // 2), case.seed)
    alleles = training.haplotypes.read(0, len(training.sites))
    synthetic = np.repeat((alleles.mean(axis=1) > 0.5).astype(np.int8)[:, None], number, axis=1)
    row = {key: i for i, key in enumerate(training.sites.keys())}
    synthetic[[row[key] for key in sites.keys()]] = drawn
    return synthetic


def with_relatives(alleles: np.ndarray, population: np.ndarray, small: int) -> np.ndarray:
    """Populations of haplotypes (n_sites, n_haplotypes), int64 (n_haplotypes,): the small one also
    of those of others that share as many rare alleles with it as its haplotypes do.

    Rare alleles are those that at most one haplotype of the third populations has. As many are
    half as many as the median of what a haplotype of the small population shares with another.
    """
    found, own = population.copy(), population == small
    for other in np.setdiff1d(population, small):
        theirs, third = population == other, ~own & (population != other)
        if not third.any():
            break  # nothing says what is rare
        carried = (alleles[:, third] > 0).sum(axis=1)
        rare, lost = carried <= 1, carried >= third.sum() - 1
        marks = np.vstack([alleles[rare] > 0, alleles[lost] == 0])
        copies = marks[:, own].sum(axis=1)
        within = (marks[:, own] & (copies > 1)[:, None]).sum(axis=0)
        shared = marks[copies > 0].sum(axis=0)
        least = np.median(within) / 2 or np.inf
        found[theirs & (shared >= least)] = small
    return found


def draw(generator: HaplotypeGenerator, population: np.ndarray, seed: int) -> np.ndarray:
    """Haplotypes of individuals of these populations, str (n_individuals,); int8 (n_sites, 2n)."""
    label = np.repeat([generator.population_names.index(name) for name in population], 2)
    request = SampleRequest(label, row_seeds(seed, [str(i) for i in range(len(label))]))
    return np.concatenate(list(generator.sample(request)))


class Tasks:
    """The held-out individuals, and what is asked of them.

    Attributes
    ----------
    classified : (ndarray, ndarray)
        Dosages (n_individuals, n_sites) and labels.
    traits : ndarray, float64, shape (TRAITS, n_individuals)
        Planted traits of everybody in the panel.
    """

    def __init__(self, panel: Panel, roles: np.ndarray, small: str, seed: int):
        holdout = np.flatnonzero(roles == "holdout")
        whole = np.maximum(panel.haplotypes.read(0, len(panel.sites)), 0)
        population = np.array(panel.individuals.population)
        self.cm, self.position = genetic_positions(panel.sites), panel.sites.position
        self.seed = seed
        self.classified = dosages(whole[:, haplotype_columns(holdout)]), population[holdout]
        own = holdout[population[holdout] == small]
        self.targets = whole[:, haplotype_columns(own)]
        rng = np.random.default_rng(derive_seed(seed, "traits"))
        x = dosages(whole).T
        x = x - x.mean(axis=1, keepdims=True)
        common = np.flatnonzero(minor_frequency(whole.mean(axis=1)) >= COMMON)
        effect = np.zeros((TRAITS, len(x)))
        for trait in effect:
            cause = rng.choice(common, CAUSAL, replace=False)
            trait[cause] = rng.standard_normal(CAUSAL) / x[cause].std(axis=1)
        genetic = effect @ x
        genetic /= genetic.std(axis=1, keepdims=True)
        noise = rng.standard_normal(genetic.shape)
        share = HERITABILITY
        self.traits = np.sqrt(share) * genetic + np.sqrt(1 - share) * noise
        self.genetic = genetic[:, own]

    def dosage_r2(self, templates: np.ndarray, few: np.ndarray) -> float:
        """Of the targets at sites that an array does not have, as differences from the frequencies
        of the individuals that are there without a remedy, who choose the array's sites too.
        """
        frequency = np.maximum(few, 0).mean(axis=1)
        observed = array_sites(self.position, frequency, ARRAY_BP)
        window = Window(None, self.cm, {}, self.targets)
        synthetic = by_copying(window, np.maximum(templates, 0), observed, self.targets[observed])
        hidden = np.setdiff1d(np.arange(len(frequency)), observed)
        mean = 2 * frequency[hidden, None]
        x, y = synthetic[hidden] - mean, dosages(self.targets).T[hidden] - mean
        return float(squared_correlation(np.array([(x * y).sum(), (x * x).sum(), (y * y).sum()])))

    def score_r2(self, haplotypes: np.ndarray, traits: np.ndarray) -> float:
        x, target = dosages(haplotypes).T, dosages(self.targets).T
        predicted = polygenic_scores(x, traits, target, HERITABILITY)
        r = [np.corrcoef(a, b)[0, 1] for a, b in zip(predicted, self.genetic, strict=True)]
        return float(np.mean(np.maximum(np.nan_to_num(r), 0) ** 2))

    def guessed_traits(
        self, few: np.ndarray, traits: np.ndarray, synthetic: np.ndarray
    ) -> np.ndarray:
        """Traits of synthetic individuals by a score of the real ones, with noise that makes up the
        variance.
        """
        made_score = polygenic_scores(dosages(few).T, traits, dosages(synthetic).T, HERITABILITY)
        rng = np.random.default_rng(derive_seed(self.seed, "guessed"))
        rest = np.sqrt(np.maximum(1 - made_score.var(axis=1, keepdims=True), 0.1))
        mean = traits.mean(axis=1, keepdims=True)
        return mean + made_score + rest * rng.standard_normal(made_score.shape)


def dosages(alleles: np.ndarray) -> np.ndarray:
    """Alternate alleles of individuals, float32 (n_individuals, n_sites), of haplotypes (n_sites,
    n_haplotypes); missing as the reference.
    """
    alleles = np.maximum(alleles, 0)
    return (alleles[:, 0::2] + alleles[:, 1::2]).T.astype(np.float32)


def scores(train: tuple, test: tuple, small: str) -> dict[str, float]:
    """Recall of the small population, accuracy on the others, and balanced accuracy; dosages
    (n_individuals, n_sites) and labels each. With `weighted` those of equal weights.
    """
    components = PCA(COMPONENTS, svd_solver="randomized", random_state=1).fit(train[0])
    x, target, own = components.transform(train[0]), components.transform(test[0]), test[1] == small
    found = {}
    for suffix, weight in (("", None), ("_weighted", "balanced")):
        model = LogisticRegression(max_iter=2000, class_weight=weight).fit(x, train[1])
        right = model.predict(target) == test[1]
        recalls = [right[test[1] == name].mean() for name in np.unique(test[1])]
        values = right[own].mean(), right[~own].mean(), np.mean(recalls)
        names = ("recall", "others", "balanced")
        found |= {name + suffix: float(v) for name, v in zip(names, values, strict=True)}
    return found
