"""A small, complete tree of results, made by the stages themselves, whose tables all pass."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam
from helpers import founder_mosaic, make_individuals, make_sites

from genoloom.config import (
    CohortOptions,
    GenerateOptions,
    PrepareOptions,
    RedrawOptions,
    SplitOptions,
    ValidateOptions,
)
from genoloom.formats.models import file_digest
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.provenance import sealed
from genoloom.formats.tables import write_table
from genoloom.panels.comparands import open_comparands, source_files
from genoloom.ploidy import Ploidy
from genoloom.privacy.attack_ids import MUST_PASS, AttackId
from genoloom.privacy.rows import PRIVATE_COLUMNS, PUBLIC_COLUMNS
from genoloom.privacy_config import AuditOptions
from genoloom.stages.audit import audit
from genoloom.stages.cohort import make_cohort
from genoloom.stages.consensus import consensus
from genoloom.stages.generate import generate
from genoloom.stages.prepare import prepare
from genoloom.stages.redraw import redraw
from genoloom.stages.split import split
from genoloom.stages.train import train
from genoloom.stages.validate import validate
from genoloom.training_config import IndependentOptions, TrainOptions
from genoloom.validation.rows import COLUMNS as FIDELITY_COLUMNS

N_INDIVIDUALS, N_SITES = 60, 200
NAMES = [f"REAL{i:05d}" for i in range(N_INDIVIDUALS - 1)] + ["7"]
ROLE = 30  # individuals per role
NAME = "independent"
WORST = {
    "generator": NAME, "role": "generator", "attack": "worst", "window": 0, "population": "all",
    "measure": "auc", "value": 0.51, "low": 0.48,
    "high": 0.55, "reference": 0.55, "n": ROLE, "verdict": "pass", "tpr_at_1_percent_fpr": 0.01,
    "tpr_reference": 0.02,
}  # fmt: skip
PANEL, MODELS, MADE = "panels/p", f"models/p/{NAME}", f"synthetic/p/{NAME}"
TABLES, PRIVATE = f"validation/p/{NAME}", f"private/p/{NAME}"


def make_tree(folder: Path, *contigs: str) -> Path:
    """Run every stage in `folder`, once; returns it. Raw input and the sheet of panels are next to
    `results`.
    """
    write_raw(folder, contigs=contigs or ("20",))
    prepare_panel(folder)
    divide(folder)
    fit(folder)
    make_individuals_of(folder)
    sample(folder)
    measure(folder)
    write_tables(folder / "results")
    return folder


def write_raw(
    folder: Path,
    ids: tuple[str, ...] = (),
    contigs: tuple[str, ...] = ("20",),
    ploidy: Ploidy = Ploidy.DIPLOID,
) -> None:
    """PGEN trios, a reference that is all A, and the sheets; `ids` are those of the first sites. Of
    X-linked contigs a third are females, of Y-linked ones nobody.
    """
    (folder / "raw").mkdir(exist_ok=True)
    individuals, sites = make_individuals(N_INDIVIDUALS, ("X", "Y")), make_sites(N_SITES)
    individuals.id[:] = NAMES
    if ploidy.needs_sex:
        x_linked = ploidy is Ploidy.X_LINKED
        individuals.sex[:] = [
            "female" if x_linked and i % 3 == 0 else "male" for i in range(N_INDIVIDUALS)
        ]
    sites.id[: len(ids)] = ids
    for seed, contig in enumerate(contigs, 2):
        alleles = founder_mosaic(N_SITES, 2 * N_INDIVIDUALS, np.random.default_rng(seed))
        # carried by many, so that they are modelled
        alleles[: len(ids)] = np.arange(2 * N_INDIVIDUALS) % 2
        haploid = ploidy.haploid(individuals.sex)
        alleles[:, 1::2][:, haploid] = alleles[:, 0::2][:, haploid]
        with PanelWriter(folder / "raw" / contig, individuals, contig, 10**6) as writer:
            writer.append(replace(sites, contig=contig), alleles)
    lines = "".join("A" * 60 + "\n" for _ in range(400))
    (folder / "raw/all.fa").write_text("".join(f">{contig}\n{lines}" for contig in contigs))
    pysam.faidx(str(folder / "raw/all.fa"))
    rows = "".join(
        "\t".join(row) + "\n"
        for row in zip(individuals.id, individuals.population, individuals.sex, strict=True)
    )
    (folder / "raw/samples.tsv").write_text(f"individual\tpopulation\tsex\n{rows}")
    rows = [
        "\t".join(
            ["p", c, *(f"{folder}/raw/{name}" for name in (f"{c}.pgen", "samples.tsv", "all.fa"))]
        )
        for c in contigs
    ]
    (folder / "panels.tsv").write_text(
        "\n".join(["panel\tcontig\tvariants\tsamples\treference", *rows, ""])
    )


def contigs_of(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "raw").glob("*.pgen"))


def panels_of(folder: Path) -> list[Path]:
    return [folder / "results" / PANEL / contig for contig in contigs_of(folder)]


def models_of(folder: Path) -> list[Path]:
    return [folder / "results" / MODELS / f"{contig}.safetensors" for contig in contigs_of(folder)]


def prepare_panel(folder: Path, ploidy: Ploidy = Ploidy.DIPLOID) -> None:
    raw = folder / "raw"
    for contig, out in zip(contigs_of(folder), panels_of(folder), strict=True):
        files = {
            "variants": raw / f"{contig}.pgen",
            "samples": raw / "samples.tsv",
            "reference": raw / "all.fa",
        }
        prepare(**files, contig=contig, out=out, options=PrepareOptions(ploidy=ploidy))


def divide(folder: Path, seed: int = 1) -> None:
    results = folder / "results"
    summary = results / PANEL / "summary.json"
    split(
        panels=panels_of(folder),
        out=results / "splits/p.tsv",
        summary=summary,
        options=SplitOptions(),
        seed=seed,
    )


def fit(folder: Path, seed: int = 3) -> None:
    for panel, model in zip(panels_of(folder), models_of(folder), strict=True):
        train(
            generator=NAME, panel=panel, split=folder / "results/splits/p.tsv", model=model,
            history=model.with_suffix(".history.tsv"),
            state=folder / "state" / panel.name, common=TrainOptions(min_mac=2, min_carriers=5),
            options=IndependentOptions(), seed=seed,
            threads=1,
        )  # fmt: skip


def make_individuals_of(folder: Path, name: str = "cohort.tsv", **options) -> None:
    results, model = folder / "results", models_of(folder)[0]
    make_cohort(
        model=model,
        split=results / "splits/p.tsv",
        out=results / MADE / name,
        options=CohortOptions(**options),
        seed=4,
    )


def redraw_individuals(folder: Path) -> None:
    results = folder / "results"
    redraw(
        models=models_of(folder), cohort=results / MADE / "cohort.drawn.tsv",
        panels=panels_of(folder), threads=1,
        split=results / "splits/p.tsv", out=results / MADE / "cohort.tsv",
        summary=results / MADE / "redraw.json",
        options=RedrawOptions(),
    )  # fmt: skip


def sample(folder: Path, suffix: str = "vcf.gz") -> None:
    made = folder / "results" / MADE
    for contig, model in zip(contigs_of(folder), models_of(folder), strict=True):
        out = made / f"{contig}.{suffix}"
        generate(
            model=model,
            cohort=made / "cohort.tsv",
            out=out,
            options=GenerateOptions(),
            seed=5,
            threads=1,
        )


def write_fasta(folder: Path) -> None:
    made = folder / "results" / MADE
    consensus(
        variants=made / "20.vcf.gz",
        reference=folder / "raw/all.fa",
        out=made / "20.consensus.fa.gz",
        individuals=2,
    )


def measure(folder: Path) -> None:
    """Validate and audit, as cheaply as can be: the figures are replaced by `write_tables`."""
    results = folder / "results"
    made = [results / MADE / contig for contig in contigs_of(folder)]
    files = {"synthetic": made, "panels": panels_of(folder), "split": results / "splits/p.tsv"}
    files |= {"train": [], "holdout": [], "samples": [], "genetic_map": None}
    common = {"name": NAME, "baselines": [], "seed": 6, "sources": source_files(**files)}
    with open_comparands(**files) as comparands:
        table, options = results / TABLES / "fidelity.tsv", ValidateOptions(n_permutations=2)
        validate(**common, comparands=comparands, out=table, details=None, options=options)
        audit(
            **common, comparands=comparands, out=results / PRIVATE / "audit.tsv",
            public=results / TABLES / "privacy.tsv",
            options=AuditOptions(windows="50", haplotype_windows="20", bootstrap=199),
            models=models_of(folder),
        )  # fmt: skip


EXCESS = {
    "attack": AttackId.EXCESS,
    "measure": "difference",
    "value": -0.02,
    "low": -0.05,
    "high": 0.02,
}


def write_tables(
    results: Path, worst=None, attacks=None, metrics=None, audited=None, validated=None, excess=None
) -> None:
    """Tables that pass but for what is given, in records that say they were made by the default
    options.
    """
    rows = [WORST | (worst or {})]
    judged = (
        dict.fromkeys((*MUST_PASS, AttackId.SHADOWS), "pass")
        | {"stacked": "pass"}
        | (attacks or {})
    )
    rows += [
        WORST | {"attack": name, "verdict": verdict} for name, verdict in judged.items() if verdict
    ]
    rows.append(rows[0] | EXCESS | {"verdict": "pass"} | (excess or {}))
    write_table(results / PRIVATE / "audit.tsv", PRIVATE_COLUMNS, rows)
    write_table(results / TABLES / "privacy.tsv", PUBLIC_COLUMNS, rows)
    metrics = {"ld_r2_correlation": "pass", "sites_lost": "weak"} | (metrics or {})
    base = {
        "generator": NAME,
        "role": "baseline",
        "population": "all",
        "bin": "all",
        "value": 0.9,
        "reference": 0.95,
        "n": ROLE,
    }
    lines = [base | {"metric": name, "verdict": verdict} for name, verdict in metrics.items()]
    write_table(results / TABLES / "fidelity.tsv", FIDELITY_COLUMNS, lines)
    options = AuditOptions(shadow_models=4, shadow_steps=1).model_dump() | (audited or {})
    restamp(results / PRIVATE / "audit.json", results / TABLES, options=options)
    restamp(
        results / TABLES / "fidelity.provenance.json",
        options=ValidateOptions().model_dump() | (validated or {}),
    )


RECORDS = (
    f"{PANEL}/20.provenance.json", "splits/p.provenance.json", f"{MODELS}/20.provenance.json",
    f"{MADE}/cohort.provenance.json",
    f"{MADE}/20.provenance.json", f"{TABLES}/fidelity.provenance.json", f"{PRIVATE}/audit.json",
)  # fmt: skip


def restamp(record: Path, *others: Path, **changes) -> None:
    """Let a record say that its outputs, next to it or in `others`, were written as they
    are now.
    """
    values = json.loads(record.read_text()) | changes
    files = {
        name: next(f / name for f in (record.parent, *others) if (f / name).exists())
        for name in values["outputs"]
    }
    write_record(
        record, values | {"outputs": {name: file_digest(path) for name, path in files.items()}}
    )


def write_record(record: Path, values: dict) -> None:
    record.write_text(json.dumps(sealed(values)))


def forge(results: Path) -> None:
    """Let all records say that everything was made from what is there now: what a careful forger
    would do.
    """
    places = {"panel": PANEL, "synthetic": MADE, "model": MODELS}
    single = {
        "split": "splits/p.tsv",
        "model": f"{MODELS}/20.safetensors",
        "cohort": f"{MADE}/cohort.tsv",
    }
    for record in RECORDS:
        values = json.loads((results / record).read_text())
        for role in values["inputs"]:
            kind, _, name = role.partition("/")
            path = results / (f"{places[kind]}/{name}" if name else single.get(role, "raw"))
            if path.is_file():
                values["inputs"][role] = file_digest(path)
        restamp(results / record, results / TABLES, results / PANEL, inputs=values["inputs"])
