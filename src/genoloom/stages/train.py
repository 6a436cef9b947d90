"""From the training half of a panel to a model file. The holdout is never read."""

import logging
from pathlib import Path
from typing import Literal

import numpy as np

from genoloom.cohort import parse_labels
from genoloom.config_section import Section
from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.models import describe, file_digest, pack_sites, ploidy_words
from genoloom.formats.pgen import open_panel, panel_files
from genoloom.formats.private_directories import close_directory
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.splits import read_roles
from genoloom.formats.tables import write_table
from genoloom.formats.vcf_write import index_of
from genoloom.models.haplotype import SHARED, generator_class
from genoloom.models.haplotype.base import HaplotypeGenerator, TrainingHaplotypes
from genoloom.models.haplotype.site_mapping import match_sites
from genoloom.models.haplotype.training_data import digest, overlaps_of, training_haplotypes
from genoloom.models.haplotype.windows import Window
from genoloom.models.load import load_generator
from genoloom.panel import Panel, Sites, allele_counts
from genoloom.panels.reweighting import read_reweighting
from genoloom.popgen.overlaps import Overlaps
from genoloom.seeds import derive_seed
from genoloom.training import processes
from genoloom.training.trained import start_run, write_trained
from genoloom.training_config import TrainOptions

log = logging.getLogger(__name__)

SMALL_COHORT = 30  # individuals
TEMPLATES_ARE = {
    "private": "This model holds the haplotypes of the individuals it was trained on, and what is "
    "drawn from it copies them in pieces. Treat both as private data.",
    "public": "This model holds haplotypes of a public panel and was trained on them alone. Of the "
    "cohort only the list of its sites, and the names of its populations as they were typed, had a "
    "part in it.",
    "noised": "This model holds haplotypes of a public panel and was trained on them alone. Of the "
    "cohort the list of its sites, the names of its populations, and statistics with noise had a "
    "part in it; 'privacy' says what that guarantees.",
    "counted": "This model holds haplotypes of a public panel and was trained on them alone, and "
    "its draws follow counts of the cohort without noise. There is no guarantee: treat both as "
    "private data.",
}


