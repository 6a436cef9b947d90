"""What is compared: the workflow's own files, or anybody's genotype files, as panels at the same sites.

Files of other tools are read once. A VCF or BCF goes through the same checks as in `prepare` into a temporary PGEN, so
that memory does not grow with the number of variants; PLINK file sets are read where they stand.
"""

import logging
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from genoloom.config import PrepareOptions
from genoloom.disclosure import people_count
from genoloom.errors import InputError
from genoloom.formats.maps import interpolate, read_map
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.plink import SUFFIXES, open_plink
from genoloom.formats.sheets import read_people
from genoloom.formats.splits import read_roles
from genoloom.formats.variants import Record, VcfFile
from genoloom.panel import JoinedHaplotypes, Panel, People, SwappedHaplotypes, UnphasedHaplotypes, join_people
from genoloom.stages.prepare import Account, accepted_sites, site_blocks
from genoloom.validation.cohorts import match_sites
from genoloom.validation.site_matching import SiteMatch, match_to

log = logging.getLogger(__name__)

EVERY_SITE = PrepareOptions(min_mac=0, max_missing=1.0)
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Comparands:
    """Synthetic and real panels, contig by contig at the same sites, and the role of each real person.

    Attributes
    ----------
    pairs : list of (Panel, Panel)
        Synthetic and real.
    roles : list of str
        "train" or "holdout", of the real people in their order.
    phased : bool
        Whether the phase of every heterozygous call is known; if not, the alleles of each call are in ascending order.
    sites : dict
        What became of the sites of every file; empty for the workflow's own files, whose sites all match.
    """

    pairs: list[tuple[Panel, Panel]]
    roles: list[str]
    phased: bool = True
    sites: dict | None = None


@dataclass(frozen=True)
class GenotypeFiles:
    """Genotypes of the same people in one or more files of any tool."""

    label: str
    panels: dict[str, Panel]
    unphased: int
    unusable: Counter
    alleles_unordered: bool

    @property
    def people(self) -> People:
        return next(iter(self.panels.values())).people

    def with_people(self, people: People) -> "GenotypeFiles":
        """The same genotypes with other labels of the same people."""
        return replace(self, panels={name: replace(panel, people=people) for name, panel in self.panels.items()})

    @property
    def n_sites(self) -> int:
        return sum(len(panel.sites) for panel in self.panels.values())


@contextmanager
def open_comparands(
    *,
    synthetic: list[Path],
    panels: list[Path],
    split: Path | None,
    train: list[Path],
    holdout: list[Path],
    people: list[Path],
    genetic_map: Path | None,
) -> Iterator[Comparands]:
    """Either the workflow's files (`panels`, `split`, prefixes of PGEN trios), or files of any tool (`train`, `holdout`).

    Raises
    ------
    InputError
        Both forms or neither are given; see `open_pairs` and `read_genotypes`.
    """
    if bool(panels or split) == bool(train or holdout):
        raise InputError(
            "options", "both --panel and --train are given" if panels else "nothing real is given to compare with",
            expected="either --panel and --split (the workflow's files), or --train and --holdout (files of any tool)",
        )  # fmt: skip
    if panels or split:
        if not panels or split is None:
            raise InputError("options", "--panel and --split belong together")
        pairs = open_pairs(synthetic, panels)
        yield Comparands(pairs, read_roles(split, pairs[0][1].people))
        return
    with open_real(train, holdout, people, genetic_map) as real:
        yield real.against(synthetic)


def open_pairs(synthetic: list[Path], panels: list[Path]) -> list[tuple[Panel, Panel]]:
    """Synthetic and real panels, contig by contig, at the same sites.

    Raises
    ------
    InputError
        The contigs or sites do not match, or files of one side differ in their people.
    """
    real_of = {panel.sites.contig: panel for panel in map(open_panel, panels)}
    pairs = []
    for path in synthetic:
        made = open_panel(path)
        if made.sites.contig not in real_of:
            raise InputError(path, f"no panel of contig {made.sites.contig}", expected=f"one of {', '.join(real_of)}")
        pairs.append(match_sites(made, real_of[made.sites.contig]))
    for path, (made, real) in zip(synthetic, pairs, strict=True):
        if made.people.id != pairs[0][0].people.id or real.people.id != pairs[0][1].people.id:
            raise InputError(path, "has other people than the first contig", expected="the same people on every contig")
    return pairs


