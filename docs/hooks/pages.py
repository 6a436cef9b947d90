"""Pages of the site that are made at build time, and links to files outside the documentation.

The configuration is the text of config/README.md, itself generated from the models; the tables
come from the code that writes them; the results of benchmarks from their TSV files.
"""

import csv
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
# files of the repository that are pages of the site
PAGES = {
    "config/README.md": "reference/configuration.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
RESULTS = "benchmarks/results.md"
MEASURED = ("commit", "machine", "versions", "command")  # told once where all rows have the same
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files, config):
    """Add the generated pages."""
    texts = {page: from_root((ROOT / path).read_text(), page) for path, page in PAGES.items()}
    texts |= {RESULTS: results(), "reference/tables.md": tables(), "reference/cli.md": commands()}
    texts["reference/python.md"] = PYTHON
    for page, text in texts.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Point links to files outside the documentation to their pages."""
    if page.file.generated_by:
        return markdown
    return LINK.sub(lambda link: relink(link, page.file.src_uri, ROOT / "docs"), markdown)


def from_root(text: str, page: str) -> str:
    """The text of a file of the repository, whose links are relative to where it lies."""
    folder = next(ROOT / path for path, name in PAGES.items() if name == page).parent
    return LINK.sub(lambda link: relink(link, page, folder, inside=False), text)


def relink(link: re.Match, page: str, base: Path, inside: bool = True) -> str:
    """The link of a page, of which the target is relative to the file that has it."""
    folder = (base / page).parent if inside else base
    target = (folder / link[1]).resolve()
    path = target.relative_to(ROOT).as_posix()
    anchor = link[2] or ""
    if path.startswith("benchmarks/results/"):
        path, anchor = RESULTS, f"#{slug(target.stem)}"
    elif path.startswith("docs/"):
        path = path.removeprefix("docs/")
    elif path in PAGES:
        path = PAGES[path]
    else:
        return link[0]  # the build says that it leads nowhere
    return f"]({'../' * page.count('/')}{path}{anchor})"


def slug(title: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w-]", "", title.lower().replace(" ", "-"))


PYTHON = """# Python

::: genoloom.api
    options:
      show_root_heading: false
      show_root_toc_entry: false

## Sequences

::: genoloom.sequence_api
    options:
      show_root_heading: false
      show_root_toc_entry: false
      members: [RealSequences, SequenceModel, SyntheticSequences]

## Results and errors

The fields of `Metric` and `Attack` are the columns of [metrics.tsv and attacks.tsv](tables.md).

::: genoloom.report.data.Metric
::: genoloom.report.data.Attack
::: genoloom.errors.InputError
"""


def rows_of(head: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a Markdown table."""
    cells = [
        [str(cell).replace("|", "\\|") for cell in row]
        for row in [head, ["---"] * len(head), *rows]
    ]
    return ["| " + " | ".join(row) + " |" for row in cells] + [""]


def commands() -> str:
    """Every command with its options, in the order of `genoloom --help`."""
    import click

    from genoloom.cli import GROUPS, genoloom

    def lines_of(command: click.Command, name: str) -> list[str]:
        context = click.Context(command, info_name=name)
        text = (command.help or "").replace("\b\n", "\n")
        lines = [
            f"### {name}",
            "",
            re.sub(r"(?m)^(?: *genoloom .*\n?)(?: {4}.*\n?)*", code, text),
            "",
        ]
        if isinstance(command, click.Group):
            return lines + [
                line for sub, c in command.commands.items() for line in lines_of(c, f"{name} {sub}")
            ]
        records = [p.get_help_record(context) for p in command.params]
        return lines + rows_of(["option", "meaning"], [[f"`{r[0]}`", r[1]] for r in records if r])

    lines = ["# Command line", "", genoloom.help, ""]
    for title, group in GROUPS.items():
        lines += [f"## {title}", ""]
        lines += [line for command in group for line in lines_of(command, command.name)]
    return "\n".join(lines)


