"""A registered public panel next to a private cohort: the sites they share, how frequencies
compare, and the public individuals who may be templates.
"""

import json
import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genoloom.cohort import parse_labels
from genoloom.disclosure import individuals_count
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.pgen import PanelWriter, open_panel, panel_files
from genoloom.formats.private_directories import close_directory
from genoloom.formats.provenance import Making, record_path
from genoloom.formats.public_panels import MATCH, RECORD
from genoloom.panel import Panel, SwappedHaplotypes, allele_counts
from genoloom.panels.public_panels import labels_fit, registered, related_to
from genoloom.validation.site_matching import SiteMatch, match_to

log = logging.getLogger(__name__)

# of shared positions whose alleles fit: two builds share positions by chance, and few alleles
LEAST_FITTING = 0.5
FAR, MOST_FAR = 0.2, 0.02  # of allele frequencies, and of the shared sites


def match_panel(
    *,
    name: str,
    folder: Path,
    panels: list[Path],
    contig: str,
    out: Path,
    populations: str | None = None,
) -> None:
    """Write the templates of one contig: `{out}.pgen/.pvar.zst/.psam`, the public individuals at
    the sites that the cohort's panel has too, and `{out}.match.json`, the account.

    Public individuals who are in the cohort, or close relatives of somebody in it, are left out:
    nobody of the cohort is copied. They are found on all contigs together, so that each contig
    leaves out the same.

    Parameters
    ----------
    name, folder
        The registered panel, and the folder of panels.
    panels : list of Path
        Panel prefixes of the cohort, one a contig.
    contig : str
        The contig to write.
    out : Path
        Prefix; its directory is closed to others, as who is left out says something of the cohort.
    populations : str, optional
        See `genoloom.cohort.parse_labels`.

    Raises
    ------
    InputError
        The panels are of different builds or share no site, a population of the cohort has no
        counterpart, or too few public individuals are left.
    """
    place = folder / name
    record = registered(folder, name)
    private = {prefix: open_panel(prefix) for prefix in panels}
    contigs = [panel.sites.contig for panel in private.values()]
    if contig not in contigs:
        raise InputError("--contig", f"'{contig}'", expected=f"one of {', '.join(contigs)}")
    strange = [c for c in contigs if c not in record.contigs]
    if strange:
        raise InputError(
            place,
            f"has no contig '{strange[0]}'",
            expected=f"one of {', '.join(record.contigs)}",
            remedy="give both panels the same names of contigs (bcftools annotate --rename-chrs), "
            "and register the public one again",
        )
    files = {f"panel/{p.name}": p for prefix in panels for p in panel_files(prefix)}
    files |= {f"public/{p.name}": p for c in contigs for p in panel_files(place / c)}
    making = Making("panel match", files | {f"public/{RECORD}": place / RECORD})
    pairs = {
        c: _pair(panel, open_panel(place / c), place)
        for c, panel in zip(contigs, private.values(), strict=True)
    }
    individuals = pairs[contig].cohort.individuals
    labels = parse_labels(populations, record.populations)
    labels_fit(labels, set(individuals.population), record.populations, place)
    keep = ~related_to(
        [pair.cohort for pair in pairs.values()], [pair.public for pair in pairs.values()]
    )
    left_out = int((~keep).sum())
    if left_out:
        log.warning(
            "%s: %s are in the cohort, or close relatives of somebody in it, and are left out of "
            "the templates",
            name,
            individuals_count(left_out),
        )
    pair = pairs[contig]
    templates = pair.public.take_individuals(np.flatnonzero(keep))
    wanted = {labels.get(label, label) for label in individuals.population}
    empty = sorted(wanted - set(templates.individuals.population))
    if empty or len(templates.individuals) < 2:
        raise InputError(
            place,
            f"nobody of population '{empty[0]}' is left"
            if empty
            else "too few individuals are left",
            expected="public individuals who are not of the cohort",
            remedy="register a panel of other individuals",
        )
    far, correlation = pair.frequencies(labels)
    if far > MOST_FAR:
        log.warning(
            "%s: at %.1f %% of the shared sites allele frequencies differ by more than %g: other "
            "populations, or another array, caller or strand",
            name,
            100 * far,
            FAR,
        )
    log.info("%s: contig %s: %s", name, contig, "; ".join(pair.account.sentences()))
    close_directory(out.parent)
    with PanelWriter(out, templates.individuals, contig, record.contigs[contig].length) as writer:
        for start, stop, alleles in templates.blocks():
            writer.append(templates.sites.take(slice(start, stop)), alleles)
    summary = {
        "panel": name,
        "contig": contig,
        **pair.account.__dict__,
        "shared_sites_with_far_frequencies": round(far, 4),
        "correlation_of_frequencies": round(correlation, 4),
        "individuals": individuals_count(len(templates.individuals)),
        "individuals_left_out": individuals_count(left_out),
    }
    account = Path(f"{out}{MATCH}")
    with write_beside(account) as [part]:
        part.write_text(json.dumps(summary, indent=2) + "\n")
    making.write(record_path(out), [*panel_files(out), account])


