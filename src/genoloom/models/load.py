"""Read a model file."""

import sys
from pathlib import Path

from genoloom.declared import within
from genoloom.formats.models import SitesDescription, declare_sites, load_model, unpack_sites
from genoloom.models import haplotype, sequence
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.models.sequence.base import SequenceDescription, SequenceGenerator, declare_shapes
from genoloom.panel import Sites
from genoloom.popgen.overlaps import Overlaps


def load_generator(path: Path) -> tuple[HaplotypeGenerator, Sites, dict]:
    """The generator in a model file, the sites it models, and the model's description."""
    model = load_model(
        path, "haplotypes", haplotype.generator_class, SitesDescription, declare_sites
    )
    sites = unpack_sites(path, model.arrays, model.description)
    model.generator.overlaps = Overlaps(
        sites.position, sites.ref, sites.alt, model.arrays.get("sites.frequency")
    )
    model.generator.labels = model.description.get("labels", {})
    return model.generator, sites, model.description


def load_sequence_generator(path: Path) -> tuple[SequenceGenerator, dict, dict]:
    """The generator in a model file, its table of labels and lengths (int64 arrays), and the
    model's description.
    """
    model = load_model(
        path, "sequences", sequence.generator_class, SequenceDescription, declare_shapes
    )
    return model.generator, within(model.arrays, "shapes."), model.description


def use_threads(threads: int) -> None:
    """Give torch this many threads, where the model that was loaded needs it; it takes two seconds
    to import.
    """
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
