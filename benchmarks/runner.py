"""What the runs share: a case is a data set and a seed; fit, sample and judge a generator once.

Values come from the package's own stages (`prepare`, `split`, `train`, `cohort`, `generate`,
`validate`, `audit`). Times are processor seconds, so that other work on the machine does not count.
"""

import argparse
import json
import math
import resource
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.datasets import SETS, make_panel
from benchmarks.options import options_of
from benchmarks.several_samples import deal
from benchmarks.table import Table
from genoloom.config import CohortOptions, GenerateOptions, SplitOptions, ValidateOptions
from genoloom.config_section import Section
from genoloom.evidence.models import window_sizes
from genoloom.formats.models import read_description
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.splits import read_roles
from genoloom.formats.tables import read_records
from genoloom.models.haplotype import generator_class
from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest, TrainingHaplotypes
from genoloom.models.load import load_generator
from genoloom.panel import Panel, Sites, allele_counts, genetic_positions
from genoloom.panels.comparands import open_comparands
from genoloom.privacy.attack_ids import SPLIT_ROWS, WORST_ROWS, AttackId, Measure
from genoloom.privacy.audit_data import AuditData
from genoloom.privacy.auditor import Auditor
from genoloom.privacy.rows import AttackRow, PrivateAttackRow
from genoloom.privacy_config import AuditOptions
from genoloom.seeds import derive_seed, row_seeds
from genoloom.stages.audit import audit
from genoloom.stages.cohort import make_cohort
from genoloom.stages.generate import generate
from genoloom.stages.split import split
from genoloom.stages.train import train
from genoloom.stages.validate import validate
from genoloom.training.run import TrainingRun
from genoloom.training_config import TrainSections
from genoloom.validation import verdicts
from genoloom.validation.cohorts import Comparison, compare, match_sites
from genoloom.validation.metric_ids import MetricId
from genoloom.validation.metric_table import TABLE
from genoloom.validation.rows import ALL, MetricRow

MIN_MAC = 2  # copies of the rarer allele among those who choose the sites, as in training
SAMPLED = 1000  # haplotypes in the measurement of speed
NO_FILES: dict = {"train": [], "holdout": [], "samples": [], "genetic_map": None}
# name in the tables: metric of the fidelity table
METRICS = {
    "ld_r2": MetricId.LD_R2_CORRELATION,
    "ld_decay": MetricId.LD_DECAY_ERROR,
    "three_point": MetricId.THREE_POINT_CORRELATION,
    "lost": MetricId.SITES_LOST,
    "distinct": MetricId.DISTINCT_HAPLOTYPES,
    "pca": MetricId.PCA_DISTANCE,
    "fst": MetricId.FST_MATRIX_ERROR,
    "heterozygosity": MetricId.HETEROZYGOSITY_DISTANCE,
    "tstr": MetricId.POPULATION_TSTR,
    "aats_holdout": MetricId.AATS_HOLDOUT,
    "aats_synthetic": MetricId.AATS_SYNTHETIC,
    "classifier": MetricId.CLASSIFIER_AUC,
}
# the largest of any population: ratio to the reference; FST from the real individuals
FARTHEST = {"pca_population": MetricId.PCA_DISTANCE, "fst_population": MetricId.FST_FROM_REAL}
JUDGED = (  # columns of a judged generator
    f"generator sites individuals bits {' '.join([*METRICS, *FARTHEST])} local_attack worst_attack "
    "attack train_cpu_s sample_M_s options"
)
REFERENCE, REAL = "reference (held out)", "real (training)"


