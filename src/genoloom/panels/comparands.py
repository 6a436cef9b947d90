"""What is compared: the workflow's own files, or anybody's genotype files, as panels at the same
sites.
"""

import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genoloom.errors import InputError
from genoloom.formats.maps import read_map
from genoloom.formats.pgen import open_panel, panel_files
from genoloom.formats.splits import read_roles
from genoloom.panel import (
    HaplotypeSource,
    Individuals,
    JoinedHaplotypes,
    Panel,
    SwappedHaplotypes,
    UnphasedHaplotypes,
    join_haploids,
    join_individuals,
    refuse_mixed_ploidies,
)
from genoloom.panels.genotypes import (
    UNKNOWN,
    GenotypeFiles,
    Sheet,
    labelled,
    read_genotypes,
    read_sheets,
)
from genoloom.panels.relatives import warn_of_relatives
from genoloom.panels.site_account import count_sites, log_account, nothing_matches
from genoloom.validation.cohorts import match_sites
from genoloom.validation.site_matching import SiteMatch, match_to

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparands:
    """Synthetic and real panels, contig by contig at the same sites, and the role of each real
    individual.

    Attributes
    ----------
    pairs : list of (Panel, Panel)
        Synthetic and real.
    roles : list of str
        "train" or "holdout", of the real individuals in their order.
    phased : bool
        Whether the phase of every heterozygous call is known; if not, the alleles of each call are
        in ascending order.
    sites : dict
        What became of the sites of every file; empty for the workflow's own files, whose sites all
        match.
    diploid : bool
        Whether everybody has two haplotypes; if not, haploid individuals are joined two by two
        (`genoloom.panel.paired`), who are then the individuals of the panels and the roles.
    diploids : Comparands, optional
        Those who have two haplotypes where others have one (the females of an X), as they are: for
        what is measured of genotypes.
    unjoined : Comparands, optional
        Where somebody is haploid, everybody as one individual, with two equal columns of who is
        haploid: for what is measured of individuals.
    """

    pairs: list[tuple[Panel, Panel]]
    roles: list[str]
    phased: bool = True
    sites: dict | None = None
    diploid: bool = True
    diploids: "Comparands | None" = None
    unjoined: "Comparands | None" = None

    @property
    def unmatched(self) -> float:
        """Share of the records of the synthetic files that are not compared."""
        if self.sites is None:
            return 0.0
        own = self.sites["synthetic"]
        records = own["sites"] + sum(own["unusable_records"].values())
        return 1 - self.sites["compared"] / max(records, 1)


@contextmanager
def open_comparands(*, synthetic: list[Path], **real) -> Iterator[Comparands]:
    """Synthetic and real individuals at the same sites.

    Parameters
    ----------
    synthetic : list of Path
        Next to panels and their split prefixes of PGEN trios, else files of any tool.
    **real
        Of `open_real`.

    Raises
    ------
    InputError
        See `open_pairs`, `open_real` and `read_genotypes`.
    """
    _check_form(**real)
    if real.get("panels"):
        pairs = open_pairs(synthetic, real["panels"])
        roles = read_roles(real["split"], pairs[0][1].individuals)
        diploid = not any(panel.haploid.any() for pair in pairs for panel in pair)
        yield Comparands(pairs, roles) if diploid else with_haploids(pairs, roles)
        return
    with open_real(**real) as files:
        comparands = files.against(files.read("synthetic", synthetic))
        warn_of_relatives([panel for _, panel in comparands.pairs], comparands.roles)
        yield comparands


def with_haploids(pairs: list[tuple[Panel, Panel]], roles: list[str]) -> Comparands:
    """Panels in which some individuals or all are haploid, compared; one ploidy on all contigs."""
    own, others = (np.flatnonzero(~panel.haploid) for panel in pairs[0])
    diploids = None
    if len(own) and len(others):
        taken = [(s.take_individuals(own), r.take_individuals(others)) for s, r in pairs]
        diploids = Comparands(taken, [roles[i] for i in others])
    return Comparands(
        *join_haploids(pairs, roles),
        diploid=False,
        diploids=diploids,
        unjoined=Comparands(pairs, roles),
    )


