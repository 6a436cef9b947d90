"""Read a model file."""

from pathlib import Path

from genoloom.formats.models import load_arrays, read_description, unpack_sites
from genoloom.models.haplotype import generator_class
from genoloom.models.haplotype.base import HaplotypeGenerator
from genoloom.panel import Sites


def load_generator(path: Path) -> tuple[HaplotypeGenerator, Sites, dict]:
    """The generator in a model file, the sites it models, and the model's description."""
    description = read_description(path, "haplotypes")
    arrays = load_arrays(path)
    sites = unpack_sites(arrays, description)
    own = {name: values for name, values in arrays.items() if not name.startswith("sites.")}
    return generator_class(description["generator"]).from_state(own, description), sites, description
