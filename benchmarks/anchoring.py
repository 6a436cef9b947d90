"""What anchoring does: each generator that draws codes, trained once, then judged as it is and
without its anchors.

    python benchmarks/anchoring.py --set dpyd-slice --generators copying_network transformer
    --individuals 300

Figures as in `haplotypes.py`; both rows are of the same weights, temperature and seeds, so they
differ by the anchors alone.
"""

import argparse
import sys

from haplotype_sets import SETS, make_panel
from haplotypes import judge, options_of
from study import run_study

from genoloom.config import SplitOptions
from genoloom.formats.models import SitesDescription, declare_sites, load_model, save_model
from genoloom.models.haplotype import generator_class
from genoloom.stages.split import split
from genoloom.stages.train import train
from genoloom.training_config import TrainSections

GENERATORS = ("copying_network", "transformer", "gan")


def main() -> int:
    more = {
        "--generators": {"nargs": "+", "choices": GENERATORS, "default": list(GENERATORS)},
        "--set-option": {"action": "append", "default": [], "metavar": "GENERATOR.KEY=VALUE"},
    }
    return run_study("anchoring", __doc__, "demo", _run_set, more)


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
        options, text = options_of(generator, [*arguments.set_option, f"{generator}.anchor=true"])
        folder = table.parent / generator
        whole, bare = (
            folder / "anchored" / "model.safetensors",
            folder / "plain" / "model.safetensors",
        )
        train(
            generator=generator, panel=panel, split=table, model=whole,
            history=folder / "history.tsv", state=folder / "state",
            common=TrainSections().common, options=options, seed=seed, threads=arguments.threads,
        )  # fmt: skip
        _, arrays, description = load_model(
            whole, "haplotypes", generator_class, SitesDescription, declare_sites
        )
        description["options"]["anchor"] = False
        save_model(
            bare, {key: values for key, values in arrays.items() if key != "anchors"}, description
        )
        for word, model in (("anchored", whole), ("plain", bare)):
            found = judge(generator, model, panel, table, seed, arguments)
            found[-1] |= {"options": ",".join(filter(None, (word, text)))}
            new = found if not rows else found[-1:]
            rows += new
    return rows


if __name__ == "__main__":
    sys.exit(main())
