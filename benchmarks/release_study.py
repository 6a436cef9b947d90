"""From a controlled cohort to bundles that pass the release gate, at the size of a real study.

    python -m benchmarks.release_study results/release_study

Of the 2,504 individuals of the 1000 Genomes Project 1,204 play the cohort and 1,300 the public
panel, of all 26 populations in proportion, on all of DPYD; labels are those of the five groups.
Then come the commands of docs/release_guide.md: `panel add`, `init` and `run release`, once in mode
`public` and once in mode `statistics` at epsilon 3. It needs the development data
(GENOLOOM_SHARED_DATA). A study that was stopped goes on; the exit code is that of the last command.
"""

import argparse
import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cyvcf2
import numpy as np
import pysam
import yaml

from benchmarks.datasets import DATA, SETS
from benchmarks.runs.dp import dealt
from genoloom.formats.atomic import write_beside

COHORT = 1204  # individuals: half of them train, half are held out
MODES = {"public": {"mode": "public"}, "statistics": {"mode": "statistics", "epsilon": 3.0}}
PANEL = "kgp"
ABOUT = {
    "--source": "1000 Genomes Project, phase 3 (Nature 526:68)",
    "--terms": "open; to be cited",
}


def write_inputs(data: Path, out: Path, seed: int = 1) -> dict[str, Counter]:
    """Genotypes and sheets of cohort and public panel, dealt by `seed`; individuals of each, by
    group.
    """
    chosen = SETS["dpyd-full"]
    with open(data / chosen.labels, newline="") as handle:
        rows = {row["sample"]: row for row in csv.DictReader(handle, delimiter="\t")}
    source = data / chosen.variants
    names = np.array(cyvcf2.VCF(str(source)).samples)
    group = np.array([rows[name][chosen.population] for name in names])
    # by population: else the public AMR would have more PEL than the cohort's
    ours = dealt(np.array([rows[name]["pop"] for name in names]), COHORT, seed)
    found = {}
    for name, inside in (("cohort", ours), ("public", ~ours)):
        who = names[inside].tolist()
        lines = [f"{i}\t{rows[i][chosen.population]}\t{rows[i][chosen.sex]}" for i in who]
        (out / f"{name}.tsv").write_text("\n".join(["individual\tpopulation\tsex", *lines]) + "\n")
        found[name] = Counter(group[inside].tolist())
        genotypes = out / f"{name}.vcf.gz"
        if genotypes.exists():
            continue
        with write_beside(genotypes) as [part]:
            reader = cyvcf2.VCF(str(source), samples=who)
            writer = cyvcf2.Writer(str(part), reader, mode="wz")
            for record in reader:
                writer.write_record(record)
            writer.close()
        pysam.tabix_index(str(genotypes), preset="vcf", force=True)
    return found


def options(
    mode: str, folder: Path, cohort: Counter, steps: int | None = None, seed: int = 1
) -> dict:
    """The configuration of a study; `cohort` has the individuals of each group."""
    # typed by hand in a study: half of the cohort, rounded
    mix = {group: round(n / 2, -1) for group, n in sorted(cohort.items())}
    told = {} if steps is None else {"copying_network": {"steps": steps}}
    return {
        "seed": seed,
        "generators": ["copying_network"],
        "baselines": [],
        "sequence_generators": [],
        "audit": {"shadow_models": 4, "shadow_steps": 1},
        "train": {"common": {"min_mac": 5, "min_carriers": 5}, **told},
        "privacy": {
            **MODES[mode],
            "public_panel": PANEL,
            "folder": str(folder),
            "size": int(sum(mix.values())),
            "mix": ",".join(f"{group}:{int(n)}" for group, n in mix.items()),
        },
        "consensus": {"individuals": 0},
    }


def genoloom(*words: object) -> int:
    return subprocess.run(
        [sys.executable, "-m", "genoloom", *map(str, words)], check=False
    ).returncode


def release(
    out: Path,
    mode: str,
    data: Path = DATA,
    steps: int | None = None,
    seed: int = 1,
    cores: int | None = None,
) -> int:
    """Make the study of a mode below `out`; the exit code of the command that failed, or 0. The
    bundle is in `{out}/{mode}/results/release/cohort/copying_network`. `seed`: of who is in the
    cohort, who trains, and the draws.
    """
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    found = write_inputs(data, out, seed)
    folder, genetic_map = out / "public_panels", data / str(SETS["dpyd-full"].map)
    study = out / mode

    def given(name: str) -> list[object]:
        files = {"--variants": out / f"{name}.vcf.gz", "--samples": out / f"{name}.tsv"}
        return [word for pair in files.items() for word in pair] + ["--map", genetic_map]

    about = [word for pair in ABOUT.items() for word in pair]
    if not (folder / PANEL).exists() and (
        code := genoloom("panel", "add", PANEL, *given("public"), *about, "--folder", folder)
    ):
        return code
    if not (study / "config").exists() and (code := genoloom("init", study, *given("cohort"))):
        return code
    asked = study / "release.yaml"
    asked.write_text(yaml.safe_dump(options(mode, folder, found["cohort"], steps, seed)))
    run = ["run", "-C", study, *([] if cores is None else ["--cores", cores])]
    return genoloom(*run, "release", "--configfile", asked)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.release_study", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("out", type=Path, help="directory of the studies")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--data", type=Path, default=DATA, help="directory of the data")
    parser.add_argument("--steps", type=int, help="training steps")
    parser.add_argument("--seed", type=int, default=1, help="of cohort, split and draws")
    parser.add_argument("--cores", type=int, help="CPU cores; all by default")
    arguments = parser.parse_args()
    same = {"data": arguments.data, "steps": arguments.steps}
    same |= {"seed": arguments.seed, "cores": arguments.cores}
    codes = [release(arguments.out, mode, **same) for mode in arguments.modes]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
