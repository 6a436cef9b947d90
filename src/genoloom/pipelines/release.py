"""Make the bundle that may leave, when the gate passes; otherwise say every reason and leave no
bundle.
"""

import gzip
import logging
import os
from itertools import zip_longest
from pathlib import Path

from genoloom import __version__
from genoloom.disclosure import individuals_count
from genoloom.errors import GateError
from genoloom.evidence.bundle import finish_bundle, leaks, made_beside, remove_bundle
from genoloom.evidence.public_panels import release_terms
from genoloom.evidence.release import Evidence
from genoloom.formats.leak_ledger import add_to_ledger
from genoloom.formats.models import file_digest, privacy_of
from genoloom.formats.pgen import write_panel
from genoloom.formats.private_directories import close_directory
from genoloom.formats.tables import read_records, write_records, write_table
from genoloom.formats.tracts import write_tracts
from genoloom.formats.vcf_write import VARIANT_SUFFIXES, write_variants
from genoloom.models.haplotype.admixture import make_plan
from genoloom.models.load import load_generator
from genoloom.privacy.bundle import readme, release_date
from genoloom.privacy.gate import loosened_thresholds
from genoloom.privacy.leak_scan import forbidden_here
from genoloom.privacy.rows import AttackRow
from genoloom.privacy_config import ReleaseOptions
from genoloom.stages.consensus import consensus
from genoloom.validation.rows import ALL, MetricRow

log = logging.getLogger(__name__)

INDIVIDUALS_COLUMNS = ["individual", "population", "sex"]  # not the seeds
BLOCK = 1024  # sites written at a time


def release(
    *,
    results: Path,
    panel: str,
    generator: str,
    out: Path,
    options: ReleaseOptions,
    sheet: Path | None = None,
    public_panels: Path | None = None,
) -> None:
    """Judge the synthetic data of `generator` and write the bundle `out`, next to it first and then
    renamed.

    An older bundle at `out` is removed, whatever the judgement.

    Parameters
    ----------
    results : Path
        Directory of the workflow's results, laid out as in docs/architecture.md.
    sheet : Path, optional
        Sheet of panels. The raw input that it names is compared with what the panel was made from,
        where it is still there; personal FASTA needs its reference. Its paths are relative to the
        directory that `results` is in.
    public_panels : Path, optional
        Folder of registered public panels, for what was made in mode `public`.

    Raises
    ------
    GateError
        The gate does not pass, or the leak scan found something; lists every reason. There is no
        bundle then.
    InputError
        There are no synthetic data, the sheet cannot be read, or something that is no bundle is
        at `out`.
    """
    remove_bundle(out)
    evidence = Evidence(results, panel, generator, sheet, public_panels)
    reasons = evidence.reasons(options)
    if reasons:
        raise GateError(f"{panel} {generator}", reasons)
    with made_beside(out) as scratch:
        part = scratch / out.name
        part.mkdir()
        bundle = Bundle(evidence, part, options)
        try:
            reasons = bundle.write() or bundle.leaks()
        # of a damaged model or sheet whose digests fit
        except (KeyError, TypeError, ValueError, IndexError) as error:
            reasons = [f"bundle: cannot be written from the audited files ({type(error).__name__})"]
        if reasons:
            raise GateError(f"{panel} {generator}", reasons)
        # first: a release that is killed here is counted though it did not leave, and counted once
        # when it is made again
        close_directory(evidence.ledger.parent)
        name, leak = evidence.leak()
        add_to_ledger(evidence.ledger, name, leak.separation)
        os.replace(part, out)
    log.info("%s: the gate passed; %d files", out, len(list(out.iterdir())))