@dataclass
class Case:
    """A data set and a seed of a run.

    Attributes
    ----------
    set : str
        A name of `datasets.SETS`; empty where a run has no sets.
    arguments : argparse.Namespace
        Options of the run.
    """

    set: str
    seed: int
    arguments: argparse.Namespace
    table: Table

    @property
    def prefix(self) -> Path:
        """Of the panel's files, which may not be there yet."""
        return self.arguments.work / self.set / SETS[self.set].contig

    @property
    def place(self) -> Path:
        """Directory of what this seed makes."""
        return self.prefix.parent / f"seed{self.seed}"

    @cached_property
    def panel(self) -> Panel:
        """The panel, made when it is first asked for."""
        make_panel(self.set, self.arguments.data, self.prefix)
        return open_panel(self.prefix, haploids=True)

    @cached_property
    def population(self) -> np.ndarray:
        """Of everybody in the panel, str (n_individuals,)."""
        return np.array(self.panel.individuals.population)

    @cached_property
    def split(self) -> Path:
        """The table that divides the panel into halves."""
        return self.split_panel(self.place / "split.tsv", SplitOptions())

    def split_panel(self, table: Path, options: SplitOptions) -> Path:
        """Divide the panel by other options; returns `table`."""
        _ = self.panel
        facts = table.with_suffix(".json")
        split(panels=[self.prefix], out=table, summary=facts, options=options, seed=self.seed)
        return table

    @property
    def roles(self) -> np.ndarray:
        """Of each individual: "train" or "holdout", (n_individuals,)."""
        return np.array(read_roles(self.split, self.panel.individuals))

    def has(self, **cells) -> bool:
        """Whether an earlier run left a row of this case with these cells."""
        return self.table.has(**({"set": self.set} if self.set else {}), seed=self.seed, **cells)


def make_model(case: Case, generator: str, place: Path, table: Path) -> Path:
    """Train a generator by the options of the run, in `place`; returns the path of the model."""
    options, _ = options_of(generator, case.arguments)
    return train_model(case, generator, options, place, panel=case.prefix, split=table)


def train_model(case: Case, generator: str, options: Section, place: Path, **whose) -> Path:
    """Train a generator with these options. `whose` are `panel`, `split` and whatever else of
    `genoloom.stages.train` differs.
    """
    shutil.rmtree(place, ignore_errors=True)
    model = place / "model.safetensors"
    threads = getattr(case.arguments, "threads", 1)
    train(
        generator=generator, model=model, history=place / "history.tsv", state=place / "state",
        **({"common": TrainSections().common} | whose), options=options, seed=case.seed,
        threads=threads,
    )  # fmt: skip
    return model


def make_samples(case: Case, model: Path, table: Path, size: int | None = None) -> Path:
    """Individuals of a model, as many as trained or `size`; returns the prefix of their files."""
    place = model.parent
    out, cohort = place / f"{case.prefix.name}.bcf", place / "cohort.tsv"
    options = CohortOptions(size=size)
    make_cohort(model=model, split=table, out=cohort, options=options, seed=case.seed)
    threads, form = getattr(case.arguments, "threads", 1), GenerateOptions(format="bcf")
    generate(model=model, cohort=cohort, out=out, options=form, seed=case.seed, threads=threads)
    return out.with_suffix("")


def kept_samples(case: Case, generator: str) -> tuple[Path, Path]:
    """The split of a measurement of utility, and the prefix of as many individuals as trained;
    files that an earlier run made are used again.
    """
    place = case.prefix.parent / f"utility.{case.seed}"
    table, samples = place / "split.tsv", place / generator / case.prefix.name
    if not table.exists():
        case.split_panel(table, SplitOptions(holdout=0.5, kinship=False))
    if not samples.with_suffix(".bcf").exists():
        model = make_model(case, generator, place / generator, table)
        make_samples(case, model, table)
    return table, samples


def measure_generator(case: Case, generator: str) -> list[dict]:
    """Train, sample and judge; the rows of the reference, of the training individuals and of the
    generator.
    """
    table, started = case.split, time.process_time()
    model = make_model(case, generator, case.place / generator, table)
    seconds = time.process_time() - started
    *others, own = judge_model(case, generator, model, case.prefix, table)
    return [*others, own | {"train_cpu_s": seconds}]


def likelihood(case: Case, generator: str) -> dict:
    """Train and score; a row with the bits per site of the held-out individuals."""
    started = time.process_time()
    model = make_model(case, generator, case.place / generator, case.split)
    seconds = time.process_time() - started
    return {
        "generator": generator, "bits": bits_per_site(model, case.prefix, case.split),
        "sites": read_description(model, "haplotypes")["n_variants"], "train_cpu_s": seconds,
    }  # fmt: skip


