"""All haplotype generators: fidelity, privacy, likelihood and speed.

    python -m benchmarks haplotypes --set dpyd-slice --seeds 1-3
    python -m benchmarks haplotypes --generators transformer matched_mosaic --minutes 5 \\
        --set-option mosaic.segment_cm=0.03

Each seed splits the individuals in halves, trains, samples, validates and audits. Bits per site are
the model's own likelihood of the held-out individuals. The row `reference (held out)` is what
held-out real individuals score; the row `real (training)` takes the training individuals as if they
were synthetic.
"""

import argparse
from collections.abc import Iterator

from benchmarks.options import add_shared, options_of
from benchmarks.runner import JUDGED, METRICS, Case, likelihood, measure_generator
from benchmarks.table import spread
from genoloom.models.haplotype import GENERATORS
from genoloom.report.summary import as_text

COLUMNS = JUDGED


def add_options(parser: argparse.ArgumentParser) -> None:
    add_shared(parser, set=["demo"], seeds="1", generators=list(GENERATORS), set_option=[])
    add_shared(parser, minutes=None, steps=None, n_permutations=3, threads=1)
    parser.add_argument("--likelihood", action="store_true", help="bits per site alone")
    parser.add_argument(
        "--individuals", type=int, help="synthetic individuals (default: as many as trained)"
    )


def measure(case: Case) -> Iterator[dict]:
    for generator in case.arguments.generators:
        _, options = options_of(generator, case.arguments)
        if case.has(generator=generator, options=options):
            continue
        if case.arguments.likelihood:
            yield likelihood(case, generator) | {"options": options}
            continue
        *others, own = measure_generator(case, generator)
        yield from (row for row in others if not case.has(generator=row["generator"]))
        yield own | {"options": options}


def summary(rows: list[dict]) -> str:
    """Medians over seeds, with the smallest and the largest, as text."""
    keys, values = ["set", "generator", "options"], ["bits", *METRICS, "worst_attack"]
    return as_text(spread(rows, keys, values), [*keys, "rows", *values])
