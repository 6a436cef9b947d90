"""What the release gate looks at: the chain of records, and what the files say."""

import hashlib
import re
from functools import cached_property
from math import isnan
from pathlib import Path

import numpy as np

from genoloom.cohort import Cohort
from genoloom.config import SplitOptions, ValidateOptions
from genoloom.config_section import Section
from genoloom.errors import InputError
from genoloom.evidence.bundle import attempt
from genoloom.evidence.chain import Chain
from genoloom.evidence.public_panels import guarantee_reasons, public_reasons
from genoloom.formats.cohort_sheets import COLUMNS as COHORT_COLUMNS
from genoloom.formats.cohort_sheets import read_cohort
from genoloom.formats.leak_ledger import LEDGER, read_ledger
from genoloom.formats.models import read_description
from genoloom.formats.pgen import PgenHaplotypes, panel_files, read_psam
from genoloom.formats.splits import COLUMNS as SPLIT_COLUMNS
from genoloom.formats.tables import read_exact_records, read_exact_table
from genoloom.models.load import load_generator
from genoloom.panel import Panel, Sites, by_ploidy
from genoloom.ploidy import Ploidy
from genoloom.privacy.attack_ids import AttackId, Scored
from genoloom.privacy.gate import (
    fidelity_reasons,
    model_reasons,
    option_reasons,
    privacy_reasons,
    rows_of_all,
)
from genoloom.privacy.leak_budget import Leak, unavoidable
from genoloom.privacy.rows import AttackRow, PrivateAttackRow, public_rows
from genoloom.privacy_config import AuditOptions, ReleaseOptions
from genoloom.records import values_of
from genoloom.validation.cohorts import compare
from genoloom.validation.rows import MetricRow
from genoloom.validation.verdicts import REAL

SYNTHETIC_NAME = re.compile(r"SYN\d{6,}", re.ASCII)


