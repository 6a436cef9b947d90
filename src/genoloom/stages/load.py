"""Read a model file."""

from pathlib import Path

from genoloom.formats.models import load_arrays, read_description, unpack_sites
from genoloom.models.haplotype import generator_class
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.panel import Sites
from genoloom.popgen.overlaps import Overlaps


def load_generator(path: Path) -> tuple[HaplotypeGenerator, Sites, dict]:
    """The generator in a model file, the sites it models, and the model's description."""
    description = read_description(path, "haplotypes")
    arrays = load_arrays(path)
    sites = unpack_sites(arrays, description)
    own = {name: values for name, values in arrays.items() if not name.startswith("sites.")}
    generator = generator_class(description["generator"]).from_state(own, description)
    generator.overlaps = Overlaps(sites.position, sites.ref, sites.alt, arrays.get("sites.frequency"))
    return generator, sites, description