@contextmanager
def open_real(train: list[Path], holdout: list[Path], people: list[Path], genetic_map: Path | None) -> Iterator["RealFiles"]:
    """The training and held-out people in files of any tool; temporary copies are gone when the block ends."""
    if not train or not holdout:
        raise InputError("options", "--train and --holdout belong together")
    sheet = _read_sheets(people)
    with tempfile.TemporaryDirectory(prefix="genoloom-") as scratch:
        trained = _labelled(read_genotypes("train", train, Path(scratch) / "train"), sheet, complete=True)
        held = _labelled(read_genotypes("holdout", holdout, Path(scratch) / "holdout"), sheet, complete=True)
        _refuse_shared_people(trained, held, holdout)
        yield RealFiles(trained, held, sheet, genetic_map, Path(scratch))


@dataclass(frozen=True)
class RealFiles:
    """Training and held-out people of foreign files."""

    train: GenotypeFiles
    holdout: GenotypeFiles
    sheet: dict[str, tuple[str, str, str]]
    genetic_map: Path | None
    scratch: Path

    def against(self, synthetic: list[Path]) -> Comparands:
        """These people beside synthetic ones.

        Raises
        ------
        InputError
            No site is in all three; or see `read_genotypes`.
        """
        scratch = Path(tempfile.mkdtemp(dir=self.scratch))
        made = _labelled(read_genotypes("synthetic", synthetic, scratch), self.sheet, complete=False)
        real = join_people(self.train.people, self.holdout.people)
        labels = {*made.people.population, *real.population}
        if UNKNOWN in labels:
            if labels != {UNKNOWN}:
                log.warning("not everybody has a population: all are compared as one population; see --people")
            real = replace(real, population=[UNKNOWN] * len(real))
            made = made.with_people(replace(made.people, population=[UNKNOWN] * len(made.people)))
        phased = not (self.train.unphased or self.holdout.unphased or made.unphased)
        if not phased:
            log.warning("some calls are not phased: what needs phase is not run, the rest is measured on genotypes")
        pairs, tally = [], {g.label: Counter() for g in (self.holdout, made)}
        for contig in self.train.panels:
            if contig in self.holdout.panels and contig in made.panels:
                pairs += self._match(contig, made, real, phased, tally)
        sites = self._account(made, pairs, tally)
        _say(sites)
        if not pairs:
            raise _nothing_matches(self, made, sites)
        roles = ["train"] * len(self.train.people) + ["holdout"] * len(self.holdout.people)
        return Comparands(pairs, roles, phased, sites)

    def _match(self, contig, made, real, phased, tally) -> list[tuple[Panel, Panel]]:
        train, holdout, synthetic = (files.panels[contig] for files in (self.train, self.holdout, made))
        held = match_to(train.sites, holdout.sites, self.holdout.alleles_unordered or self.train.alleles_unordered)
        copied = match_to(train.sites, synthetic.sites, made.alleles_unordered or self.train.alleles_unordered)
        tally["holdout"] += held.counts
        tally["synthetic"] += copied.counts
        shared = np.flatnonzero((held.index >= 0) & (copied.index >= 0))
        if len(shared) == 0:
            return []
        sites = train.take_sites(shared).sites
        if self.genetic_map is not None:
            sites = replace(sites, cm=interpolate(*read_map(self.genetic_map, contig), sites.position))
        both = JoinedHaplotypes((train.take_sites(shared).haplotypes, _taken(holdout, held, shared)))
        alleles = _taken(synthetic, copied, shared)
        if not phased:
            both, alleles = UnphasedHaplotypes(both), UnphasedHaplotypes(alleles)
        return [(Panel(sites, made.people, alleles), Panel(sites, real, both))]

    def _account(self, made: GenotypeFiles, pairs, tally: dict[str, Counter]) -> dict:
        account: dict = {"shared_by_all": sum(len(real.sites) for _, real in pairs)}
        for files in (self.train, self.holdout, made):
            counts = tally.get(files.label, Counter())
            other = files.n_sites - sum(counts[k] for k in ("matched", "other alleles", "duplicate"))
            account[files.label] = {
                "sites": files.n_sites,
                "unphased_calls": files.unphased,
                "unusable_records": dict(sorted(files.unusable.items())),
            }
            if files.label in tally:
                account[files.label] |= {
                    "in_training_file": counts["matched"], "of_these_alleles_swapped": counts["swapped"],
                    "other_alleles": counts["other alleles"], "of_these_fit_the_other_strand": counts["other strand"],
                    "duplicates": counts["duplicate"], "other_positions": other,
                }  # fmt: skip
        return account


