"""Configurations on disk: read with every problem listed, and generated from the model.

python -m genoloom.config_files --write    write config/config.yaml, schemas and config/README.md
python -m genoloom.config_files --check    fail when they differ from the model
"""

import difflib
import json
import shlex
import sys
import types
import typing
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from genoloom.cohort import parse_labels
from genoloom.config import Config
from genoloom.config_section import Section
from genoloom.config_sheets import (
    INDIVIDUALS_COLUMNS,
    PANEL_COLUMNS,
    SEQUENCE_COLUMNS,
    PanelRow,
    SequenceRow,
    check_name,
    read_panel_sheet,
    read_sequence_sheet,
)
from genoloom.errors import ConfigError, GenoLoomError, InputError
from genoloom.formats.public_panels import read_public_panel
from genoloom.formats.text import text_lines
from genoloom.privacy_config import PrivacyOptions
from genoloom.renamed_keys import REMOVED, RENAMED
from genoloom.report.data import ReportData


@dataclass(frozen=True)
class Study:
    """A configuration and the rows of the sheets it names."""

    config: Config
    panels: list[PanelRow]
    sequence_sets: list[SequenceRow]


def load_study(path: str | Path, directory: str | Path = ".") -> Study:
    """The configuration in a YAML file, with its sheets; see `check_study`."""
    return check_study(_load_yaml(path), path, directory)


def check_study(values: dict, source: str | Path, directory: str | Path = ".") -> Study:
    """The configuration in a dictionary, as Snakemake holds it, with its sheets.

    Parameters
    ----------
    source : str or Path
        What messages call the configuration.
    directory : str or Path
        What the paths of configuration and sheets are relative to.

    Raises
    ------
    ConfigError
        Lists every problem of the configuration and of both sheets.
    InputError
        A file is missing or cannot be read at all, and nothing else is wrong.
    """
    errors: list[GenoLoomError] = []

    def attempt(read: Callable, otherwise):
        try:
            return read()
        except GenoLoomError as error:
            errors.append(error)
            return otherwise

    def sheet(key: str, read: Callable) -> list:
        name = values.get(key) if isinstance(values, dict) else None
        # what is no text is a problem of the configuration, and already listed there
        return (
            attempt(lambda: read(Path(directory) / name, directory), [])
            if name and isinstance(name, str)
            else []
        )

    config = attempt(lambda: parse_config(values, source), None)
    panels, sets = sheet("panels", read_panel_sheet), sheet("sequence_sets", read_sequence_sheet)
    if config is not None and config.privacy.mode != "none":
        attempt(lambda: _check_public_panel(config.privacy, panels, Path(directory)), None)
    if not errors and not panels and not sets:
        errors.append(
            InputError(
                source,
                "neither 'panels' nor 'sequence_sets' names a sheet",
                remedy="`genoloom init` writes one",
            )
        )
    if errors:
        raise _joined(source, errors)
    return Study(config, panels, sets)


def _check_public_panel(privacy: PrivacyOptions, rows: list[PanelRow], directory: Path) -> None:
    """Raise an InputError unless the public panel is registered, with the contigs of the cohort and
    the populations that are named.
    """
    check_name("privacy.public_panel", privacy.public_panel)
    place = directory / privacy.folder / privacy.public_panel
    record = read_public_panel(place)
    parse_labels(privacy.populations, record.populations, "privacy.populations")
    strange = sorted({row.contig for row in rows} - set(record.contigs))
    if strange:
        raise InputError(
            place,
            f"has no contig '{strange[0]}'",
            expected=f"every contig of the cohort; it has {', '.join(record.contigs)}",
            remedy="give both the same names (bcftools annotate --rename-chrs), and register the "
            "public panel again",
        )


def _joined(source: str | Path, errors: list[GenoLoomError]) -> GenoLoomError:
    if len(errors) == 1:
        return errors[0]
    problems = []
    for error in errors:
        if isinstance(error, ConfigError):
            problems += [
                (f"{error.source}: {key}", value, message) for key, value, message in error.problems
            ]
        else:
            problems.append(
                (error.source, "", " ".join(str(error).removeprefix(f"{error.source}: ").split()))
            )
    return ConfigError(source, problems)


def _load_yaml(path: str | Path) -> dict:
    if not Path(path).exists():
        raise InputError(path, "not found", remedy="write one with `genoloom init`")
    try:
        return yaml.safe_load("\n".join(line for _, line in text_lines(path))) or {}
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(path, f"is no YAML ({' '.join(str(error).split())})") from None


def parse_config(values: dict, source: str | Path) -> Config:
    """The configuration in a dictionary; a ConfigError lists every problem: unknown keys with a
    suggestion, wrong types, values out of bounds.
    """
    if not isinstance(values, dict):
        raise InputError(source, "is no mapping of keys to values")
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(source, [_problem(problem) for problem in error.errors()]) from None


def _problem(problem: dict) -> tuple[str, str, str]:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        value = "" if isinstance(problem["input"], dict) else repr(problem["input"])
        return key, value, problem["msg"][0].lower() + problem["msg"][1:]
    if key in RENAMED:
        return key, "", f"is called '{RENAMED[key]}' now"
    if key in REMOVED:
        return key, "", f"is no longer there: {REMOVED[key]}"
    close = difflib.get_close_matches(
        str(problem["loc"][-1]), _keys(problem["loc"][:-1]), n=1, cutoff=0.5
    )
    prefix = "".join(f"{part}." for part in problem["loc"][:-1])
    return key, "", f"unknown key; did you mean '{prefix}{close[0]}'?" if close else "unknown key"