@processes.shared(SHARED)
def train(
    *,
    generator: str,
    panel: Path,
    split: Path | None,
    model: Path,
    history: Path,
    state: Path,
    common: TrainOptions,
    options: Section,
    seed: int,
    threads: int,
    privacy_mode: Literal["none", "public", "statistics"] = "none",
    populations: str | None = None,
    statistics: Path | None = None,
    list_windows: Path | None = None,
    only_window: int | None = None,
) -> None:
    """Fit `generator` on the training individuals and write model, description and history.

    Parameters
    ----------
    panel : Path
        Panel prefix; in modes `public` and `statistics`, templates that `genoloom panel match` has
        written.
    split : Path, optional
        The split table; none in these modes, where everybody of the panel trains.
    model, history : Path
        Outputs: .safetensors (with a .json alongside) and a TSV.
    state : Path
        Directory of checkpoints; a stopped run goes on from there.
    privacy_mode : str
        "public": the model is made from public individuals, and no file of the cohort is opened.
        "statistics": but for the frequencies of its draws, which follow `statistics`.
    populations : str, optional
        In these modes, which of their populations represents which of the cohort's: see
        `genoloom.cohort.parse_labels`.
    statistics : Path, optional
        In mode `statistics`, what `genoloom panel measure` has written.
    list_windows : Path, optional
        Write a table of the windows of the contig, and nothing else.
    only_window : int, optional
        Train this window alone (1-based), and leave it in the state directory: the training of the
        whole contig then finds it done. Nothing is to do where there are fewer.

    Raises
    ------
    InputError
        Mode `none` without a split table, another one with it, or mode and `statistics` do not go
        together; fewer than two individuals, no site that can be modelled, or files that do not
        belong together.
    Interrupted
        A signal or the time limit; run again to go on.
    CollapsedError
        The generator collapsed; nothing is written.
    """
    public = privacy_mode != "none"
    _check_mode(generator, privacy_mode, split, populations, statistics)
    role = "templates" if public else "panel"
    inputs = {f"{role}/{path.name}": path for path in panel_files(panel)}
    record = Making("train", inputs | {"split": split, "statistics": statistics})
    whole = open_panel(panel, haploids=not public)
    index_of(panel, whole.sites)  # what could not be written later is not trained
    labels = parse_labels(populations, sorted(set(whole.individuals.population)))
    individuals = _training_individuals(panel, split, whole)
    modelled, left_out = _modelled_sites(individuals, common.min_mac, common.min_carriers)
    if len(modelled) == 0:
        raise InputError(
            panel,
            "no site has enough minor alleles among the training individuals",
            remedy="lower --min-mac and --min-carriers",
        )
    fitted = generator_class(generator)(options)
    base, unknown = getattr(options, "init_from", None), 0
    if base is not None:
        base = Path(base.replace("{contig}", whole.sites.contig))
        known = _adapt(fitted, base, individuals.sites, modelled)
        unknown, modelled = len(modelled) - len(known), known
    training = individuals.take_sites(modelled)
    more: dict = {"privacy": {"mode": privacy_mode}, "labels": labels} if public else {}
    if statistics is not None:
        more = _anchor(fitted, statistics, whole, modelled, labels)
    n = len(training.individuals)
    log.info(
        "%s: %s to train on, %d sites; %d too rare to model",
        generator,
        individuals_count(n),
        len(modelled),
        left_out,
    )
    if n < SMALL_COHORT:
        log.warning(
            "%s: fewer than %d training individuals: expect over-fitting, and copies of them",
            generator,
            SMALL_COHORT,
        )

    data = training_haplotypes(training, common.validation_fraction, seed)
    if list_windows is not None:
        write_windows(list_windows, fitted.cut(data), data)
        return
    for folder in (state, model.parent, history.parent):
        close_directory(folder)
    data_digest = digest(training, data)
    read = {"init_from": base, "statistics": statistics}
    files = {name: file_digest(path) for name, path in read.items() if path is not None}
    run, config_digest = start_run(
        generator,
        common,
        options,
        data_digest,
        seed=seed,
        run_seed=derive_seed(seed, "train", generator, whole.sites.contig),
        state=state,
        threads=threads,
        label=f"{generator} {whole.sites.contig}",
        **files,
    )
    if only_window is not None:
        if only_window <= len(fitted.cut(data)):
            fitted.fit_window(data, run, only_window - 1)
        return
    fitted.fit(data, run)
    if processes.rank():
        return
    overlaps = overlaps_of(training)
    together = _carried_together(training, overlaps)
    if together:
        log.warning(
            "%s: real haplotypes carry both of %d pairs of overlapping variants; synthetic ones "
            "carry one of them",
            run.label,
            together,
        )
    arrays, words = fitted.state()
    description = describe(
        "haplotypes",
        generator,
        words,
        contig=training.sites.contig,
        contig_length=training.sites.contig_length,
        **ploidy_words(training.sites),
        n_variants=len(modelled),
        sites_too_rare_to_model=left_out,
        min_carriers=common.min_carriers,
        sites_unknown_to_base_model=unknown,
        training_individuals=individuals_count(n),
        **_templates(generator, more.get("privacy"), n, data_digest),
        **more,
        sites_digest=training.sites.digest(),
        data_digest=data_digest,
        config_digest=config_digest,
        seed=seed,
        adapted_from=files.get("init_from"),
        validation=_best(run.history),
        overlapping_pairs=len(overlaps.pairs),
        overlapping_pairs_in_training=together,
    )
    arrays |= pack_sites(training.sites)
    arrays["sites.frequency"] = overlaps.frequency.astype(np.float32)
    write_trained(model, history, arrays, description, run)
    record.write(record_path(model.with_suffix("")), [model, model.with_suffix(".json")], seed=seed)


def _check_mode(
    generator: str,
    privacy_mode: str,
    split: Path | None,
    populations: str | None,
    statistics: Path | None,
) -> None:
    """Raise an InputError unless what is given goes with the privacy mode."""
    public = privacy_mode != "none"
    if public != (split is None) or (populations and not public):
        raise InputError(
            "--privacy-mode",
            f"{privacy_mode} with{'out' if split is None else ''} a split table",
            expected="--split with mode none; --populations, if need be, with the others",
        )
    if public and generator != "copying_network":
        raise InputError(
            "--privacy-mode", f"{privacy_mode} with {generator}", expected="copying_network"
        )
    if (privacy_mode == "statistics") != (statistics is not None):
        raise InputError(
            "--statistics",
            f"is {'not ' if statistics is None else ''}given with mode {privacy_mode}",
            expected="with mode statistics, a file of `genoloom panel measure`",
        )


def _training_individuals(panel: Path, split: Path | None, whole: Panel) -> Panel:
    """The training half of a panel; all of it where there is no split table."""
    training = whole
    if split is not None:
        roles = read_roles(split, whole.individuals)
        training = whole.take_individuals(np.array([role == "train" for role in roles]))
    if len(training.individuals) < 2:
        raise InputError(
            panel if split is None else split, "has too few individuals to train on",
            expected="at least two: one of them is for validation", remedy="add individuals",
        )  # fmt: skip
    return training


