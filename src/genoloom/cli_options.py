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
from contextlib import contextmanager
from pathlib import Path

import click
from pydantic import ValidationError

from genoloom.config_section import Section
from genoloom.errors import GenoLoomError, InputError
from genoloom.faults import explain, no_memory
from genoloom.logs import configure_logging
from genoloom.renamed_keys import renamed_flags

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
        "none" if field.default is None else str(field.default).lower() if isinstance(field.default, bool) else field.default
    )
    return f"{field.description}  [default: {default}]"


def section_options(*sections: type[Section]) -> Callable:
    """Give a command the fields of `sections` as options, and pass it one filled object for each.

    The objects arrive as the keyword `sections`, a tuple in the order of the arguments. Values are
    checked by the model, so that the command line and the configuration file have the same bounds.
    """

    def decorate(command: Callable) -> Callable:
        @functools.wraps(command)
        def wrapper(**values):
            filled = []
            for section in sections:
                given = {name: values[name] for name in section.model_fields if values.get(name) is not None}
                try:
                    filled.append(section(**{k: None if v is _OrNone.NONE else v for k, v in given.items()}))
                except ValidationError as error:
                    problem = error.errors()[0]
                    if not problem["loc"]:  # of several options
                        raise InputError("options", problem["msg"]) from None
                    flag = "--" + str(problem["loc"][0]).replace("_", "-")
                    raise InputError(flag, f"{problem['input']!r}: {problem['msg']}") from None
            rest = {k: v for k, v in values.items() if not any(k in s.model_fields for s in sections)}
            return command(sections=tuple(filled), **rest)

        for section in reversed(sections):
            for name, field in reversed(section.model_fields.items()):
                flag = "--" + name.replace("_", "-")
                wrapper = click.option(flag, name, type=_click_type(field.annotation), default=None, help=_option_help(field))(
                    wrapper
                )
        return wrapper

    return decorate


def _as_region(_context, _parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([\d,]+)-([\d,]+)", text)
    if not match:
        raise InputError("--region", f"'{text}' is no region", expected="START-END, 1-based, both ends included")
    start, end = (int(part.replace(",", "")) for part in match.groups())
    if not 1 <= start <= end:
        raise InputError("--region", f"'{text}' is empty", expected="START-END with 1 <= START <= END")
    return start, end


region_option = click.option("--region", callback=_as_region, help="START-END, 1-based, both ends included.")
seed_option = click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of this job.")
threads_option = click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads.")


def as_named_files(_context, parameter, values: tuple[str, ...]) -> dict[str, list[Path]]:
    """NAME=FILE, repeated, as {name: files}."""
    named: dict[str, list[Path]] = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not (name and equals and path):
            raise InputError(parameter.opts[0], f"'{value}'", expected="NAME=FILE, such as gan=gan.vcf.gz")
        named.setdefault(name, []).append(Path(path))
    return named


def real_options(command: Callable) -> Callable:
    """The two forms in which real people are given, passed on as the keyword `real`, a dict."""
    options = {
        "panels": click.option("--panel", "panels", type=PREFIX, multiple=True, help="Panel prefix of the workflow. Repeat for each contig."),
        "split": click.option("--split", type=FILE, help="Split table of the workflow."),
        "train": click.option("--train", type=FILE, multiple=True, help=f"Training people: {ANY_TOOL}"),
        "holdout": click.option("--holdout", type=FILE, multiple=True, help=f"Held-out people: {ANY_TOOL}"),
        "people": click.option(
            "--people", type=FILE, multiple=True, help="Sheet of the people in these files: person, population. Repeat."
        ),
        "genetic_map": click.option("--map", "genetic_map", type=FILE, help="Genetic map, for such files."),
    }  # fmt: skip

    @functools.wraps(command)
    def wrapper(**values):
        real = {name: list(v) if isinstance(v := values.pop(name), tuple) else v for name in options}
        return command(real=real, **values)

    for option in reversed(options.values()):
        wrapper = option(wrapper)
    return wrapper


def comparands_options(command: Callable) -> Callable:
    """`--synthetic` beside `real_options`, passed on as the keyword `comparands`, a dict."""

    @functools.wraps(command)
    def wrapper(synthetic, real, **values):
        return command(comparands={"synthetic": list(synthetic), **real}, **values)

    text = f"Prefix of the synthetic PGEN trio; or, beside --train, {ANY_TOOL}"
    return click.option("--synthetic", type=PREFIX, multiple=True, required=True, help=text)(real_options(wrapper))


def file_option(flag: str, help: str, required: bool = True, **more):
    """An option that takes one file."""
    return click.option(flag, type=FILE, required=required, help=help, **more)


controls_option = click.option(
    "--control", "controls", type=FILE, multiple=True, help="Table of a baseline, shown beside. Repeat."
)
name_option = click.option("--name", required=True, help="What to call the synthetic data in the tables.")
figures_option = file_option("--figures", "Data of the report's figures (JSON).")
model_option = file_option("--model", "Model file (.safetensors).")
models_option = click.option(
    "--model", "models", type=FILE, multiple=True, help="Model the data were made with, for the attacks that need it. Repeat."
)
history_option = file_option("--history", "Training history (TSV).")
state_option = click.option("--state", type=DIRECTORY, required=True, help="Training state, so that a stopped job can go on.")


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