def _keys(loc: tuple) -> list[str]:
    model: type[BaseModel] = Config
    for part in loc:
        model = next(f.annotation for n, f in model.model_fields.items() if part in (n, f.alias))
    return [field.alias or name for name, field in model.model_fields.items()]


def flags(section: Section, leave_out: Collection[str] = ()) -> str:
    """A section as command-line flags, every option spelled out: what a rule hands to its
    command.
    """
    return " ".join(
        f"--{name.replace('_', '-')} {_flag_value(value)}"
        for name, value in section
        if name not in leave_out
    )


def _flag_value(value) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return shlex.quote(str(value))


def default_yaml(config: Config | None = None, header: str = "") -> str:
    """A configuration as YAML, each key commented with its description."""
    lines = [header] if header else []
    lines += _yaml_of(config or Config(), 0)
    return "\n".join(lines) + "\n"


def _yaml_of(model: BaseModel, depth: int) -> list[str]:
    lines = []
    pad = "  " * depth
    for name, field in type(model).model_fields.items():
        value, key = getattr(model, name), field.alias or name
        if isinstance(value, Section):
            lines += [
                "" if depth == 0 else None,
                f"{pad}# {in_one_line(type(value).__doc__)}",
                f"{pad}{key}:",
                *_yaml_of(value, depth + 1),
            ]
        else:
            text = json.dumps(value)
            lines += [f"{pad}# {field.description}", f"{pad}{key}: {text}"]
    return [line for line in lines if line is not None]


def readme_tables() -> str:
    """Markdown tables of every key and every column."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|", *_table_of(Config, "")]
    for title, columns in (
        ("`panels.tsv`", PANEL_COLUMNS),
        ("`sequences.tsv`", SEQUENCE_COLUMNS),
        ("sheet of individuals", INDIVIDUALS_COLUMNS),
    ):
        lines += ["", f"### Columns of the {title}", "", "| column | meaning |", "|---|---|"]
        lines += [f"| `{name}` | {meaning} |" for name, meaning in columns.items()]
    lines += ["", "### Keys of earlier versions", "", "| was | is now |", "|---|---|"]
    lines += [f"| `{old}` | `{new}` |" for old, new in RENAMED.items()]
    lines += [f"| `{old}` | nothing: {reason} |" for old, reason in REMOVED.items()]
    return "\n".join(lines)


def _table_of(model: type[BaseModel], prefix: str) -> list[str]:
    lines = []
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            lines += [
                f"| **`{key}`** | | | {in_one_line(field.annotation.__doc__)} |",
                *_table_of(field.annotation, f"{key}."),
            ]
        else:
            default = json.dumps(field.default)
            lines.append(
                f"| `{key}` | {_type_name(field.annotation)} | `{default}` | {field.description} |"
            )
    return lines


def _type_name(annotation) -> str:
    if typing.get_origin(annotation) is typing.Annotated:
        return _type_name(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(annotation))
    if typing.get_origin(annotation) is list:
        return f"list of {_type_name(typing.get_args(annotation)[0])}"
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return " or ".join(
            "null" if a is type(None) else _type_name(a) for a in typing.get_args(annotation)
        )
    return {"bool": "true/false", "int": "integer", "float": "number", "str": "text"}[
        annotation.__name__
    ]


TEMPLATE = Config(panels="config/panels.tsv", sequence_sets="config/sequences.tsv")
TEMPLATE_HEADER = """\
# Template: every value shown is the default. The sheets name the data that are shipped with the
# repository (resources/demo); `make demo` takes shorter settings from demo.yaml.
# Generated from src/genoloom/config.py by `python -m genoloom.config_files --write`.
"""
_BEGIN, _END = "<!-- generated: begin -->", "<!-- generated: end -->"


def report_schema() -> dict:
    """JSON schema of report.json."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema_of(ReportData)}


def schema_of(model: type[BaseModel]) -> dict:
    """The JSON schema of a model; its descriptions do not depend on how docstrings are broken."""

    def plain(part):
        if isinstance(part, list):
            return [plain(item) for item in part]
        if isinstance(part, dict):
            texts = {
                k: in_one_line(v)
                for k, v in part.items()
                if k == "description" and isinstance(v, str)
            }
            return {k: plain(v) for k, v in part.items()} | texts
        return part

    return plain(model.model_json_schema(by_alias=True))


def in_one_line(text: str) -> str:
    """A docstring without its line breaks."""
    return " ".join(text.split())


def generated_files(root: Path) -> dict[Path, str]:
    """The files that follow from the model, with their contents."""
    readme = root / "config" / "README.md"
    before, _, rest = readme.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    schema = schema_of(Config)
    return {
        root / "config" / "config.yaml": default_yaml(TEMPLATE, TEMPLATE_HEADER),
        root / "workflow" / "schemas" / "config.schema.json": json.dumps(schema, indent=2) + "\n",
        root / "src" / "genoloom" / "report" / "report.schema.json": json.dumps(
            report_schema(), indent=2
        )
        + "\n",
        readme: f"{before}{_BEGIN}\n\n{readme_tables()}\n\n{_END}{after}",
    }


def main(arguments: list[str]) -> int:
    """`--write` or `--check` in the working directory; returns the exit code."""
    differ = False
    for path, text in generated_files(Path.cwd()).items():
        old = path.read_text() if path.exists() else ""
        if arguments == ["--write"]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif old != text:
            differ = True
            sys.stdout.writelines(
                difflib.unified_diff(
                    old.splitlines(True), text.splitlines(True), str(path), "generated"
                )
            )
    return int(differ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
