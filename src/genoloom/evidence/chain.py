"""The files of one generator in the results, and the records of what they were made from.

raw input -> panel -> split -> model -> cohort -> synthetic files -> fidelity table, audit. Every
record of this chain is read, and every digest in it is taken anew from the file that lies there
now. In modes `public` and `statistics` the model is made from templates, and these of a registered
public panel: neither the panel of the cohort nor its split may be among what model, cohort sheet
and synthetic files were made from. In mode `statistics` the model is also made from what was
measured of the cohort.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from genoloom.config_sheets import PanelRow, check_name, read_panel_sheet
from genoloom.errors import InputError
from genoloom.formats.models import file_digest, is_guarded, is_public, privacy_of, read_description
from genoloom.formats.pgen import panel_files
from genoloom.formats.plink_tables import raw_files
from genoloom.formats.provenance import Provenance, read_provenance, record_path
from genoloom.formats.public_panels import MATCH, RECORD
from genoloom.formats.tables import read_exact_records
from genoloom.formats.text import read_json
from genoloom.formats.vcf_write import VARIANT_SUFFIXES
from genoloom.models.haplotype import BASELINES
from genoloom.privacy.rows import AttackRow
from genoloom.validation.reference_values import REFERENCE_VALUES
from genoloom.validation.rows import MetricRow

log = logging.getLogger(__name__)

INDEXES = (".tbi", ".csi")
TRACTS = (".ancestry.bed", ".autozygous.bed")
MODELS = "model/"  # role of a model in a record
SHADOWS = "shadow/"  # of the scores of a shadow model, and where they are next to the audit


@dataclass(frozen=True)
class Link:
    """A record of the chain, and what it must say.

    Attributes
    ----------
    what : str
        Files that the record is of, as reasons call them.
    stage : str
        The command that makes them.
    inputs : dict
        By role, the files that they must have been made from; of several, one.
    unchecked : tuple of str
        Beginnings of roles that the record may have alongside.
    outputs : dict
        By name, the files that must be as they were written.
    """

    what: str
    stage: str
    record: Path
    inputs: dict[str, tuple[Path, ...]]
    unchecked: tuple[str, ...]
    outputs: dict[str, Path]


@dataclass
class Chain:
    """The files of one generator in the results.

    Parameters
    ----------
    results : Path
        Directory of the workflow's results, laid out as in docs/architecture.md.
    sheet : Path, optional
        Sheet of panels: the raw input, to be compared with what the panel was made from. Its paths
        are relative to the directory that `results` is in, where the workflow ran.
    public_panels : Path, optional
        Folder of registered public panels, for what was made in mode `public`.

    Raises
    ------
    InputError
        There are no synthetic data, or the sheet cannot be read.
    """

    results: Path
    panel: str
    generator: str
    sheet: Path | None = None
    public_panels: Path | None = None
    records: dict[str, Provenance] = field(default_factory=dict, init=False)
    raw_compared: int = field(default=0, init=False)

    def __post_init__(self):
        self.synthetic = self.results / "synthetic" / self.panel / self.generator
        self.models = self.results / "models" / self.panel / self.generator
        self.private = self.results / "private" / self.panel / self.generator
        self.split = self.results / "splits" / f"{self.panel}.tsv"
        self.contigs = sorted(
            path.name.removesuffix(".pgen") for path in self.synthetic.glob("*.pgen")
        )
        if not self.contigs:
            raise InputError(
                self.synthetic, "holds no synthetic data", remedy="run the workflow first"
            )
        rows = read_panel_sheet(self.sheet, with_files=False) if self.sheet else []
        self.sheet_rows = {row.contig: row for row in rows if row.panel == self.panel}
        self._digests: dict[Path, str | None] = {}

    def table(self, name: str, generator: str = "") -> Path:
        """A public table of a generator, by default of this one."""
        return self.results / "validation" / self.panel / (generator or self.generator) / name

    def model(self, contig: str) -> Path:
        return self.models / f"{contig}.safetensors"

    def panel_prefix(self, contig: str) -> Path:
        return self.results / "panels" / self.panel / contig

    @property
    def statistics(self) -> Path:
        """What was measured of the cohort, for mode `statistics`."""
        return self.results / "statistics" / f"{self.panel}.safetensors"

    def templates(self, contig: str) -> Path:
        """Prefix of the public individuals that a model was made from."""
        return self.results / "templates" / self.panel / contig

    @cached_property
    def public(self) -> bool:
        """Whether every model says that it was made from public individuals, with or without
        statistics of the cohort; the records must agree.
        """
        return bool(self.said) and all(map(is_public, self.said))

    @cached_property
    def guarded(self) -> bool:
        """Whether every model says that it was, and that statistics have noise."""
        return bool(self.said) and all(map(is_guarded, self.said))

    @cached_property
    def measured(self) -> bool:
        """Whether some model says that it knows statistics of the cohort."""
        return any(privacy_of(said)["mode"] == "statistics" for said in self.said)

    @cached_property
    def said(self) -> list[dict]:
        """The descriptions of the models; none where one of them cannot be read."""
        try:
            return [read_description(self.model(c), "haplotypes") for c in self.contigs]
        except InputError:
            return []

    def public_place(self, contig: str) -> Path | None:
        """The directory of the registered panel that a contig's templates were taken from; None
        where it is not known.
        """
        try:
            account = read_json(f"{self.templates(contig)}{MATCH}", ("panel",))
            check_name("public panel", account["panel"])
        except (InputError, TypeError):
            return None
        return None if self.public_panels is None else self.public_panels / account["panel"]

    def broken(self) -> list[str]:
        """What is wrong with the records, and with the files they are of."""
        return [reason for link in self._links() for reason in self._check(link)]

    def _links(self) -> Iterator[Link]:
        """Every record of the chain, from the raw input on."""
        contigs, summaries = self.contigs, {}
        panels = {
            c: {f"panel/{p.name}": (p,) for p in panel_files(self.panel_prefix(c))} for c in contigs
        }
        panel = {role: files for own in panels.values() for role, files in own.items()}
        for contig in contigs:
            prefix = self.panel_prefix(contig)
            summary = Path(f"{prefix}.summary.json")
            outputs = {path.name: path for path in [*panel_files(prefix), summary]}
            summaries[f"panel/{summary.name}"] = (summary,)
            yield Link(
                f"panel {contig}", "prepare", record_path(prefix), *self._raw(contig), outputs
            )
        merged = self.panel_prefix("summary.json")
        split = {"split": (self.split,)}
        outputs = {self.split.name: self.split, merged.name: merged}
        yield Link(
            "split",
            "split",
            record_path(self.split.with_suffix("")),
            panel | summaries,
            ("pedigree",),
            outputs,
        )
        models = {f"{MODELS}{contig}.safetensors": (self.model(contig),) for contig in contigs}
        measured = {"statistics": (self.statistics,)} if self.measured else {}
        if self.measured:
            of = {role: own for c in contigs for role, own in self._template_files(c).items()}
            outputs = {p.name: p for p in (self.statistics, self.statistics.with_suffix(".json"))}
            record = record_path(self.statistics.with_suffix(""))
            yield Link("statistics", "panel measure", record, panel | split | of, (), outputs)
        for contig in contigs:
            outputs = {
                path.name: path for path in (self.model(contig), self.models / f"{contig}.json")
            }
            yield Link(
                f"model {contig}",
                "train",
                record_path(self.models / contig),
                self._template_files(contig) | measured if self.public else panels[contig] | split,
                (),
                outputs,
            )
            if self.public:
                yield self._templates_link(contig, panel)
        sheet = self.synthetic / "cohort.tsv"
        any_model = {"model": tuple(map(self.model, contigs))}
        divided = {} if self.public else split
        made = _record(record_path(self.synthetic / "cohort"))
        redrawn = not self.public and made is not None and made.stage == "redraw"
        if redrawn:
            drawn, summary = self.synthetic / "cohort.drawn.tsv", self.synthetic / "redraw.json"
            inputs = models | panel | split | {"cohort": (drawn,)}
            outputs = {sheet.name: sheet, summary.name: summary}
            yield Link(
                "cohort", "redraw", record_path(self.synthetic / "cohort"), inputs, (), outputs
            )
            record = record_path(self.synthetic / "cohort.drawn")
            yield Link(
                "cohort as drawn", "cohort", record, any_model | divided, (), {drawn.name: drawn}
            )
        else:
            yield Link(
                "cohort",
                "cohort",
                record_path(self.synthetic / "cohort"),
                any_model | divided,
                (),
                {sheet.name: sheet},
            )
        synthetic: dict[str, tuple[Path, ...]] = {}
        for contig in contigs:
            prefix = self.synthetic / contig
            outputs = {path.name: path for path in self._generated(prefix)}
            synthetic |= {f"synthetic/{path.name}": (path,) for path in panel_files(prefix)}
            inputs = {"model": (self.model(contig),), "cohort": (sheet,)}
            yield Link(f"synthetic {contig}", "generate", record_path(prefix), inputs, (), outputs)
        compared = synthetic | panel | split
        table, public = self.table("fidelity.tsv"), self.table("privacy.tsv")
        baselines = self._baselines(table, MetricRow)
        yield Link(
            "fidelity",
            "validate",
            record_path(table.with_suffix("")),
            compared | baselines,
            (),
            {table.name: table, REFERENCE_VALUES: self.table(REFERENCE_VALUES)},
        )
        private, baselines = self.private / "audit.tsv", self._baselines(public, AttackRow)
        outputs = {private.name: private, public.name: public}
        # the audit itself has seen whether they are of its own files
        audit = _record(self.private / "audit.json")
        roles = [role for role in (audit.inputs if audit else ()) if role.startswith(SHADOWS)]
        shadows = {role: (self.private / SHADOWS / Path(role).name,) for role in roles}
        yield Link(
            "audit",
            "audit",
            self.private / "audit.json",
            compared | models | shadows | baselines,
            (),
            outputs,
        )

    def _template_files(self, contig: str) -> dict[str, tuple[Path, ...]]:
        return {f"templates/{p.name}": (p,) for p in panel_files(self.templates(contig))}

    def _templates_link(self, contig: str, panel: dict[str, tuple[Path, ...]]) -> Link:
        """The record of the templates: of these very individuals of the cohort, and of the
        registered panel where its folder is known.
        """
        prefix, place = self.templates(contig), self.public_place(contig)
        inputs, unchecked = dict(panel), ("public/",)
        if place is not None:
            files = [p for c in self.contigs for p in panel_files(place / c)]
            inputs |= {f"public/{p.name}": (p,) for p in [*files, place / RECORD]}
            unchecked = ()
        account = Path(f"{prefix}{MATCH}")
        outputs = {p.name: p for p in [*panel_files(prefix), account]}
        return Link(
            f"templates {contig}", "panel match", record_path(prefix), inputs, unchecked, outputs
        )

    def _raw(self, contig: str) -> tuple[dict[str, tuple[Path, ...]], tuple[str, ...]]:
        """The raw input of a contig by role, as far as it is known and still there, and the roles
        that are not compared.
        """
        row: PanelRow | None = self.sheet_rows.get(contig)
        if row is None:
            return {}, ("variants", "samples", "reference", "map")
        ran = self.results.parent
        given = raw_files(ran / row.variants) | {
            role: ran / path
            for role in ("samples", "reference", "map")
            if (path := getattr(row, role))
        }
        there = {role: (path,) for role, path in given.items() if path.is_file()}
        self.raw_compared += set(there) == set(given)
        gone = tuple(role for role in given if role not in there)
        if gone:
            log.warning(
                "panel %s: %s of the raw input is not there any more and not compared",
                contig,
                ", ".join(gone),
            )
        return there, gone

    def _generated(self, prefix: Path) -> list[Path]:
        """The PGEN trio, and all other files of `generate` at a prefix that are there; what is
        missing is in the record.
        """
        indexes = tuple(variants + index for variants in VARIANT_SUFFIXES for index in INDEXES)
        other = [Path(f"{prefix}{suffix}") for suffix in (*VARIANT_SUFFIXES, *indexes, *TRACTS)]
        return [*panel_files(prefix), *(path for path in other if path.exists())]

    def _baselines(self, table: Path, record: type) -> dict[str, tuple[Path, ...]]:
        """Tables of the baselines that a table shows, by role; none where it cannot be read, which
        is said elsewhere.
        """
        try:
            rows = read_exact_records(table, record)
        except InputError:
            return {}
        return {
            f"baseline/{i}": (self.table(table.name, name),)
            for i, name in enumerate(self.shown_baselines(rows), 1)
        }

    def shown_baselines(self, rows: list) -> list[str]:
        return [
            name
            for name in dict.fromkeys(row.generator for row in rows)
            if name in BASELINES and name != self.generator
        ]

    def _check(self, link: Link) -> list[str]:
        """What is wrong with a record, and with the files it is of."""
        again = f"; make it again (genoloom {link.stage})"
        record = _record(link.record)
        if record is None:
            return [
                f"{link.what}: {link.record.name}, the record of what it was made from, is missing "
                f"or cannot be read{again}"
            ]
        self.records[link.what] = record
        if record.stage != link.stage:
            return [f"{link.what}: was not made by `genoloom {link.stage}`{again}"]
        found = []
        for role, files in link.inputs.items():
            if role not in record.inputs:
                found.append(f"{link.what}: was made without {role}{again}")
            elif record.inputs[role] not in map(self.digest, files):
                found.append(
                    f"{link.what}: was made from another {role} than the one that is there{again}"
                )
        strange = [
            role
            for role in record.inputs
            if role not in link.inputs and not role.startswith(link.unchecked)
        ]
        found += [
            f"{link.what}: was also made from {role}, which is not there any more{again}"
            for role in strange
        ]
        for name, path in link.outputs.items():
            if name not in record.outputs:
                found.append(f"{link.what}: {name} was not made with the rest{again}")
            elif self.digest(path) is None:
                found.append(f"{link.what}: {name} is missing or cannot be read{again}")
            elif self.digest(path) != record.outputs[name]:
                found.append(f"{link.what}: {name} is not the file that was written{again}")
        found += [
            f"{link.what}: {name} is missing{again}"
            for name in record.outputs
            if name not in link.outputs
        ]
        return found

    def digest(self, path: Path) -> str | None:
        """SHA-256 of a file as it is now; None where it cannot be read."""
        if path not in self._digests:
            try:
                self._digests[path] = file_digest(path)
            except OSError:
                self._digests[path] = None
        return self._digests[path]


def _record(path: Path) -> Provenance | None:
    """A record of provenance; None where it cannot be read."""
    try:
        return read_provenance(path)
    except InputError:
        return None
