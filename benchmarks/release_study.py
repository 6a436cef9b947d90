"""From a controlled cohort to bundles that pass the release gate, at the size of a real study.

    python -m benchmarks.release_study results/release_study

Of the 2,504 individuals of the 1000 Genomes Project 1,204 play the cohort and 1,300 the public
panel, of all 26 populations in proportion, on all of DPYD; labels are those of the five groups.
Then come the commands of docs/release_guide.md: `panel add`, `init` and `run release`, once in mode
`public` and once in mode `statistics` at epsilon 3. It needs the development data
(GENOLOOM_SHARED_DATA). A study that was stopped goes on; the exit code is that of the last command.
`--table FILE` appends a row for each study: the gate's exit code, what the data are fit for, some
metrics next to what real individuals score (columns `_real`), and the worst attack; and, with mode
`public`, a row for public individuals and one for mosaics of them, as if they were synthetic.
"""

import argparse
import csv
import json
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
from benchmarks.table import Table
from genoloom.formats.atomic import write_beside
from genoloom.formats.tables import read_records, read_table
from genoloom.privacy.attack_ids import AttackId
from genoloom.privacy.rows import AttackRow
from genoloom.validation.metric_ids import MetricId as M
from genoloom.validation.rows import ALL, MetricRow
from genoloom.validation.uses import Use, UseMetric, judge_uses
from genoloom.validation.verdicts import ComparisonRow

COHORT = 1204  # individuals: half of them train, half are held out
MODES = {"public": {"mode": "public"}, "statistics": {"mode": "statistics", "epsilon": 3.0}}
PANEL = "kgp"
ASKED = "release.yaml"  # the configuration of a study
ABOUT = {
    "--source": "1000 Genomes Project, phase 3 (Nature 526:68)",
    "--terms": "open; to be cited",
}
GENERATOR = "copying_network"
PLACE = f"cohort/{GENERATOR}"  # of its tables
COMPARED = [ComparisonRow.PUBLIC, ComparisonRow.MOSAIC]
COMPARISON = "results/validation/cohort/comparison/fidelity.tsv"
USES = (Use.FREQUENCIES, Use.LINKAGE, Use.ANCESTRY, Use.HAPLOTYPES, Use.RARE)
GROUPS = ("AFR", "AMR", "EAS", "EUR", "SAS")
NEXT_TO_REAL = {  # metric and population
    "classifier": (M.CLASSIFIER_AUC, ALL), "pca": (M.PCA_DISTANCE, ALL),
    "fst_error": (M.FST_MATRIX_ERROR, ALL), "aats_holdout": (M.AATS_HOLDOUT, ALL),
    "aats_synthetic": (M.AATS_SYNTHETIC, ALL),
    **{f"fst_{group}": (M.FST_FROM_REAL, group) for group in GROUPS},
}  # fmt: skip
COLUMNS = (
    f"seed mode data gate sites individuals overall not_passed {' '.join(USES)} strongest "
    f"{' '.join(f'{name} {name}_real' for name in NEXT_TO_REAL)} worst_attack low high chance cpu_s"
)


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
    training = {} if steps is None else {GENERATOR: {"steps": steps}}
    return {
        "seed": seed,
        "generators": [GENERATOR],
        "baselines": [],
        "sequence_generators": [],
        "audit": {"shadow_models": 4, "shadow_steps": 1},
        "train": {"common": {"min_mac": 5, "min_carriers": 5}, **training},
        "privacy": {
            **MODES[mode],
            "public_panel": PANEL,
            "compared": [str(row) for row in COMPARED],
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
    (study / ASKED).write_text(yaml.safe_dump(options(mode, folder, found["cohort"], steps, seed)))
    return run(study, "release", cores)


def run(study: Path, target: str, cores: int | None) -> int:
    """Make a target of a study that was set up; the exit code."""
    words = ["run", "-C", study, *([] if cores is None else ["--cores", cores])]
    return genoloom(*words, target, "--configfile", study.resolve() / ASKED)


def outcome(study: Path) -> dict:
    """Cells of `COLUMNS` from the tables of a study."""
    tables = study / "results" / "validation" / PLACE
    [worst] = [
        row
        for row in read_records(tables / "privacy.tsv", AttackRow)
        if (row.attack, row.population, row.generator) == (AttackId.WORST, ALL, GENERATOR)
    ]
    jobs = [row for path in study.glob("benchmarks/**/*.tsv") for row in read_table(path)]
    return {
        "sites": json.loads((tables / "details.json").read_text())["sites"],
        **fidelity(tables / "fidelity.tsv", GENERATOR),
        "worst_attack": worst.value,
        "low": worst.low,
        "high": worst.high,
        "chance": worst.reference,
        "cpu_s": round(sum(float(row["cpu_time"]) for row in jobs)),
    }


def fidelity(table: Path, data: str) -> dict:
    """Cells of `COLUMNS` from the rows of a fidelity table that are of `data`."""
    rows = [row for row in read_records(table, MetricRow) if row.generator == data]
    own = {(row.metric, row.population): row for row in rows if row.bin == ALL}
    overall = own[M.OVERALL, ALL]
    parts = [row for row in rows if row.metric == M.CLASSIFIER_AUC and row.bin != ALL]
    used = [UseMetric(r.metric, r.population, r.bin, r.value, r.reference, r.null_sd) for r in rows]
    return {
        "data": data,
        "individuals": overall.n,
        "overall": overall.verdict,
        "not_passed": int(overall.value),
        **{fit.use: fit.fitness for fit in judge_uses(used) if fit.population == ALL},
        "strongest": max(parts, key=lambda row: row.value).bin,
        **{name: own[key].value for name, key in NEXT_TO_REAL.items()},
        **{f"{name}_real": own[key].reference for name, key in NEXT_TO_REAL.items()},
    }


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
    parser.add_argument("--table", type=Path, help="append what came out to this TSV")
    arguments = parser.parse_args()
    same = {"data": arguments.data, "steps": arguments.steps}
    same |= {"seed": arguments.seed, "cores": arguments.cores}
    codes = {mode: release(arguments.out, mode, **same) for mode in arguments.modes}
    for mode, code in codes.items() if arguments.table else ():
        table = Table(arguments.table, COLUMNS.split(), [], append=True)
        words = f"OUT --seed {arguments.seed} --modes {mode}"
        words += f" --steps {arguments.steps}" * bool(arguments.steps)
        table.made["command"] = f"python -m benchmarks.release_study {words}"
        study, given = arguments.out / mode, {"seed": arguments.seed, "mode": mode}
        table.add(given | {"gate": code} | outcome(study))
        if mode == "public" and run(study, COMPARISON, arguments.cores) == 0:
            for row in COMPARED:
                table.add(given | fidelity(study / COMPARISON, row))
    return max(codes.values())


if __name__ == "__main__":
    sys.exit(main())
