"""What anchoring does: each generator that draws codes, trained once, then judged as it is and
without its anchors.

    python benchmarks/anchoring.py --set dpyd-slice --generators copying_network transformer
    --people 300

Figures as in `haplotypes.py`; both rows are of the same weights, temperature and seeds, so they
differ by the anchors alone.
"""

import argparse
import logging
import sys
from pathlib import Path

from haplotype_sets import RESULTS, SETS, add_places, make_panel
from haplotypes import COLUMNS, add_as_drawn, judge, leave_as_drawn, options_of, shorten

from genoloom.config import SplitOptions, TrainSections
from genoloom.formats.models import SitesDescription, declare_sites, load_model, save_model
from genoloom.formats.tables import write_table
from genoloom.logs import configure_logging
from genoloom.models.haplotype import generator_class
from genoloom.report.summary import as_text
from genoloom.stages.split import split
from genoloom.stages.train import train

GENERATORS = ("copying_network", "transformer", "gan")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs="+", choices=SETS, default=["demo"])
    parser.add_argument("--generators", nargs="+", choices=GENERATORS, default=list(GENERATORS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--people", type=int, help="synthetic people (default: as many as trained)")
    parser.add_argument("--resplits", type=int, default=3)
    parser.add_argument("--set-option", action="append", default=[], metavar="GENERATOR.KEY=VALUE")
    parser.add_argument("--threads", type=int, default=1)
    add_as_drawn(parser)
    add_places(parser, "anchoring.tsv")
    parser.add_argument("--work", type=Path, default=RESULTS / "anchoring")
    arguments = parser.parse_args()
    configure_logging()
    leave_as_drawn(arguments)
    logging.getLogger("genoloom").setLevel(logging.WARNING)
    done: list[dict] = []
    for name in arguments.set:
        for seed in arguments.seeds:
            done += _run_set(name, seed, arguments)
            write_table(arguments.out, COLUMNS, done)
    print(as_text(done, COLUMNS))
    return 0


def _run_set(name: str, seed: int, arguments: argparse.Namespace) -> list[dict]:
    place = arguments.work / name
    panel, table = place / SETS[name].contig, place / f"seed{seed}" / "split.tsv"
    make_panel(name, arguments.data, panel)
    split(
        panels=[panel],
        out=table,
        summary=table.with_name("summary.json"),
        options=SplitOptions(),
        seed=seed,
    )
    rows: list[dict] = []
    for generator in arguments.generators:
        options, text = options_of(generator, arguments.set_option)
        folder = table.parent / generator
        whole, bare = (
            folder / "anchored" / "model.safetensors",
            folder / "plain" / "model.safetensors",
        )
        train(
            generator=generator, panel=panel, split=table, model=whole, history=folder / "history.tsv", state=folder / "state",
            common=TrainSections().common, options=options, seed=seed, threads=arguments.threads,
        )  # fmt: skip
        _, arrays, description = load_model(whole, "haplotypes", generator_class, SitesDescription, declare_sites)
        description["options"]["anchor"] = False
        save_model(bare, {key: values for key, values in arrays.items() if key != "anchors"}, description)
        for word, model in (("anchored", whole), ("plain", bare)):
            found = judge(generator, model, panel, table, seed, arguments)
            found[-1] |= {"options": ",".join(filter(None, (word, text)))}
            new = found if not rows else found[-1:]
            rows += [{c: shorten((row | {"set": name, "seed": seed}).get(c)) for c in COLUMNS} for row in new]
    return rows


if __name__ == "__main__":
    sys.exit(main())