@dataclass(frozen=True)
class SiteAccount:
    """What became of the sites of both panels on one contig."""

    shared: int
    only_cohort: int
    only_panel: int
    other_alleles: int
    other_strand: int
    swapped: int

    @classmethod
    def of(cls, cohort: int, public: int, match: SiteMatch) -> "SiteAccount":
        shared, counts = match.counts["matched"], match.counts
        return cls(
            shared, cohort - shared, public - shared, counts["other alleles"],
            counts["other strand"], counts["swapped"],
        )  # fmt: skip

    def sentences(self) -> list[str]:
        """The account in words."""
        more = {
            "at one position with other alleles": self.other_alleles,
            "of these would fit the other strand": self.other_strand,
            "shared with REF and ALT exchanged": self.swapped,
        }
        return [
            f"{self.shared} sites shared, {self.only_cohort} only in the cohort, "
            f"{self.only_panel} only in the public panel",
            *(f"{n} {what}" for what, n in more.items() if n),
        ]


@dataclass(frozen=True)
class _Pair:
    """Cohort and public panel at the sites they share, in the cohort's orientation."""

    cohort: Panel
    public: Panel
    account: SiteAccount

    def frequencies(self, labels: dict[str, str]) -> tuple[float, float]:
        """Share of the shared sites whose allele frequencies are far apart, and their correlation;
        frequencies of the public panel in the mix of the cohort.
        """
        alternate, called = allele_counts(self.cohort)
        ours = alternate / np.maximum(called, 1)
        theirs = np.zeros(len(ours))
        mix = Counter(labels.get(p, p) for p in self.cohort.individuals.population)
        for name, n in mix.items():
            members = [i for i, p in enumerate(self.public.individuals.population) if p == name]
            alternate, called = allele_counts(self.public.take_individuals(members))
            theirs += n / len(self.cohort.individuals) * alternate / np.maximum(called, 1)
        spread = ours.std() * theirs.std()
        correlation = np.cov(ours, theirs, bias=True)[0, 1] / spread if spread else 0.0
        return float((np.abs(ours - theirs) > FAR).mean()), float(correlation)


def _pair(cohort: Panel, public: Panel, place: Path) -> _Pair:
    contig = cohort.sites.contig
    match = match_to(cohort.sites, public.sites)
    account = SiteAccount.of(len(cohort.sites), len(public.sites), match)
    together = account.shared + account.other_alleles
    if account.shared == 0 or account.shared < LEAST_FITTING * together:
        raise InputError(
            place,
            f"contig {contig}: {account.shared} of {len(cohort.sites)} sites of the cohort are "
            f"there; at {account.other_alleles} further shared positions the alleles differ",
            expected="the same positions and alleles, of one genome build",
            remedy="register a public panel of the cohort's build (bcftools +liftover, CrossMap)",
        )
    shared = np.flatnonzero(match.index >= 0)
    theirs = public.take_sites(match.index[shared])
    sites = replace(cohort.sites.take(shared), id=theirs.sites.id)
    if not np.isnan(theirs.sites.cm).any():
        sites = replace(sites, cm=theirs.sites.cm)
    turned = SwappedHaplotypes(theirs.haplotypes, match.swapped[shared])
    return _Pair(cohort.take_sites(shared), Panel(sites, public.individuals, turned), account)