def _taken(panel: Panel, match: SiteMatch, shared: np.ndarray):
    """The alleles of another file at the shared sites, in the reference's orientation."""
    return SwappedHaplotypes(panel.take_sites(match.index[shared]).haplotypes, match.swapped[shared])


def read_genotypes(label: str, paths: list[Path], scratch: Path) -> GenotypeFiles:
    """Read VCF(.gz), BCF, .pgen or .bed files of the same people; one contig stands in one file.

    Raises
    ------
    InputError
        A file is missing, damaged or of another format; files differ in their people; a contig stands in two files.
    """
    panels: dict[str, Panel] = {}
    unusable: Counter = Counter()
    unphased, unordered = 0, False
    for number, path in enumerate(paths):
        if not path.exists():
            raise InputError(path, "not found", remedy="check the path; it is relative to where the command runs")
        if path.suffix in SUFFIXES:
            found, loose = open_plink(path)
            unordered |= path.suffix == ".bed"
        elif path.name.endswith((".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")):
            found, loose = _read_vcf(path, scratch / str(number), unusable)
        else:
            raise InputError(path, "is of no known format", expected=".vcf, .vcf.gz, .bcf, .pgen or .bed")
        unphased += loose
        for panel in found:
            contig = panel.sites.contig.removeprefix("chr")  # chr20 and 20 are the same in every build
            if contig in panels:
                raise InputError(path, f"contig {panel.sites.contig} stands in two files", expected="each contig once")
            if panels and panel.people.id != next(iter(panels.values())).people.id:
                raise InputError(path, f"has other people than {paths[0].name}", expected="the same people in every file")
            panels[contig] = replace(panel, sites=replace(panel.sites, contig=contig))
    if not panels:
        raise InputError(paths[0], "holds no usable site", expected="biallelic genotypes")
    log.info(
        "%s: %s, %d sites",
        label,
        people_count(len(next(iter(panels.values())).people)),
        sum(len(p.sites) for p in panels.values()),
    )
    return GenotypeFiles(label, panels, unphased, unusable, unordered)


def _read_vcf(path: Path, scratch: Path, unusable: Counter) -> tuple[list[Panel], int]:
    """The contigs of a VCF or BCF as temporary panels, and how many heterozygous calls are not phased."""
    file = VcfFile(path)
    people = People(file.samples, [UNKNOWN] * len(file.samples), [UNKNOWN] * len(file.samples))
    everybody = np.ones(len(people), dtype=bool)
    panels, unphased = [], 0

    def without_phase(records: Iterator[Record]) -> Iterator[Record]:
        nonlocal unphased
        nobody = np.zeros(len(people), dtype=bool)
        for record in records:
            unphased += int(record.unphased.sum())
            yield replace(record, unphased=nobody)

    for number, (contig, records) in enumerate(file.contigs()):
        account = Account(contig, rows=None)
        sites = accepted_sites(without_phase(records), path, everybody, EVERY_SITE, None, account)
        blocks = site_blocks(sites, contig)
        first = next(blocks, None)
        if first is not None:
            prefix = scratch / str(number)
            with PanelWriter(prefix, people, contig, file.lengths.get(contig)) as writer:
                for block, alleles in chain([first], blocks):
                    writer.append(block, alleles)
            panels.append(open_panel(prefix))
        unusable += account.rejected
    return panels, unphased


def _read_sheets(paths: list[Path]) -> dict[str, tuple[str, str, str]]:
    sheet: dict[str, tuple[str, str, str]] = {}
    for path in paths:
        for person, row in read_people(path).items():
            if sheet.setdefault(person, row) != row:
                raise InputError(path, "says something else of a person than an earlier sheet", expected="one answer a person")
    return sheet