def source_files(
    *,
    synthetic: list[Path],
    panels: Sequence[Path] = (),
    split: Path | None = None,
    train: Sequence[Path] = (),
    holdout: Sequence[Path] = (),
    samples: Sequence[Path] = (),
    genetic_map: Path | None = None,
) -> dict[str, Path]:
    """The files that the arguments of `open_comparands` name, by role, as records of provenance
    name them.

    The workflow's files keep their names (`panel/20.pgen`); files of any tool are numbered, as a
    name may be an individual's.
    """
    if panels:
        roles = {"synthetic": synthetic, "panel": panels}
        files = {
            role: [f for p in paths for f in ([p] if p.is_file() else panel_files(p))]
            for role, paths in roles.items()
        }
        named = {f"{role}/{path.name}": path for role, paths in files.items() for path in paths}
        return named | ({"split": split} if split else {})
    roles = {"synthetic": synthetic, "train": train, "holdout": holdout, "samples": samples}
    files = {
        f"{role}/{i}": path for role, paths in roles.items() for i, path in enumerate(paths, 1)
    }
    return files | ({"map": genetic_map} if genetic_map else {})


def open_pairs(synthetic: list[Path], panels: list[Path]) -> list[tuple[Panel, Panel]]:
    """Synthetic and real panels, contig by contig, at the same sites.

    Raises
    ------
    InputError
        The contigs or sites do not match, or files of one side differ in their individuals.
    """
    opened = [open_panel(path, haploids=True) for path in panels]
    real_of = {own.sites.contig: own for own in opened}
    pairs = []
    for path in synthetic:
        panel = open_panel(path, haploids=True)
        if panel.sites.contig not in real_of:
            raise InputError(
                path,
                f"no panel of contig {panel.sites.contig}",
                expected=f"one of {', '.join(real_of)}",
            )
        pairs.append(match_sites(panel, real_of[panel.sites.contig]))
    for path, (own, real) in zip(synthetic, pairs, strict=True):
        if (
            own.individuals.id != pairs[0][0].individuals.id
            or real.individuals.id != pairs[0][1].individuals.id
        ):
            raise InputError(
                path,
                "has other individuals than the first contig",
                expected="the same individuals on every contig",
            )
        refuse_mixed_ploidies(path, (own, real, pairs[0][0]))
    return pairs


@contextmanager
def open_real(
    *,
    panels: Sequence[Path] = (),
    split: Path | None = None,
    train: Sequence[Path] = (),
    holdout: Sequence[Path] = (),
    samples: Sequence[Path] = (),
    genetic_map: Path | None = None,
) -> Iterator["RealFiles"]:
    """The training and held-out individuals, of the workflow's files (`panels`, prefixes of PGEN
    trios, and their `split`) or of any files (`train`, `holdout`); temporary copies are gone when
    the block ends.

    Raises
    ------
    InputError
        Neither form is complete, or somebody trains and is held out; see also `read_genotypes`.
    """
    _check_form(panels, split, train, holdout)
    sheet = read_sheets(samples)
    with tempfile.TemporaryDirectory(prefix="genoloom-") as folder:
        scratch = Path(folder)
        if panels:
            trained, held_out = _split_panels(panels, split)
        else:
            trained = labelled(
                read_genotypes("training", train, scratch / "train"), sheet, complete=True
            )
            held_out = labelled(
                read_genotypes("holdout", holdout, scratch / "holdout"), sheet, complete=True
            )
            _refuse_shared_individuals(trained, held_out, holdout)
        yield RealFiles(trained, held_out, sheet, genetic_map, scratch)


@contextmanager
def open_roles(*, synthetic: list[Path], **real) -> Iterator[dict[str, GenotypeFiles]]:
    """The files of `open_comparands` by role ("train", "holdout", "synthetic"), each at all of its
    own sites.
    """
    if real["panels"]:
        synthetic = [path.with_name(f"{path.name}.pgen") for path in synthetic]
    with open_real(**real) as files:
        others = files.read("synthetic", synthetic)
        yield {"train": files.train, "holdout": files.holdout, "synthetic": others}


