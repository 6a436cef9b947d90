"""From a model and a cohort sheet to files of synthetic haplotypes."""

import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from genoloom import __version__
from genoloom.config import GenerateOptions
from genoloom.errors import InputError
from genoloom.formats.models import file_digest, load_arrays, read_description, unpack_sites
from genoloom.formats.pgen import PanelWriter
from genoloom.formats.vcf_write import write_variants
from genoloom.models.haplotype import generator_class
from genoloom.models.haplotype.base import HaplotypeGenerator, SampleRequest
from genoloom.panel import Panel, People, Sites
from genoloom.seeds import derive_seed
from genoloom.stages.cohort import read_cohort

log = logging.getLogger(__name__)

SUFFIXES = (".vcf.gz", ".bcf")


def load_generator(path: Path) -> tuple[HaplotypeGenerator, Sites, dict]:
    """The generator in a model file, the sites it models, and the model's description."""
    description = read_description(path, "haplotypes")
    arrays = load_arrays(path)
    sites = unpack_sites(arrays, description)
    own = {name: values for name, values in arrays.items() if not name.startswith("sites.")}
    return generator_class(description["generator"]).from_state(own, description), sites, description


def generate(*, model: Path, cohort: Path, out: Path, options: GenerateOptions, seed: int, threads: int) -> None:
    """Sample both haplotypes of everybody in the cohort; write `out` with its index, and a PGEN trio beside it.

    A haplotype depends on the model, the person's seed and the contig alone, not on the shard.

    Parameters
    ----------
    out : Path
        .vcf.gz or .bcf.
    seed : int
        Written into the header; the seeds of the people stand in the cohort sheet.
    """
    prefix = next((Path(str(out).removesuffix(s)) for s in SUFFIXES if str(out).endswith(s)), None)
    if prefix is None:
        raise InputError("--out", f"'{out.name}'", expected="a name that ends in .vcf.gz or .bcf")
    torch.set_num_threads(threads)
    generator, sites, description = load_generator(model)
    people, person_seeds = read_cohort(cohort)
    known = {name: i for i, name in enumerate(generator.population_names)}
    strange = sorted(set(people.population) - set(known))
    if strange:
        raise InputError(cohort, f"the model knows no population '{strange[0]}'", expected=f"one of {', '.join(known)}")
    population = np.array([known[name] for name in people.population])
    haplotype_seeds = np.array(
        [derive_seed(s, "haplotype", sites.contig, h) for s in person_seeds for h in (1, 2)], dtype=np.uint64
    )
    request = SampleRequest(np.repeat(population, 2), haplotype_seeds)

    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out.parent) as spool:
        haplotypes = _sample(generator, request, options.shard, spool, f"{description['generator']} {sites.contig}")
        panel = Panel(sites, people, haplotypes)
        _write_pgen(prefix, panel, people)
        provenance = {
            "version": __version__,
            "generator": description["generator"],
            "model": file_digest(model)[:16],
            "seed": seed,
        }
        write_variants(out, panel, provenance)


@dataclass(frozen=True)
class SpooledHaplotypes:
    """A haplotype source over bits on disk, shape (n_variants, n_bytes), person-shard by person-shard."""

    bits: np.memmap
    n_haplotypes: int

    @property
    def n_variants(self) -> int:
        return len(self.bits)

    def read(self, start: int, stop: int) -> np.ndarray:
        return np.unpackbits(self.bits[start:stop], axis=1, count=self.n_haplotypes).astype(np.int8)


def _sample(generator: HaplotypeGenerator, request: SampleRequest, shard: int, spool, label: str) -> SpooledHaplotypes:
    """Sample `shard` people at a time into `spool`, one bit an allele."""
    n = len(request.seed)
    per_shard = 8 * -(-2 * shard // 8)  # shards begin at whole bytes
    bits = np.memmap(spool, dtype=np.uint8, mode="w+", shape=(generator.n_variants, -(-n // 8)))
    started = time.monotonic()
    for low in range(0, n, per_shard):
        rows = slice(low, low + per_shard)
        start = 0
        for alleles in generator.sample(SampleRequest(request.population[rows], request.seed[rows])):
            packed = np.packbits(alleles, axis=1)
            bits[start : start + len(alleles), low // 8 : low // 8 + packed.shape[1]] = packed
            start += len(alleles)
        done = min(low + per_shard, n)
        rate = done * generator.n_variants / max(time.monotonic() - started, 1e-9)
        log.info("%s: %d of %d haplotypes, %.2g alleles/s", label, done, n, rate)
    return SpooledHaplotypes(bits, n)


def _write_pgen(prefix: Path, panel: Panel, people: People) -> None:
    with PanelWriter(prefix, people, panel.sites.contig, panel.sites.contig_length) as writer:
        for start, stop, alleles in panel.blocks():
            writer.append(panel.sites.take(slice(start, stop)), alleles)