class Bundle:
    """Writes a bundle at `part`: every file anew, from what was judged, so that nothing else can
    are in it.
    """

    def __init__(self, evidence: Evidence, part: Path, options: ReleaseOptions):
        self.evidence, self.part, self.options = evidence, part, options

    def write(self) -> list[str]:
        """Fill the bundle: genotypes, tracts, tables, README, description, manifest. Returns
        reasons against it.
        """
        evidence, part = self.evidence, self.part
        reasons = []
        for contig in evidence.contigs:
            variants = self._write_genotypes(contig)
            if self.options.consensus:
                reasons += self._write_consensus(contig, variants)
        individuals = evidence.cohort.individuals
        rows = [
            dict(zip(INDIVIDUALS_COLUMNS, row, strict=True))
            for row in zip(individuals.id, individuals.population, individuals.sex, strict=True)
        ]
        write_table(part / "samples.tsv", INDIVIDUALS_COLUMNS, rows)
        attacks, metrics = (
            read_records(evidence.table("privacy.tsv"), AttackRow),
            read_records(evidence.table("fidelity.tsv"), MetricRow),
        )
        write_records(part / "privacy.tsv", AttackRow, attacks)
        write_records(part / "fidelity.tsv", MetricRow, metrics)
        attacks = [r for r in attacks if r.generator == evidence.generator and r.population == ALL]
        metrics = [r for r in metrics if r.generator == evidence.generator and r.of_all]
        facts = self._facts()
        finish_bundle(part, readme(facts, attacks, metrics), facts)
        return reasons

    def _write_genotypes(self, contig: str) -> Path:
        """The PGEN trio, the VCF or BCF and the true tracts of a contig; returns the file of
        variants.
        """
        evidence, prefix = self.evidence, self.part / contig
        generator, sites, description = load_generator(evidence.model(contig))
        panel, record = evidence.genotypes(contig, sites), evidence.records[f"synthetic {contig}"]
        write_panel(prefix, panel, BLOCK)
        [variants] = [
            Path(f"{prefix}{suffix}")
            for suffix in VARIANT_SUFFIXES
            if f"{contig}{suffix}" in record.outputs
        ]
        model = file_digest(evidence.model(contig))[:16]
        header = {
            "version": record.version,
            "generator": description["generator"],
            "model": model,
            "seed": record.seed,
        }
        write_variants(variants, panel, header)
        plan = make_plan(evidence.cohort, sites, generator)
        write_tracts(
            prefix, sites, panel.individuals, plan.haploid, plan.true_ancestry(),
            generator.population_names, plan.autozygous,
        )  # fmt: skip
        return variants

    def _write_consensus(self, contig: str, variants: Path) -> list[str]:
        """Personal FASTA anew; it must be the one in the results. None where the panel has no
        reference.
        """
        row = self.evidence.sheet_rows.get(contig)
        if row is None:
            return [
                f"consensus {contig}: cannot be written anew without the reference; give the sheet "
                "of panels with --sheet"
            ]
        if row.reference is None:
            return []
        there, out = (
            Path(f"{self.evidence.synthetic / contig}.consensus.fa.gz"),
            Path(f"{self.part / contig}.consensus.fa.gz"),
        )
        try:
            with gzip.open(there) as handle:
                # a record of each haplotype: NAME_1, NAME_2
                names = (line.split()[0] for line in handle if line.startswith(b">"))
                individuals = len({name.rpartition(b"_")[0] for name in names})
            consensus(
                variants=variants,
                reference=self.evidence.results.parent / row.reference,
                out=out,
                individuals=max(individuals, 1),
            )
            with gzip.open(there) as old, gzip.open(out) as new:
                same = all(a == b for a, b in zip_longest(old, new))
        except (OSError, EOFError, ValueError) as error:
            return [
                f"consensus {contig}: {there.name} is missing or cannot be read "
                f"({type(error).__name__})"
            ]
        return (
            []
            if same
            else [
                f"consensus {contig}: {there.name} is not what the audited genotypes give; make it "
                "again"
            ]
        )

    def _facts(self) -> dict:
        evidence, options = self.evidence, self.options
        descriptions, compared = (
            evidence.descriptions,
            evidence.records["audit"].facts["individuals_per_role"],
        )
        individuals = len(evidence.cohort.individuals)
        return {
            "title": f"Synthetic genotypes: {evidence.panel}, {evidence.generator}",
            "description": f"Phased genotypes of {individuals} synthetic individuals, sampled from "
            "a model; see README.md",
            "data": f"panel {evidence.panel}",
            "panel": evidence.panel,
            "generator": evidence.generator,
            "version": __version__,
            "date": release_date(),
            "individuals": individuals,
            "contigs": [(d["contig"], int(d["n_variants"])) for d in descriptions],
            "training_individuals": descriptions[0]["training_individuals"],
            "seed": descriptions[0]["seed"],
            "compared": individuals_count(compared),
            "not_compared": max(0, individuals - compared),
            "min_carriers": min(d["min_carriers"] for d in descriptions),
            "max_auc": options.max_auc,
            "licence": options.licence
            or "No licence has been stated: ask those who handed this over",
            "redrawn": self._redrawn(),
            "thresholds": loosened_thresholds(options, evidence.guarded),
            "public": release_terms(evidence.public_place(evidence.contigs[0]))
            if evidence.public
            else "",
            "guarantee": privacy_of(descriptions[0]) if evidence.measured else None,
            "raw_input": evidence.raw_compared == len(evidence.contigs),
            "models": [
                f"sha256:{file_digest(evidence.model(contig))}" for contig in evidence.contigs
            ],
        }

    def _redrawn(self) -> str:
        """What was done about synthetic individuals who came too close to training individuals."""
        record = self.evidence.records["cohort"]
        if record.stage != "redraw":
            return "No synthetic individual was rejected for being close to a training individual."
        redrawn, individuals = record.facts["redrawn"], record.facts["individuals"]
        return (
            f"{redrawn} of {individuals} synthetic individuals came too close to a training "
            "individual and were drawn anew."
        )

    def leaks(self) -> list[str]:
        """What the leak scan finds in the bundle."""
        evidence = self.evidence
        names = evidence.real_individuals()
        return leaks(self.part, forbidden_here(names, evidence.results, self.options.canaries))