class Evidence(Chain):
    """A chain, and what its tables, models and individuals say for or against a release."""

    @cached_property
    def cohort(self) -> Cohort:
        """The synthetic individuals who have the contigs: males of Y, else everybody."""
        path = self.synthetic / "cohort.tsv"
        read_exact_table(path, COHORT_COLUMNS)
        cohort = read_cohort(path)
        if self.ploidy is not Ploidy.Y_LINKED:
            return cohort
        return cohort.take(np.flatnonzero(self.ploidy.haploid(cohort.individuals.sex)))

    @property
    def ploidy(self) -> Ploidy:
        """That of all contigs, which are of one ploidy."""
        return Ploidy(self.descriptions[0].get("ploidy", Ploidy.DIPLOID))

    @cached_property
    def descriptions(self) -> list[dict]:
        """What the models say of themselves, contig by contig."""
        return [read_description(self.model(contig), "haplotypes") for contig in self.contigs]

    def real_individuals(self) -> set[str]:
        """Names of everybody in the panel and in the split table."""
        names = {
            name
            for contig in self.contigs
            for name in read_psam(panel_files(self.panel_prefix(contig))[2]).id
        }
        return names | {row["individual"] for row in read_exact_table(self.split, SPLIT_COLUMNS)}

    def genotypes(self, contig: str, sites: Sites) -> Panel:
        """The audited genotypes at the sites of the model and of the individuals of the cohort
        sheet: no text of their own files.
        """
        individuals, path = self.cohort.individuals, panel_files(self.synthetic / contig)[0]
        return Panel(sites, individuals, PgenHaplotypes(path, len(individuals), len(sites)))

    def reasons(self, options: ReleaseOptions) -> list[str]:
        """Every reason against a release that can be seen in tables and files."""
        options = self.asked(options)
        found = self.broken()
        whole = not found
        tables = {
            "audit": (self.private / "audit.tsv", PrivateAttackRow),
            "privacy": (self.table("privacy.tsv"), AttackRow),
            "fidelity": (self.table("fidelity.tsv"), MetricRow),
        }
        read: dict[str, list | None] = {}
        for what, (path, record) in tables.items():
            read[what] = None
            found += attempt(
                what, lambda p=path, k=record, w=what: read.update({w: read_exact_records(p, k)})
            )
        if read["audit"] is not None:
            found += attempt("privacy", lambda: self._judge_audit(read["audit"], options))
            found += attempt("privacy", lambda: self._size_reasons(read["audit"], options))
            if read["privacy"] is not None:
                found += attempt(
                    "privacy", lambda: self._judge_public(read["audit"], read["privacy"])
                )
        if read["fidelity"] is not None:
            found += attempt("fidelity", lambda: self._judge_fidelity(read["fidelity"], options))
        found += attempt("split", lambda: self._options_reasons("split", SplitOptions, options))
        found += attempt("model", lambda: model_reasons(self._descriptions_of_this(), options))
        found += attempt("individuals", self._individuals_reasons)
        found += attempt("ledger", lambda: self._ledger_reasons(options))
        if whole:  # what is not the file that was written is not opened
            for contig in self.contigs:
                found += attempt(f"synthetic {contig}", lambda c=contig: self._genotype_reasons(c))
            if self.public:
                found += attempt("templates", lambda: public_reasons(self))
            if self.measured:
                found += attempt("statistics", lambda: guarantee_reasons(self, options.max_epsilon))
        return list(dict.fromkeys([*found, *self._older_tables()]))

    def asked(self, options: ReleaseOptions) -> ReleaseOptions:
        """What is asked of these data. In mode `public`, and with noised statistics, no shadow
        models: trained on the cohort they would be models of another kind, as this one never saw
        it.
        """
        return options.model_copy(update={"shadow_models": False}) if self.guarded else options

    # earlier releases

    @property
    def ledger(self) -> Path:
        """What earlier releases of the panel have given away."""
        return self.results / LEDGER.format(self.panel)

    def leak(self) -> tuple[str, Leak]:
        """What this release gives away unavoidably to an attacker with any reference, and its name
        in the ledger.
        """
        facts = self.records["audit"].facts
        digests = "".join(
            self.digest(self.synthetic / f"{contig}.pgen") or "" for contig in self.contigs
        )
        name = f"{self.generator} {hashlib.sha256(digests.encode()).hexdigest()[:16]}"
        if self.guarded:  # noised statistics have a budget of their own
            return name, Leak(0.0)
        individuals = len(self.cohort.individuals)
        return name, unavoidable(
            facts["effective_sites"], facts["training_individuals"], synthetic=individuals
        )

    def _size_reasons(self, private: list[PrivateAttackRow], options: ReleaseOptions) -> list[str]:
        """The audit's attackers see as many synthetic individuals as real ones; a larger release
        tells more.
        """
        facts, released = self.records["audit"].facts, len(self.cohort.individuals)
        compared = facts["individuals_per_role"]
        row = rows_of_all(private, self.generator).get(Scored(AttackId.WORST))
        # the first has been said; of public individuals more tell no more of the cohort than the
        # statistics do
        if row is None or isnan(row.high) or self.guarded:
            return []
        audited, whole = (
            unavoidable(facts["effective_sites"], facts["training_individuals"], compared, size).auc
            for size in (compared, max(compared, released))
        )
        bound = min(1.0, row.high + (whole - audited))
        if row.high <= options.max_auc < bound:
            return [
                f"privacy: to whoever has all {released:,} synthetic individuals the worst "
                f"attack's AUC may be as high as {bound:.3f}; at most {options.max_auc:g} may "
                "leave; make fewer (cohort.size)"
            ]
        return []

    def _ledger_reasons(self, options: ReleaseOptions) -> list[str]:
        name, leak = self.leak()
        earlier = Leak(sum(value for key, value in read_ledger(self.ledger).items() if key != name))
        together = (earlier + leak).auc
        if earlier.separation and leak.separation and together > options.max_auc:
            return [
                "ledger: with the earlier releases of these individuals the unavoidable AUC is "
                f"{together:.3f}; at most {options.max_auc:g} may leave"
            ]
        return []

    # tables and individuals

    def _options_reasons(
        self, what: str, section: type[Section], options: ReleaseOptions
    ) -> list[str]:
        """Reasons in the options of a command; a missing record has been said."""
        return (
            option_reasons(what, section, self.records[what].options, options)
            if what in self.records
            else []
        )

    def _judge_audit(self, private: list[PrivateAttackRow], options: ReleaseOptions) -> list[str]:
        record = self.records.get("audit")
        individuals = record.facts.get("individuals_per_role") if record else None
        found = self._options_reasons("audit", AuditOptions, options)
        if type(individuals) is not int:
            return [*found, "audit: does not say how many individuals it compared; audit again"]
        found += privacy_reasons(private, self.generator, individuals, options, self.guarded)
        if individuals != self._compared_individuals():
            found.append(
                "audit: compared fewer individuals than there are in the synthetic files and the "
                "split; audit again"
            )
        return found

    def _judge_public(self, private: list[PrivateAttackRow], public: list[AttackRow]) -> list[str]:
        """Every row that may be shown must be in the private table, or in the own table of a
        baseline.
        """
        shown = [*public_rows(private), *self._rows_of_baselines(public, "privacy.tsv", AttackRow)]
        if _same(shown, public, AttackRow):
            return []
        return ["privacy: the public table is not of this audit; audit again"]

    def _rows_of_baselines(self, table: list, name: str, record: type) -> list:
        """The rows of the shown baselines in their own tables."""
        return [
            row
            for baseline in self.shown_baselines(table)
            for row in read_exact_records(self.table(name, baseline), record)
            if row.generator == baseline
        ]

    def _compared_individuals(self) -> int:
        """How many individuals per role an audit of these files compares."""
        individuals = read_psam(panel_files(self.panel_prefix(self.contigs[0]))[2])
        role = {
            row["individual"]: row["role"] for row in read_exact_table(self.split, SPLIT_COLUMNS)
        }
        synthetic, real = (
            by_ploidy(group, self.ploidy) for group in (self.cohort.individuals, individuals)
        )
        return compare(synthetic, real, [role.get(name, "") for name in individuals.id], 0, 0).n

    def _judge_fidelity(self, table: list[MetricRow], options: ReleaseOptions) -> list[str]:
        found = self._options_reasons("fidelity", ValidateOptions, options)
        found += fidelity_reasons(table, self.generator, options)
        shown = [row for row in table if row.generator not in (self.generator, REAL)]
        own = self._rows_of_baselines(table, "fidelity.tsv", MetricRow)
        if not _same(shown, own, MetricRow):
            found.append(
                "fidelity: the rows of the baselines differ from their own tables; validate again"
            )
        return found

    def _descriptions_of_this(self) -> list[dict]:
        """The descriptions, of which each must be of its contig and of the generator."""
        for contig, description in zip(self.contigs, self.descriptions, strict=True):
            if (description.get("contig"), description.get("generator")) != (
                contig,
                self.generator,
            ):
                raise InputError(self.model(contig), "is the model of another contig or generator")
        return self.descriptions

    def _individuals_reasons(self) -> list[str]:
        """Everybody named must be synthetic: this is where short names of real individuals are
        looked for.
        """
        named, found = self.cohort.individuals.id, []
        if self.cohort.has_families:
            found.append(
                "individuals: the cohort has families, and the leak is only known of independent "
                "individuals; make one with cohort.children: 0"
            )
        split = read_exact_table(self.split, SPLIT_COLUMNS)
        for contig in self.contigs:
            individuals = read_psam(panel_files(self.panel_prefix(contig))[2])
            columns = (
                individuals.id,
                individuals.family,
                individuals.population,
                individuals.superpopulation,
                individuals.sex,
            )
            real = [
                dict(zip(SPLIT_COLUMNS, cells, strict=False))
                for cells in zip(*columns, strict=True)
            ]
            if real != [{name: row[name] for name in SPLIT_COLUMNS[:-1]} for row in split]:
                found.append(
                    "individuals: the split table is not of the individuals of the panel on contig "
                    f"{contig}; split again"
                )
            if read_psam(panel_files(self.synthetic / contig)[2]).id != named:
                found.append(
                    f"individuals: the synthetic individuals on contig {contig} differ from "
                    "the ones of the cohort sheet"
                )
        synthetic = (
            all(SYNTHETIC_NAME.fullmatch(name) for name in named)
            and not set(named) & self.real_individuals()
        )
        if not synthetic:
            found.append(
                "individuals: somebody in the synthetic files is not named SYN and a number"
            )
        return found

    def _genotype_reasons(self, contig: str) -> list[str]:
        """Whether the audited genotypes can be written anew: all calls are there, at the sites of
        the model.
        """
        _, sites, _ = load_generator(self.model(contig))
        for _, _, alleles in self.genotypes(contig, sites).blocks():
            if not np.isin(alleles, (0, 1)).all():
                return [f"synthetic {contig}: some calls are missing"]
        return []

    def _older_tables(self) -> list[str]:
        """Tables that were written before the synthetic files."""
        files = [self.synthetic / f"{contig}.pgen" for contig in self.contigs]
        tables = [self.table("fidelity.tsv"), self.table("privacy.tsv"), self.private / "audit.tsv"]
        newest = max((path.stat().st_mtime for path in files if path.exists()), default=0.0)
        older = [path for path in tables if path.exists() and path.stat().st_mtime < newest]
        return [
            f"{path.stem}: {path.name} is older than the synthetic files; run the workflow again"
            for path in older
        ]


def _same(rows: list, others: list, record: type) -> bool:
    """Whether two tables are alike; where neither was measured is alike as well."""
    one, other = ([[*map(str, values_of(row, record))] for row in own] for own in (rows, others))
    return one == other