def code(example: re.Match) -> str:
    """An example of a command's help as a block of code."""
    return f"\n```bash\n{example[0].rstrip()}\n```\n"


def fields_of(model) -> list[str]:
    """A table of the fields of a part of the report."""
    return rows_of(
        ["field", "meaning"],
        [[f"`{n}`", f.description or ""] for n, f in model.model_fields.items()],
    )


def tables() -> str:
    """What the tables hold: columns, metrics, attacks."""
    from genoloom.formats.cohort_sheets import COLUMNS as COHORT
    from genoloom.formats.splits import COLUMNS as SPLIT
    from genoloom.privacy.attack_ids import AttackId
    from genoloom.privacy.rows import PRIVATE_COLUMNS, PUBLIC_COLUMNS, ExposureRow
    from genoloom.records import columns as columns_of
    from genoloom.report.data import Attack, Judgement, Metric
    from genoloom.stages.prepare import REJECTION_COLUMNS
    from genoloom.task_rows import EffectRow, StarRow, TaskRow
    from genoloom.validation.metric_ids import MetricId, TaskId
    from genoloom.validation.rows import COLUMNS as FIDELITY

    columns = {
        "{contig}.rejected.tsv.gz": REJECTION_COLUMNS,
        "splits/{panel}.tsv": SPLIT,
        "cohort.tsv": COHORT,
        "fidelity.tsv": FIDELITY,
        "privacy.tsv": PUBLIC_COLUMNS,
        "audit.tsv (private)": PRIVATE_COLUMNS,
        "individuals.tsv (private)": columns_of(ExposureRow),
        "utility.tsv": columns_of(TaskRow),
        "effects.tsv": columns_of(EffectRow),
        "star_alleles.tsv": columns_of(StarRow),
    }
    lines = ["# Tables", "", "## Columns of the files", ""]
    lines += rows_of(
        ["file", "columns"],
        [[f"`{n}`", ", ".join(f"`{c}`" for c in names)] for n, names in columns.items()],
    )
    for model, title in (
        (Metric, "metrics.tsv"),
        (Attack, "attacks.tsv"),
        (Judgement, "report.json: judgements"),
    ):
        lines += [f"## {title}", "", *fields_of(model)]
    lines += [
        "## Metrics",
        "",
        *rows_of(
            ["metric", "title", "type", "better", "unit", "reference", "what it says"],
            [
                [f"`{m}`", m.title, m.metric_type or "", m.better, m.unit, m.reference, m.help]
                for m in (*MetricId, *TaskId)
            ],
        ),
    ]
    lines += [
        "## Rows of the audit",
        "",
        *rows_of(
            ["attack", "title", "better", "what it measures"],
            [[f"`{a}`", a.title, a.better, a.help] for a in AttackId],
        ),
    ]
    return "\n".join(lines)


def results() -> str:
    """The committed results of benchmarks; commit, machine and command where a table has them."""
    lines = [
        "# Results of benchmarks",
        "",
        "The tables of `benchmarks/results/`, as they were measured.",
        "",
    ]
    for path in sorted((ROOT / "benchmarks/results").glob("*.tsv")):
        head, *rows = csv.reader(path.read_text().splitlines(), delimiter="\t")
        cells = dict(zip(head, zip(*rows, strict=True), strict=True))
        once = [c for c in MEASURED if len(set(cells.get(c, ()))) == 1]
        lines += [f"## {path.stem} {{ #{slug(path.stem)} }}", ""]
        lines += [f"- {name}: {f'`{value}`' if name == 'command' else value}" for name in once
                  if (value := cells[name][0])]  # fmt: skip
        kept = [i for i, name in enumerate(head) if name not in once]
        table = [[line[i] for i in kept] for line in (head, *rows)]
        lines += ["", *rows_of(table[0], table[1:])]
    return "\n".join(lines)