def _check_form(panels=(), split=None, train=(), holdout=(), **_) -> None:
    if bool(panels or split) == bool(train or holdout):
        raise InputError(
            "options",
            "both --panel and --train are given"
            if panels
            else "nothing real is given to compare with",
            expected="either --panel and --split (the workflow's files), or --train and --holdout "
            "(files of any tool)",
        )
    if bool(panels) != bool(split):
        raise InputError("options", "--panel and --split belong together")
    if bool(train) != bool(holdout):
        raise InputError("options", "--train and --holdout belong together")


def _split_panels(panels: list[Path], split: Path) -> tuple[GenotypeFiles, GenotypeFiles]:
    opened = [open_panel(path) for path in panels]
    roles = np.array(read_roles(split, opened[0].individuals))
    return tuple(
        GenotypeFiles(
            label,
            {p.sites.contig.removeprefix("chr"): p.take_individuals(roles == role) for p in opened},
        )
        for label, role in (("training", "train"), ("holdout", "holdout"))
    )


@dataclass(frozen=True)
class RealFiles:
    """Training and held-out individuals, next to whom synthetic ones are put."""

    train: GenotypeFiles
    holdout: GenotypeFiles
    sheet: Sheet
    genetic_map: Path | None
    scratch: Path

    def read(
        self, label: str, paths: list[Path], sheets: list[Path] | None = None
    ) -> GenotypeFiles:
        """Synthetic individuals of any files; labels from their own sheets, else from the sheets of
        the real individuals.
        """
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        return labelled(
            read_genotypes(label, paths, folder),
            read_sheets(sheets or []) or self.sheet,
            complete=False,
        )

    def shared(self, synthetic: GenotypeFiles) -> dict[str, np.ndarray]:
        """Which sites of the training files are in the other files too: bool by contig."""
        found = {}
        for contig in self._contigs(synthetic):
            real_match, synthetic_match = self._matches(contig, synthetic)
            found[contig] = (real_match.index >= 0) & (synthetic_match.index >= 0)
        return found

    def against(
        self, synthetic: GenotypeFiles, within: dict[str, np.ndarray] | None = None
    ) -> Comparands:
        """These individuals next to synthetic ones, at the sites that all share (and that are
        `within`).

        Raises
        ------
        InputError
            No site is left.
        """
        real = join_individuals(self.train.individuals, self.holdout.individuals)
        labels = {*synthetic.individuals.population, *real.population}
        if UNKNOWN in labels:
            if labels != {UNKNOWN}:
                log.warning(
                    "not everybody has a population: all are compared as one population; see "
                    "--samples"
                )
            real = replace(real, population=[UNKNOWN] * len(real))
            synthetic = synthetic.pooled()
        phased = not (self.train.unphased or self.holdout.unphased or synthetic.unphased)
        if not phased:
            log.warning(
                "%s: some calls are not phased: what needs phase is not run, the rest is measured "
                "on genotypes",
                synthetic.label,
            )
        pairs, holdout_counts, synthetic_counts = [], Counter(), Counter()
        for contig in self._contigs(synthetic):
            real_match, synthetic_match = self._matches(contig, synthetic)
            holdout_counts += real_match.counts
            synthetic_counts += synthetic_match.counts
            inside = (real_match.index >= 0) & (synthetic_match.index >= 0)
            if within is not None:
                inside &= within.get(contig, np.zeros(len(inside), dtype=bool))
            if inside.any():
                pairs.append(
                    self._pair(
                        contig,
                        synthetic,
                        real,
                        real_match,
                        synthetic_match,
                        np.flatnonzero(inside),
                        phased,
                    )
                )
        account = {
            "compared": sum(len(real.sites) for _, real in pairs),
            "train": count_sites(self.train),
        }
        account |= {
            "holdout": count_sites(self.holdout, holdout_counts),
            "synthetic": count_sites(synthetic, synthetic_counts),
        }
        log_account(account, synthetic.label)
        if not pairs:
            raise nothing_matches(self.train, self.holdout, synthetic, account)
        roles = ["train"] * len(self.train.individuals) + ["holdout"] * len(
            self.holdout.individuals
        )
        return Comparands(pairs, roles, phased, account)

    def _contigs(self, synthetic: GenotypeFiles) -> list[str]:
        return [
            contig
            for contig in self.train.panels
            if contig in self.holdout.panels and contig in synthetic.panels
        ]

    def _matches(self, contig: str, synthetic: GenotypeFiles) -> tuple[SiteMatch, SiteMatch]:
        sites, loose = self.train.panels[contig].sites, self.train.alleles_unordered
        return tuple(
            match_to(sites, files.panels[contig].sites, files.alleles_unordered or loose)
            for files in (self.holdout, synthetic)
        )

    def training_panel(self, contig: str, index: np.ndarray) -> Panel:
        """The training individuals at some of their sites, with genetic positions where there is a
        map.
        """
        panel = self.train.panels[contig].take_sites(index)
        if self.genetic_map is None:
            return panel
        genetic_map = read_map(self.genetic_map, contig)
        cm = genetic_map.place(panel.sites.position)
        genetic_map.account()  # refuses a map of another place
        return replace(panel, sites=replace(panel.sites, cm=cm))

    def _pair(
        self,
        contig,
        synthetic,
        real: Individuals,
        real_match: SiteMatch,
        synthetic_match: SiteMatch,
        index,
        phased,
    ) -> tuple[Panel, Panel]:
        train = self.training_panel(contig, index)
        both = JoinedHaplotypes(
            (train.haplotypes, _taken(self.holdout.panels[contig], real_match, index))
        )
        alleles = _taken(synthetic.panels[contig], synthetic_match, index)
        if not phased:
            both, alleles = UnphasedHaplotypes(both), UnphasedHaplotypes(alleles)
        return Panel(train.sites, synthetic.individuals, alleles), Panel(train.sites, real, both)


