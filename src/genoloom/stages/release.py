"""Make the bundle that may leave, when the gate passes; otherwise say every reason and leave no bundle."""

import getpass
import json
import logging
import os
import re
import shutil
import socket
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from genoloom import __version__
from genoloom.config import ReleaseOptions
from genoloom.errors import GateError, GenoLoomError, InputError
from genoloom.formats.models import file_digest
from genoloom.formats.pgen import open_panel
from genoloom.formats.provenance import read_provenance
from genoloom.formats.tables import read_table, write_table
from genoloom.formats.variants import VcfFile
from genoloom.privacy.bundle import readme, ro_crate
from genoloom.privacy.gate import fidelity_reasons, model_reasons, privacy_reasons
from genoloom.privacy.leak_scan import Forbidden, scan

log = logging.getLogger(__name__)

MANIFEST = "MANIFEST.sha256"
PEOPLE_COLUMNS = ["person", "population", "sex"]  # not the seeds
SYNTHETIC_NAME = re.compile(r"SYN\d{6,}")
# all that can stand in a bundle, beside what is written for it; {} is a contig
ALLOWED = (
    "{}.vcf.gz", "{}.vcf.gz.tbi", "{}.vcf.gz.csi", "{}.bcf", "{}.bcf.csi", "{}.pgen", "{}.pvar.zst", "{}.psam", "{}.ancestry.bed",
    "{}.autozygous.bed",
)  # fmt: skip
CONSENSUS = ("{}.consensus.fa.gz", "{}.consensus.fa.gz.fai", "{}.consensus.fa.gz.gzi")


def release(*, results: Path, panel: str, generator: str, out: Path, options: ReleaseOptions) -> None:
    """Judge the synthetic data of `generator` and write the bundle `out`, beside it first and then renamed.

    An older bundle at `out` is removed, whatever the judgement.

    Parameters
    ----------
    results : Path
        Directory of the workflow's results, laid out as in docs/architecture.md.

    Raises
    ------
    GateError
        The gate does not pass, or the leak scan found something; lists every reason. There is no bundle then.
    InputError
        There are no synthetic data, or something that is no bundle stands at `out`.
    """
    _remove_old(out)
    source = Source(results, panel, generator)
    reasons = source.reasons(options)
    if reasons:
        raise GateError(f"{panel} {generator}", reasons)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=out.parent) as scratch:
        part = Path(scratch) / out.name
        part.mkdir()
        source.write(part, options)
        reasons = source.leaks(part, options)
        if reasons:
            raise GateError(f"{panel} {generator}", reasons)
        os.replace(part, out)
    log.info("%s: the gate passed; %d files", out, len(list(out.iterdir())))


def _remove_old(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not (out / MANIFEST).exists()):
        raise InputError(out, "is there and is no bundle", remedy="choose another --out, or move it away")
    gone = out.with_name(f".old-{os.getpid()}-{out.name}")  # a killed removal never looks like a bundle
    os.replace(out, gone)
    shutil.rmtree(gone)