def _labelled(files: GenotypeFiles, sheet: dict[str, tuple[str, str, str]], complete: bool) -> GenotypeFiles:
    """`files` with what the sheet says of their people; a sheet that says nothing of them changes nothing."""
    people = files.people
    missing = [person for person in people.id if person not in sheet]
    if not sheet or (len(missing) == len(people) and not complete):
        return files
    if missing:
        raise InputError(
            "--people", f"some samples of the {files.label} files are in no sheet",
            expected="everybody" if complete else "all synthetic samples or none", remedy="add their rows",
        )  # fmt: skip
    columns = zip(*(sheet[person] for person in people.id), strict=True)
    return files.with_people(People(people.id, *map(list, columns)))


def _refuse_shared_people(train: GenotypeFiles, holdout: GenotypeFiles, paths: list[Path]) -> None:
    """Raise an InputError when somebody trains and is held out: the same name with the same genotypes."""
    at = {person: i for i, person in enumerate(train.people.id)}
    both = [(at[person], i) for i, person in enumerate(holdout.people.id) if person in at]
    contig = next((name for name in train.panels if name in holdout.panels), None)
    if not both or contig is None:
        return
    ours, theirs = (files.panels[contig] for files in (train, holdout))
    match = match_to(ours.sites, theirs.sites, train.alleles_unordered or holdout.alleles_unordered)
    shared = np.flatnonzero(match.index >= 0)[:2000]
    if len(shared) == 0:
        return
    first, second = np.array(both).T
    left = UnphasedHaplotypes(ours.take_people(first).take_sites(shared).haplotypes).read(0, len(shared))
    right = UnphasedHaplotypes(_taken(theirs.take_people(second), match, shared)).read(0, len(shared))
    same = (left == right).mean(axis=0).reshape(-1, 2).mean(axis=1)
    if (same > 0.999).any():
        raise InputError(
            paths[0], "some people are in the training files too, by name and genotype",
            expected="people that no generator has seen", remedy="take them out of one of the two (bcftools view -S)",
        )  # fmt: skip
    log.warning("training and held-out files share sample names, but not genotypes: taken as different people")


def _say(account: dict) -> None:
    for label in ("train", "holdout", "synthetic"):
        own = account[label]
        said = {f"records unusable ({reason})": n for reason, n in own["unusable_records"].items()}
        if "in_training_file" in own:
            said |= {
                "sites at positions that the training file has not": own["other_positions"],
                "with other alleles there": own["other_alleles"],
                "of these would fit the other strand": own["of_these_fit_the_other_strand"],
                "duplicates": own["duplicates"],
                "matched with REF and ALT swapped": own["of_these_alleles_swapped"],
                "sites of the training file are missing": account["train"]["sites"] - own["in_training_file"],
            }
        log.info(
            "%s: %d sites; %s", label, own["sites"], ", ".join(f"{n} {what}" for what, n in said.items() if n) or "all usable"
        )
    log.info("compared at the %d sites that all three share", account["shared_by_all"])
    fewest = min(account[label]["sites"] for label in ("train", "holdout", "synthetic"))
    if 0 < account["shared_by_all"] < fewest / 2:
        log.warning("less than half of the sites are shared: the result speaks for those only")


def _nothing_matches(real: RealFiles, made: GenotypeFiles, account: dict) -> InputError:
    contigs = {files.label: set(files.panels) for files in (real.train, real.holdout, made)}
    if not set.intersection(*contigs.values()):
        named = "; ".join(f"{label}: {', '.join(sorted(names)[:5])}" for label, names in contigs.items())
        return InputError("--synthetic", f"no contig is in all three ({named})", remedy="rename: bcftools annotate --rename-chrs")
    flipped = sum(account[label]["of_these_fit_the_other_strand"] for label in ("holdout", "synthetic"))
    why = "alleles fit the other strand: bcftools +fixref" if flipped else "check that all files are of the same genome build"
    return InputError("--synthetic", "no site is in all three files", expected="the same positions and alleles", remedy=why)
