"""What shows that a model is made from public individuals: not its records alone, but its
templates, which are compared with the registered panel and with the cohort; and, in mode
`statistics`, that its guarantee is that of the statistics it was made from.
"""

from hashlib import sha256
from pathlib import Path

import numpy as np

from genoloom.evidence.chain import Chain
from genoloom.formats.pgen import open_panel
from genoloom.formats.privacy_budget import BUDGET, read_budget
from genoloom.formats.statistics_files import read_statistics
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.models.haplotype.copying_network import CopyingNetworkGenerator
from genoloom.models.haplotype.packed_haplotypes import PackedHaplotypes
from genoloom.models.load import load_generator
from genoloom.panel import Panel, Sites, SwappedHaplotypes
from genoloom.panels.public_panels import registered, related_to
from genoloom.privacy.accounting import together
from genoloom.validation.cohorts import match_sites
from genoloom.validation.site_matching import match_to


def public_reasons(chain: Chain) -> list[str]:
    """Reasons against the claim that nobody of the cohort is among the templates of the models of a
    chain.

    Raises
    ------
    InputError
        A file cannot be read, or the registered panel is not what was registered.
    """
    templates, cohort, found = [], [], []
    for contig in chain.contigs:
        place = chain.public_place(contig)
        if place is None:
            return [
                f"templates {contig}: the registered public panel is not known; give the folder of "
                "registered panels with --public-panels"
            ]
        registered(place.parent, place.name)
        own = open_panel(chain.templates(contig))
        again = f"; train again (genoloom train) on what genoloom panel match {place.name} writes"
        if not _is_part_of(own, open_panel(place / contig)):
            found.append(
                f"templates {contig}: are not individuals of the registered panel, as they are "
                f"there{again}"
            )
        generator, sites, _ = load_generator(chain.model(contig))
        if not _copies(generator, sites, own):
            found.append(f"model {contig}: holds other haplotypes than the public panel's{again}")
        pair = match_sites(own, open_panel(chain.panel_prefix(contig)))
        templates.append(pair[0])
        cohort.append(pair[1])
    if related_to(cohort, templates).any():
        found.append(
            "templates: somebody of the cohort, or a close relative, is among them; match the "
            "panels again (genoloom panel match)"
        )
    return found


def guarantee_reasons(chain: Chain, max_epsilon: float) -> list[str]:
    """Reasons against the guarantee that the models of a chain in mode `statistics` state.

    Raises
    ------
    InputError
        The statistics, or the budget of the cohort, cannot be read.
    """
    words, _ = read_statistics(chain.statistics)
    stated, found = words.guarantee, []
    if any(said["privacy"] != stated.model_dump() for said in chain.said):
        found.append(
            "model: states another guarantee than the statistics it was made from; train again"
        )
    if stated.epsilon is None:
        return found
    if stated.noise != "secret key":
        found.append(
            "statistics: their noise follows from a seed, which whoever knows it takes off; set "
            "privacy.noise: secret, and measure again"
        )
    if stated.epsilon > max_epsilon:
        found.append(
            f"statistics: epsilon is {stated.epsilon:g}; at most {max_epsilon:g} may leave "
            "(release.max_epsilon)"
        )
    measured = read_budget(chain.results / BUDGET.format(chain.panel)).values()
    if together(measured) < stated.mu * (1 - 1e-9):
        found.append(
            "statistics: the budget of the cohort does not know of them; restore it from a backup"
        )
    return found


def release_terms(place: Path) -> str:
    """Source and terms of a registered panel, in a sentence."""
    record = registered(place.parent, place.name)
    return f"public panel `{record.name}` (source: {record.source}; terms: {record.terms})"


def _is_part_of(templates: Panel, public: Panel) -> bool:
    """Whether the individuals of one panel are some of the other, with the same alleles."""
    at = {name: i for i, name in enumerate(public.individuals.id)}
    match = match_to(templates.sites, public.sites)
    if not set(templates.individuals.id) <= set(at) or (match.index < 0).any():
        return False
    chosen = [at[name] for name in templates.individuals.id]
    theirs = public.take_individuals(chosen).take_sites(match.index)
    if theirs.individuals.population != templates.individuals.population:
        return False
    turned = SwappedHaplotypes(theirs.haplotypes, match.swapped)
    return all(
        np.array_equal(alleles, turned.read(start, stop))
        for start, stop, alleles in templates.blocks()
    )


def _copies(generator: HaplotypeGenerator, sites: Sites, templates: Panel) -> bool:
    """Whether what a model copies are the haplotypes of `templates`."""
    if not isinstance(generator, CopyingNetworkGenerator):
        return False
    names = [name for name in generator.population_names if name not in generator.stands_for]
    if names != sorted(set(templates.individuals.population)):
        return False
    at = {key: i for i, key in enumerate(templates.sites.keys())}
    index = [at.get(key, -1) for key in sites.keys()]
    if min(index) < 0:
        return False
    population = np.repeat([names.index(p) for p in templates.individuals.population], 2)
    packed = PackedHaplotypes.pack(templates.take_sites(index).haplotypes, fill=True)
    own = generator.panel
    return _in_any_order(own.population, own.haplotypes) == _in_any_order(population, packed)


def _in_any_order(population: np.ndarray, packed: PackedHaplotypes) -> list[tuple[int, bytes]]:
    """Haplotypes with their populations: a model has them in the order of its groups."""
    digests = (sha256(column.tobytes()).digest() for column in packed.ones.T)
    return sorted(zip(population.tolist(), digests, strict=True))
