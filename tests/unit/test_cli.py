"""The commands as `--help` shows them, and the spelling of their options."""

import click
import pytest
from click.testing import CliRunner
from helpers import call_genoloom

from genoloom.cli import GROUPS, genoloom
from genoloom.cli.options import RenamedOption


def commands(group: click.Group, prefix: str = ""):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        yield f"{prefix}{name}", command


COMMANDS = dict(commands(genoloom))
RENAMED = [(n, p) for n, c in COMMANDS.items() for p in c.params if isinstance(p, RenamedOption)]


def test_help_has_every_command_under_its_heading_with_a_whole_sentence():
    text = CliRunner().invoke(genoloom, ["--help"], terminal_width=100).output
    at = -1
    for title, group in GROUPS.items():
        for expected in (f"\n{title}:\n", *(f"\n  {command.name} " for command in group)):
            assert text.index(expected) > at
            at = text.index(expected)
    assert "..." not in text.partition("Options:")[2]
    assert sum(map(len, GROUPS.values())) == len(genoloom.commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_begins_with_a_sentence(name):
    first = (COMMANDS[name].help or "").strip().partition("\n\n")[0]
    assert first.endswith("."), first


@pytest.mark.parametrize(
    ("name", "option"), RENAMED, ids=lambda x: x if isinstance(x, str) else x.name
)
def test_a_former_spelling_is_taken_and_not_shown(name, option):
    command = COMMANDS[name]
    context = click.Context(command)
    record = option.get_help_record(context)
    assert option.former not in record[0]
    for flag in (option.opts[0], option.former):
        given, _, _ = command.make_parser(context).parse_args([flag, "7"])
        assert given[option.name] in ("7", ["7"])


def test_a_former_command_is_taken_and_not_shown():
    assert "complete" not in genoloom.commands
    assert CliRunner().invoke(genoloom, ["complete", "--help"]).exit_code == 0


def test_inputs_have_one_spelling():
    shown = {flag for command in COMMANDS.values() for p in command.params for flag in p.opts}
    assert not shown & {option.former for _, option in RENAMED}


def test_an_unknown_option_is_said_with_the_new_spelling(tmp_path):
    done = call_genoloom("consensus", "--variants", tmp_path / "x", "--out", tmp_path / "y")
    assert done.returncode == 2
    assert "--reference" in done.stderr
    assert "--fasta" not in done.stderr