def _taken(panel: Panel, match: SiteMatch, shared: np.ndarray) -> HaplotypeSource:
    """The alleles of another file at the shared sites, in the reference's orientation."""
    return SwappedHaplotypes(
        panel.take_sites(match.index[shared]).haplotypes, match.swapped[shared]
    )


def _refuse_shared_individuals(
    train: GenotypeFiles, holdout: GenotypeFiles, paths: list[Path]
) -> None:
    """Raise an InputError when somebody trains and is held out: the same name with the same
    genotypes.
    """
    at = {individual: i for i, individual in enumerate(train.individuals.id)}
    both = [
        (at[individual], i)
        for i, individual in enumerate(holdout.individuals.id)
        if individual in at
    ]
    contig = next((name for name in train.panels if name in holdout.panels), None)
    if not both or contig is None:
        return
    ours, theirs = (files.panels[contig] for files in (train, holdout))
    match = match_to(ours.sites, theirs.sites, train.alleles_unordered or holdout.alleles_unordered)
    shared = np.flatnonzero(match.index >= 0)[:2000]
    if len(shared) == 0:
        return
    first, second = np.array(both).T
    left = UnphasedHaplotypes(ours.take_individuals(first).take_sites(shared).haplotypes).read(
        0, len(shared)
    )
    right = UnphasedHaplotypes(_taken(theirs.take_individuals(second), match, shared)).read(
        0, len(shared)
    )
    same = (left == right).mean(axis=0).reshape(-1, 2).mean(axis=1)
    if (same > 0.999).any():
        raise InputError(
            paths[0], "some individuals are in the training files too, by name and genotype",
            expected="individuals that no generator has seen",
            remedy="take them out of one of the two (bcftools view -S)",
        )  # fmt: skip
    log.warning(
        "training and held-out files share sample names, but not genotypes: taken as different "
        "individuals"
    )