class Source:
    """The files of one generator in the results."""

    def __init__(self, results: Path, panel: str, generator: str):
        self.panel, self.generator = panel, generator
        self.synthetic = results / "synthetic" / panel / generator
        self.validation = results / "validation" / panel / generator
        self.private = results / "private" / panel / generator
        self.models = results / "models" / panel / generator
        self.split = results / "splits" / f"{panel}.tsv"
        self.contigs = sorted(path.stem for path in self.synthetic.glob("*.pgen"))
        if not self.contigs:
            raise InputError(self.synthetic, "holds no synthetic data", remedy="run the workflow first")

    def reasons(self, options: ReleaseOptions) -> list[str]:
        """Every reason against a release that can be seen in tables and files."""
        reasons: list[str] = []
        tables = {}
        for what, path in (
            ("audit", self.private / "audit.tsv"), ("privacy", self.validation / "privacy.tsv"),
            ("fidelity", self.validation / "fidelity.tsv"), ("split", self.split), ("cohort", self.synthetic / "cohort.tsv"),
        ):  # fmt: skip
            tables[what] = _table(path)
            if tables[what] is None:
                reasons.append(f"{what}: {path.name} is missing or cannot be read")
        if tables["audit"] is not None and tables["privacy"] is not None:
            reasons += privacy_reasons(tables["audit"], tables["privacy"], self.generator, options)
        if tables["fidelity"] is not None:
            reasons += fidelity_reasons(tables["fidelity"], self.generator, options)
        reasons += model_reasons(self._descriptions(), options)
        reasons += self._stale()
        if tables["cohort"] is not None and tables["split"] is not None:
            reasons += self._people(tables["cohort"], tables["split"])
        return reasons

    def _descriptions(self) -> list[dict]:
        found = []
        for contig in self.contigs:
            try:
                found.append(json.loads((self.models / f"{contig}.json").read_text()))
            except (OSError, ValueError):
                return []
        return found

    def _stale(self) -> list[str]:
        """Tables that are not of these files."""
        current = {f"{contig}.pgen": file_digest(self.synthetic / f"{contig}.pgen") for contig in self.contigs}
        try:
            inputs = read_provenance(self.private / "audit.json").inputs
        except InputError:
            return ["audit: audit.json is missing or cannot be read"]
        audited = {
            role[10:]: digest for role, digest in inputs.items() if role.startswith("synthetic/") and role.endswith(".pgen")
        }
        reasons = [] if audited == current else ["audit: is not of these synthetic files; audit them again"]
        newest = max((self.synthetic / name).stat().st_mtime for name in current)
        for path in (self.validation / "fidelity.tsv", self.validation / "privacy.tsv", self.private / "audit.tsv"):
            if path.exists() and path.stat().st_mtime < newest:
                reasons.append(f"{path.stem}: {path.name} is older than the synthetic files; run the workflow again")
        for contig in self.contigs:
            try:
                if not self._same_genotypes(contig):
                    reasons.append(f"{contig}: the VCF or BCF holds other genotypes than the audited PGEN")
            except (GenoLoomError, OSError, ValueError) as error:
                reasons.append(f"{contig}: the genotype files cannot be read ({type(error).__name__})")
        return reasons

    def _variants(self, contig: str) -> Path:
        found = [path for s in ("vcf.gz", "bcf") if (path := self.synthetic / f"{contig}.{s}").exists()]
        if len(found) != 1:
            raise InputError(self.synthetic, f"holds {len(found)} files of variants of contig {contig}", expected="one")
        return found[0]

    def _same_genotypes(self, contig: str) -> bool:
        """Whether the VCF or BCF says what the PGEN says, which is what was audited."""
        panel = open_panel(self.synthetic / contig)
        file = VcfFile(self._variants(contig), contig)
        if file.samples != panel.people.id:
            return False
        records = file.records()
        for start, _, alleles in panel.blocks(1024):
            for i, row in enumerate(alleles, start):
                record = next(records, None)
                key = None if record is None else (record.position, record.ref, *record.alts)
                if key != (panel.sites.position[i], panel.sites.ref[i], panel.sites.alt[i]) or not np.array_equal(
                    record.alleles, row
                ):
                    return False
        return next(records, None) is None

    def _people(self, cohort: list[dict], split: list[dict]) -> list[str]:
        """Everybody named must be synthetic: this is where short names of real people are looked for."""
        named = {row.get("person", "") for row in cohort}
        wrong = any(not SYNTHETIC_NAME.fullmatch(name) for name in named) or not named
        for contig in self.contigs:
            with suppress(GenoLoomError, OSError, ValueError):  # what cannot be read has been said
                wrong |= set(open_panel(self.synthetic / contig).people.id) != named
        real = {row.get("person", "") for row in split}
        if wrong or named & real:
            return ["people: somebody in the synthetic files is not of the cohort sheet, or not named SYN and a number"]
        return []

    def write(self, part: Path, options: ReleaseOptions) -> None:
        """Fill the bundle: allowed files, tables, README, description, manifest."""
        for contig in self.contigs:
            for pattern in ALLOWED + (CONSENSUS if options.consensus else ()):
                path = self.synthetic / pattern.format(contig)
                if path.exists():
                    shutil.copyfile(path, part / path.name)
        cohort = read_table(self.synthetic / "cohort.tsv")
        write_table(part / "people.tsv", PEOPLE_COLUMNS, cohort)
        for name in ("fidelity.tsv", "privacy.tsv"):
            shutil.copyfile(self.validation / name, part / name)
        facts = self._facts(cohort, options)
        attacks = [r for r in read_table(part / "privacy.tsv") if r["row"] == self.generator and r["population"] == "all"]
        metrics = [r for r in read_table(part / "fidelity.tsv") if r["row"] == self.generator]
        metrics = [r for r in metrics if r["population"] == r["bin"] == "all"]
        (part / "README.md").write_text(readme(facts, attacks, metrics))
        files = {path.name: (path.stat().st_size, file_digest(path)) for path in sorted(part.iterdir())}
        (part / "ro-crate-metadata.json").write_text(ro_crate(facts, files))
        digests = {path.name: file_digest(path) for path in sorted(part.iterdir())}
        (part / MANIFEST).write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))

    def _facts(self, cohort: list[dict], options: ReleaseOptions) -> dict:
        descriptions = self._descriptions()
        epoch = os.environ.get("SOURCE_DATE_EPOCH")  # reproducible builds ask for a given date
        date = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
        return {
            "panel": self.panel, "generator": self.generator, "version": __version__, "date": date.date().isoformat(),
            "people": len(cohort), "contigs": [(d["contig"], int(d["n_variants"])) for d in descriptions],
            "training_people": descriptions[0]["training_people"], "seed": descriptions[0]["seed"],
            "fewest_people": min(int(d.get("fewest_people", 1)) for d in descriptions), "max_auc": options.max_auc,
            "licence": options.licence or "No licence has been stated: ask those who handed this over",
            "redrawn": self._redrawn(),
            "models": [f"sha256:{file_digest(self.models / f'{contig}.safetensors')}" for contig in self.contigs],
        }  # fmt: skip

    def _redrawn(self) -> str:
        """What was done about synthetic people who came too close to training people."""
        try:
            found = json.loads((self.synthetic / "redraw.json").read_text())
        except (OSError, ValueError):
            return "No synthetic person was rejected for being close to a training person."
        return (
            f"{found['redrawn']} of {found['people']} synthetic people came too close to a training person and were drawn anew."
        )

    def leaks(self, part: Path, options: ReleaseOptions) -> list[str]:
        """What the leak scan finds in the bundle."""
        forbidden = self._forbidden(options)
        found = set()
        for path in sorted(part.iterdir()):
            with open(path, "rb") as handle:
                found |= scan(handle, path.name, forbidden)
        log.info("leak scan: %d files searched, %d findings", len(list(part.iterdir())), len(found))
        return [f"leak scan: {finding.file}: {finding.kind}" for finding in sorted(found, key=lambda f: (f.file, f.kind))]

    def _forbidden(self, options: ReleaseOptions) -> Forbidden:
        names = [row["person"] for row in read_table(self.split)]
        words, host = {os.environ.get("USER", ""), os.environ.get("LOGNAME", "")}, socket.gethostname()
        words |= {host, host.split(".")[0]}
        with suppress(OSError, KeyError):  # a container may have no name for the user
            words.add(getpass.getuser())
        places = [Path.cwd(), self.synthetic.resolve(), Path(sys.prefix), Path(tempfile.gettempdir())]
        with suppress(RuntimeError):
            places.append(Path.home())
        return Forbidden.of(names, words, [str(place) for place in places], options.canaries.split(","))


def _table(path: Path) -> list[dict[str, str]] | None:
    """The rows of a table; None where it is missing, empty or cannot be read."""
    try:
        rows = read_table(path)
    except (OSError, ValueError, EOFError):
        return None
    return rows if rows and None not in rows[0] else None
