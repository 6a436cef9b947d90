"""Command-line options made from the configuration models, and options that commands share."""

import functools
import logging
import os
import re
import resource
import signal
import sys
import traceback
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path

import click

from genoloom.config_section import Section, filled
from genoloom.errors import GenoLoomError, InputError
from genoloom.faults import explain, no_memory
from genoloom.logs import configure_logging
from genoloom.renamed_keys import flag_of, renamed_flags

FILE = click.Path(path_type=Path, dir_okay=False)
DIRECTORY = click.Path(path_type=Path, file_okay=False)
PREFIX = click.Path(path_type=Path)

ANY_TOOL = "VCF(.gz), BCF, .pgen or .bed of any tool. Repeat for each contig."

log = logging.getLogger(__name__)


class _OrNone(click.ParamType):
    """A value of another type, or the word 'none', which is YAML's null."""

    NONE = object()  # click takes None for "not given"

    def __init__(self, inner: click.ParamType):
        self.inner, self.name = inner, f"{inner.name}|none"

    def convert(self, value, param, ctx):
        if value is self.NONE or str(value).lower() == "none":
            return self.NONE
        return self.inner.convert(value, param, ctx)


def _click_type(annotation) -> click.ParamType:
    """The click type of a configuration field."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) is typing.Literal:
        return click.Choice(list(typing.get_args(annotation)))
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        members = [a for a in typing.get_args(annotation) if a is not type(None)]
        if len(members) > 1:  # words or a number: the model reads the text
            return click.STRING
        return _OrNone(_click_type(members[0]))
    return {bool: click.BOOL, int: click.INT, float: click.FLOAT, str: click.STRING}[annotation]


def _option_help(field) -> str:
    default = (
        "none"
        if field.default is None
        else str(field.default).lower()
        if isinstance(field.default, bool)
        else field.default
    )
    return f"{field.description}  [default: {default}]"


def section_options(**sections: type[Section]) -> Callable:
    """Give a command the fields of sections as options, and pass it each section, filled, as the
    keyword that it has here.

    Values are checked by the model, so that the command line and the configuration file have the
    same bounds.
    """

    def decorate(command: Callable) -> Callable:
        @functools.wraps(command)
        def wrapper(**values):
            for keyword, section in sections.items():
                given = {name: values.pop(name) for name in section.model_fields}
                given = {
                    k: None if v is _OrNone.NONE else v for k, v in given.items() if v is not None
                }
                values[keyword] = filled(section, given, flag_of)
            return command(**values)

        for section in reversed(sections.values()):
            for name, field in reversed(section.model_fields.items()):
                wrapper = click.option(
                    flag_of(name),
                    name,
                    type=_click_type(field.annotation),
                    default=None,
                    help=_option_help(field),
                )(wrapper)
        return wrapper

    return decorate


def _as_region(_context, _parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([\d,]+)-([\d,]+)", text)
    if not match:
        raise InputError(
            "--region", f"'{text}' is no region", expected="START-END, 1-based, both ends included"
        )
    start, end = (int(part.replace(",", "")) for part in match.groups())
    if not 1 <= start <= end:
        raise InputError(
            "--region", f"'{text}' is empty", expected="START-END with 1 <= START <= END"
        )
    return start, end


class Part(click.ParamType):
    """Which of how many: 2/4."""

    name = "k/n"

    def convert(self, value, param, ctx) -> tuple[int, int]:
        """The two numbers, 1 <= k <= n."""
        numbers = str(value).split("/")
        if not (len(numbers) == 2 and all(x.isdecimal() for x in numbers)):
            self.fail(f"'{value}' is no part; expected for example 2/4", param, ctx)
        k, n = map(int, numbers)
        if not 1 <= k <= n:
            self.fail(f"there is no part {k} of {n}", param, ctx)
        return k, n


def default_option(*names: str, **more) -> Callable:
    """An option whose help shows its default."""
    return click.option(*names, show_default=True, **more)


region_option = click.option(
    "--region", callback=_as_region, help="START-END, 1-based, both ends included."
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of this job."
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads."
)


# commands that still take the name they had in an earlier version
RENAMED_COMMANDS = {"complete": "impute"}


class OrderedGroup(click.Group):
    """A group whose help shows commands as they were added, or under `headings`, in sentences."""

    def __init__(self, *args, headings: dict[str, list[click.Command]] | None = None, **more):
        super().__init__(*args, **more)
        self.headings = headings
        for commands in (headings or {}).values():
            for command in commands:
                self.add_command(command)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return super().get_command(ctx, RENAMED_COMMANDS.get(name, name))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in (
            self.headings or {"Commands": list(self.commands.values())}
        ).items():
            with formatter.section(title):
                formatter.write_dl([(c.name, c.get_short_help_str(1000)) for c in commands])


class RenamedOption(click.Option):
    """An option that still takes the spelling it had in an earlier version; help names the new
    one.
    """

    def __init__(self, declarations, former: str, **more):
        super().__init__(declarations, **more)
        self.former = former

    def add_to_parser(self, parser, ctx) -> None:
        shown = self.opts
        super().add_to_parser(parser, ctx)
        self.opts = [self.former]
        super().add_to_parser(parser, ctx)
        self.opts = shown


def renamed_option(flag: str, former: str, name: str, **more):
    """An option `flag`, once called `former`, passed on as the keyword `name`."""
    return click.option(flag, name, cls=RenamedOption, former=former, **more)


def as_list(_context, _parameter, values: tuple) -> list:
    """What a repeated option was given."""
    return list(values)


def as_named_files(_context, parameter, values: tuple[str, ...]) -> dict[str, list[Path]]:
    """NAME=FILE, repeated, as {name: files}."""
    named: dict[str, list[Path]] = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not (name and equals and path):
            raise InputError(
                parameter.opts[0], f"'{value}'", expected="NAME=FILE, such as gan=gan.vcf.gz"
            )
        named.setdefault(name, []).append(Path(path))
    return named


def file_option(
    flag: str, help: str, required: bool = True, name: str | None = None, former: str | None = None
):
    """An option that takes one file."""
    more = {"type": FILE, "required": required, "help": help}
    name = name or flag[2:].replace("-", "_")
    return (
        renamed_option(flag, former, name, **more) if former else click.option(flag, name, **more)
    )


optional_file = functools.partial(file_option, required=False)


def files_option(
    flag: str, name: str, help: str, type: click.ParamType = FILE, required: bool = False
):
    """An option that takes one file and may be repeated, passed on as the keyword `name`, a
    list.
    """
    return click.option(
        flag, name, type=type, multiple=True, callback=as_list, required=required, help=help
    )


def samples_option(help: str, name: str = "samples", several: bool = False, required: bool = False):
    """The sheet of samples; where there may be `several`, they are a list."""
    more = (
        {"multiple": True, "callback": as_list, "help": f"{help} Repeat."}
        if several
        else {"help": help}
    )
    return renamed_option("--samples", "--people", name, type=FILE, required=required, **more)


def reference_option(help: str, required: bool = True, name: str = "reference"):
    """The FASTA of the reference genome."""
    return file_option("--reference", help, required, name=name, former="--fasta")


def real_options(command: Callable) -> Callable:
    """The two forms in which real individuals are given, passed on as the keyword `real`, a
    dict.
    """
    options = {
        "panels": files_option(
            "--panel", "panels", "Panel prefix of the workflow. Repeat for each contig.", PREFIX
        ),
        "split": optional_file("--split", "Split table of the workflow."),
        "train": files_option("--train", "train", f"Training individuals: {ANY_TOOL}"),
        "holdout": files_option("--holdout", "holdout", f"Held-out individuals: {ANY_TOOL}"),
        "samples": samples_option(
            "Sheet of the samples of these files: individual, population.", several=True
        ),
        "genetic_map": optional_file("--map", "Genetic map, for such files.", name="genetic_map"),
    }

    @functools.wraps(command)
    def wrapper(**values):
        return command(real={name: values.pop(name) for name in options}, **values)

    for option in reversed(options.values()):
        wrapper = option(wrapper)
    return wrapper


def comparands_options(command: Callable) -> Callable:
    """`--synthetic` and `real_options`, passed on as the keyword `comparands`, a dict."""

    @functools.wraps(command)
    def wrapper(synthetic, real, **values):
        return command(comparands={"synthetic": synthetic, **real}, **values)

    text = f"Prefix of the synthetic PGEN trio; or, with --train, {ANY_TOOL}"
    return files_option("--synthetic", "synthetic", text, PREFIX, required=True)(
        real_options(wrapper)
    )


baselines_option = renamed_option(
    "--baseline", "--control", "baselines", type=FILE, multiple=True, callback=as_list,
    help="Table of a baseline, to show with this one. Repeat.",
)  # fmt: skip
name_option = click.option(
    "--name", required=True, help="Name of the synthetic data in the tables."
)
details_option = file_option(
    "--details", "Data of the report's plots to write (JSON).", former="--figures"
)
model_option = file_option("--model", "Model file (.safetensors).")
models_option = files_option(
    "--model", "models", "Model the data were made with, for the attacks that need it. Repeat."
)
panels_option = files_option(
    "--panel",
    "panels",
    "Panel prefix, such as results/panels/demo/20. Repeat for each contig.",
    PREFIX,
    required=True,
)
split_option = file_option("--split", "Split table.")
bundle_option = click.option(
    "--out",
    type=DIRECTORY,
    required=True,
    help="Directory of the bundle; an older bundle there is removed.",
)
results_option = click.option(
    "--results",
    type=DIRECTORY,
    default="results",
    show_default=True,
    help="Directory of the workflow's results.",
)
history_option = file_option("--history", "Training history (TSV).")
state_option = click.option(
    "--state",
    type=DIRECTORY,
    required=True,
    help="Directory of the training state, so that a stopped job can be resumed.",
)


def logged(command: Callable) -> Callable:
    """Add `--log` and `--verbose`, and turn every error into a message and an exit code."""

    @click.option("--log", "log_file", type=FILE, help="Also write the log to this file.")
    @click.option("-v", "--verbose", is_flag=True, help="Say more.")
    @functools.wraps(command)
    def wrapper(log_file, verbose, **values):
        with faults_explained():
            configure_logging(log_file, verbose)
            result = command(**values)
            _flush()
            return result

    return wrapper


def calls(place: str, opens: bool = False, **more) -> Callable:
    """Decorate a command that does nothing but call a function of the package with its options, and
    `more`, as keywords; a text that it returns is shown. The command is `logged`.

    The module is imported when the command runs, as it may be a heavy one.

    Parameters
    ----------
    place : str
        module:function below `genoloom`.
    opens : bool
        Whether the function takes `comparands` opened, and their files as `sources`.
    """

    def decorate(command: Callable) -> Callable:
        @logged
        @functools.wraps(command)
        def wrapper(**given):
            module, name = place.split(":")
            function = getattr(import_module(f"genoloom.{module}"), name)
            with _opened(given) if opens else nullcontext(given) as keywords:
                text = function(**keywords, **more)
            if isinstance(text, str):
                click.echo(text, nl=False)

        return wrapper

    return decorate


@contextmanager
def _opened(given: dict) -> Iterator[dict]:
    from genoloom.panels.comparands import open_comparands, source_files

    files = given["comparands"]
    with open_comparands(**files) as opened:
        yield {**given, "comparands": opened, "sources": source_files(**files)}


@contextmanager
def faults_explained() -> Iterator[None]:
    """Raise what the machine is to blame for, such as a full disk, as an error with a message and a
    remedy.
    """
    try:
        yield
    except GenoLoomError:
        raise
    except Exception as error:
        fault = explain(error)
        if fault is None:
            raise
        raise fault from error


def run_and_exit(group: click.Group) -> None:
    """Run `group`; exit 0, the error's own code with its message, or 1 with a traceback for our own
    mistakes.
    """
    _watch_memory()
    sys.unraisablehook = _ignore_faults
    try:
        with faults_explained():
            group(standalone_mode=False)
            _flush()
    except GenoLoomError as error:
        _finish(f"Error: {error}", error.exit_code)
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption):
            error.possibilities = renamed_flags(error.option_name) or error.possibilities
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _finish("Interrupted; nothing was left under a final name.", 130)
    except Exception:
        _finish(f"This is a defect in GenoLoom, please report it:\n{traceback.format_exc()}", 1)


def _finish(message: str, code: int) -> None:
    logging.getLogger().handlers or configure_logging()
    log.error(message)
    try:
        _flush()
    except OSError:  # the interpreter would flush once more at its end, and fail once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)


def _watch_memory() -> None:
    """Where memory is limited (`ulimit -v`), go on as a child and say so if it dies of that:
    libraries abort without a word.
    """
    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        return
    child = os.fork()
    if child == 0:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to both
    signal.signal(signal.SIGTERM, lambda number, _: os.kill(child, number))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if -code in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL):
        _finish(f"Error: {no_memory()}", 2)
    sys.stdout.flush()
    os._exit(code if code >= 0 else 128 - code)


def _ignore_faults(unraisable) -> None:
    """Say nothing of files that cannot be closed while they are thrown away: the error before that
    is the one to tell.
    """
    if not isinstance(unraisable.exc_value, OSError):
        sys.__unraisablehook__(unraisable)


def _flush() -> None:
    if sys.stdout is not None:  # it is None where it was closed before the start
        sys.stdout.flush()