def judge_model(case: Case, name: str, model: Path, panel: Path, table: Path) -> list[dict]:
    """Sample from a model, validate and audit; rows as of `measure_generator`."""
    samples = make_samples(case, model, table, case.arguments.individuals)
    *others, own = judge_samples(case, name, samples, panel, table)
    own |= {"bits": bits_per_site(model, panel, table), "sample_M_s": sampling_speed(model)}
    own["sites"] = read_description(model, "haplotypes")["n_variants"]
    return [*others, own]


def judge_samples(
    case: Case,
    name: str,
    samples: Path,
    panel: Path,
    table: Path,
    metrics: Collection[str] = tuple(METRICS),
    attacked: bool = True,
) -> list[dict]:
    """Validate and audit the individuals at a prefix; rows of the reference, of the training
    individuals and of them. `metrics` are keys of `METRICS`; without any nothing is validated.
    """
    fidelity, privacy = samples.with_name("fidelity.tsv"), samples.with_name("privacy.tsv")
    files = {"synthetic": [samples], "panels": [panel], "split": table}
    rows: list[MetricRow] = []
    own: dict = {"generator": name}
    with open_comparands(**files, **NO_FILES) as comparands:
        compared = {"name": name, "comparands": comparands, "baselines": [], "seed": case.seed}
        if metrics:
            asked = {METRICS[name] for name in metrics} | set(FARTHEST.values())
            options = ValidateOptions(n_permutations=case.arguments.n_permutations)
            measured = tuple(metric for metric in TABLE if metric.name in asked)
            validate(**compared, out=fidelity, details=None, options=options, table=measured)
            rows = read_records(fidelity, MetricRow)
            own["individuals"] = rows[0].n
        if attacked:
            private = samples.parent / "private" / "audit.tsv"
            audit(**compared, out=private, public=privacy, options=AuditOptions(bootstrap=200))
            own |= _attacks(read_records(privacy, AttackRow))
    return [
        {"generator": REFERENCE} | _metrics(rows, name, "reference"),
        {"generator": REAL} | _metrics(rows, verdicts.REAL, "value"),
        own | _metrics(rows, name, "value"),
    ]


def _metrics(rows: list[MetricRow], generator: str, column: str) -> dict:
    mine = [r for r in rows if r.generator == generator]
    own = {r.metric: r for r in mine if r.of_all}
    found = {
        short: getattr(own[metric], column) for short, metric in METRICS.items() if metric in own
    }
    if column == "value":
        for short, metric in FARTHEST.items():
            cell = "nfr" if metric is MetricId.PCA_DISTANCE else column
            of_one = (r for r in mine if r.metric is metric and r.population != ALL)
            found[short] = max((getattr(r, cell) for r in of_one), default=math.nan)
    return found


def _attacks(rows: list[AttackRow]) -> dict:
    """The corrected worst attack, which one is strongest, and the strongest of the local
    nearest-neighbour attacks.
    """
    measured = [r for r in rows if r.population == ALL and r.measure is Measure.AUC]
    [worst] = [r for r in measured if r.attack is AttackId.WORST]
    single = [r for r in measured if r.attack not in (*WORST_ROWS, *SPLIT_ROWS)]
    return {
        "worst_attack": worst.value,
        "chance": worst.reference,
        "attack": max(single, key=lambda r: r.value).name,
        "local_attack": max(r.value for r in single if r.attack is AttackId.NEAREST and r.window),
    }


def bits_per_site(model: Path, panel: Path, table: Path) -> float:
    """Of the held-out individuals under the model; nan for generators without likelihood."""
    generator, sites, _ = load_generator(model)
    if not generator.has_likelihood:
        return math.nan
    real, population = held_out(sites, generator.population_names, panel, table)
    total = generator.log_likelihood(real.haplotypes, population).sum()
    return float(-total / math.log(2) / (len(sites) * len(population)))