def _anchor(
    fitted: HaplotypeGenerator,
    statistics: Path,
    templates: Panel,
    modelled: np.ndarray,
    labels: dict[str, str],
) -> dict:
    """Let the draws of `fitted` follow statistics of a cohort; returns what its description says
    of that.
    """
    if not fitted.options.anchor:
        raise InputError(
            "--anchor", "is off in mode statistics, which works through anchors",
            expected="train.copying_network.anchor: true",
        )  # fmt: skip
    reweighting, guarantee = read_reweighting(statistics, templates, modelled)
    fitted.anchor_to(reweighting)
    # who is measured is a population of its own
    kept = {k: v for k, v in labels.items() if k not in reweighting.stands_for}
    return {"privacy": guarantee.model_dump(), "labels": kept}


def write_windows(path: Path, windows: list[Window], data: TrainingHaplotypes) -> None:
    """Table of windows: where each begins and ends (1-based, inclusive; centimorgans), how many
    sites it has, and how many of them are in the window before as well.
    """
    rows = [
        {
            "window": number,
            "sites": w.stop - w.start,
            "overlap": w.first - w.start,
            "start": int(data.position[w.start]),
            "end": int(data.position[w.stop - 1]),
            "start_cm": round(float(data.map_cm[w.start]), 6),
            "end_cm": round(float(data.map_cm[w.stop - 1]), 6),
        }
        for number, w in enumerate(windows, 1)
    ]
    write_table(path, list(rows[0]), rows)


def _templates(generator: str, privacy: dict | None, n: int, data_digest: str) -> dict:
    """What the description of a model that holds templates says of them."""
    if generator != "copying_network":
        return {}
    kind = said = "private" if privacy is None else "public"
    if privacy and privacy["mode"] == "statistics":
        said = "counted" if privacy["epsilon"] is None else "noised"
    return {
        "templates": {"kind": kind, "individuals": individuals_count(n), "digest": data_digest},
        "private": TEMPLATES_ARE[said],
    }


def _best(history: list[dict]) -> dict | None:
    """The evaluation with the best score, without its time: the same training gives the same
    file.
    """
    scored = [row for row in history if "score" in row]
    best = min(scored, key=lambda row: row["score"]) if scored else {}
    return {key: value for key, value in best.items() if key != "seconds"} or None


def _adapt(
    fitted: HaplotypeGenerator, base: Path, sites: Sites, modelled: np.ndarray
) -> np.ndarray:
    """Let `fitted` start from the model `base`; returns which of the sites `modelled` the
    model has too.
    """
    other, known, description = load_generator(base)
    if description["generator"] != fitted.name:
        raise InputError(base, f"is a '{description['generator']}'", expected=f"a '{fitted.name}'")
    shared, index = match_sites(sites.take(modelled).keys(), known.keys())
    if known.contig != sites.contig or len(shared) == 0:
        raise InputError(
            base, f"knows none of the {len(modelled)} sites of contig {sites.contig}",
            expected="the same positions and alleles",
            remedy="give a model of the same contig and genome build",
        )  # fmt: skip
    log.info(
        "%s: adapting a model that has %d of the %d sites", fitted.name, len(shared), len(modelled)
    )
    fitted.start_from(other, index)
    return modelled[shared]


def _modelled_sites(panel: Panel, min_mac: int, min_carriers: int) -> tuple[np.ndarray, int]:
    """Indices of the sites whose minor allele has enough copies in enough individuals, and how many
    sites have not.
    """
    alternate, called = allele_counts(panel)
    enough = np.minimum(alternate, called - alternate) >= min_mac
    if min_carriers > 1:
        for start, stop, alleles in panel.blocks():
            minor = (alternate[start:stop] <= called[start:stop] - alternate[start:stop]).astype(
                np.int8
            )
            enough[start:stop] &= carriers(alleles, minor) >= min_carriers
    kept = np.flatnonzero(enough)
    return kept, len(enough) - len(kept)


def carriers(alleles: np.ndarray, allele: np.ndarray) -> np.ndarray:
    """How many individuals carry an allele once or twice, int64, shape (n_variants,).

    Parameters
    ----------
    alleles : ndarray, int8, shape (n_variants, 2 * n_individuals)
    allele : ndarray, int8, shape (n_variants,)
        0 or 1, the allele of each variant that is asked for.
    """
    carries = alleles == allele[:, None]
    return (carries[:, 0::2] | carries[:, 1::2]).sum(axis=1)


def _carried_together(training: Panel, overlaps: Overlaps) -> int:
    """How many pairs of sites that exclude each other a training haplotype has both of."""
    found: set[tuple[int, int]] = set()
    for start, stop in overlaps.spans():
        site, other, _ = overlaps.carried(training.haplotypes.read(start, stop), start)
        found.update(zip((start + site).tolist(), (start + other).tolist(), strict=True))
    return len(found)