def held_out(
    sites: Sites, population_names: list[str], panel: Path, table: Path
) -> tuple[Panel, np.ndarray]:
    """The held-out individuals at the sites of a model, and the index of the population of each of
    their haplotypes.
    """
    whole = open_panel(panel)
    roles = np.array(read_roles(table, whole.individuals))
    holdout = whole.take_individuals(roles == "holdout")
    _, real = match_sites(Panel(sites, holdout.individuals, holdout.haplotypes), holdout)
    return real, np.repeat([population_names.index(p) for p in real.individuals.population], 2)


def sampling_speed(model: Path) -> float:
    """Millions of haplotype-variants sampled per second of processor time, without writing."""
    generator, _, _ = load_generator(model)
    population = np.arange(SAMPLED) % len(generator.population_names)
    return timed_sample(generator, population)[0]


def timed_sample(generator: HaplotypeGenerator, population: np.ndarray) -> tuple[float, float]:
    """Millions of haplotype-variants per second of processor time, and the seconds."""
    names = [str(i) for i in range(len(population))]
    request = SampleRequest(population, row_seeds(1, names))
    started = time.process_time()
    alleles = sum(block.size for block in generator.sample(request))
    seconds = time.process_time() - started
    return alleles / seconds / 1e6, seconds


def peak_memory() -> float:
    """The largest resident memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def fit_generator(
    name: str, options: Section, data: TrainingHaplotypes, state: Path, seed: int
) -> HaplotypeGenerator:
    """A generator fitted without files but for its checkpoints."""
    generator = generator_class(name)(options)
    generator.fit(data, TrainingRun(state, "", derive_seed(seed, name), label=name))
    return generator


def variable_sites(panel: Panel) -> np.ndarray:
    """Sites whose rarer allele has two copies, int (n,)."""
    alternate, called = allele_counts(panel)
    return np.flatnonzero(np.minimum(alternate, called - alternate) >= MIN_MAC)


def deal_panels(case: Case, individuals: int, sites: int | None, everybody: bool = False) -> list:
    """Training, held-out and fresh individuals as panels, at the first sites that vary enough
    among the training individuals, or among everybody.
    """
    rng = np.random.default_rng(derive_seed(case.seed, "referee"))
    groups = [case.panel.take_individuals(g) for g in deal(case.population, individuals, rng)]
    choosing = groups if everybody else groups[:1]
    counts = sum(g.haplotypes.read(0, len(g.sites)).sum(axis=1) for g in choosing)
    n = 2 * len(groups[0].individuals) * len(choosing)
    kept = np.flatnonzero(np.minimum(counts, n - counts) >= MIN_MAC)[:sites]
    return [group.take_sites(kept) for group in groups]


def paired(training: Panel, real: Panel, seed: int, n_permutations: int = 0) -> Comparison:
    """Individuals of a sample in the order of the training individuals, and real ones: the
    held-out individuals, then those who train.
    """
    n = len(training.individuals)
    roles = ["holdout"] * (len(real.individuals) - n) + ["train"] * n
    return compare(training.individuals, real.individuals, roles, n_permutations, seed)


def attack(
    synthetic: Panel,
    real: Panel,
    individuals: Comparison,
    options: AuditOptions,
    seed: int,
    **known,
) -> dict[AttackId, PrivateAttackRow]:
    """The rows of the audit over all individuals, by attack; `known` are shadow models."""
    data = AuditData(individuals, *window_sizes(options))
    data.add(synthetic, real, genetic_positions(real.sites))
    auditor = Auditor(
        data,
        "synthetic",
        verdicts.Role.GENERATOR,
        options.bootstrap,
        options.max_auc,
        seed,
        **known,
    )
    return {row.attack: row for row in auditor.audit().rows if row.population == ALL}


def write_panel(panel: Panel, prefix: Path) -> None:
    """Write a panel as `genoloom prepare` does."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    sites = panel.sites
    with PanelWriter(prefix, panel.individuals, sites.contig, sites.contig_length) as writer:
        for start, stop, alleles in panel.blocks():
            writer.append(sites.take(slice(start, stop)), alleles)
    summary = {"contig": sites.contig, "records": len(sites), "kept": len(sites)}
    Path(f"{prefix}.summary.json").write_text(json.dumps(summary) + "\n")
