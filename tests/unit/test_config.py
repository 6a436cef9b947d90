"""The configuration: one definition, all problems at once, nothing drifts."""

import functools
import json
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner
from helpers import call_genoloom
from snakemake.utils import update_config

from genoloom import config_files
from genoloom.cli import genoloom
from genoloom.cli.options import run_and_exit
from genoloom.config import Config
from genoloom.config_section import Section
from genoloom.config_sheets import read_panel_sheet
from genoloom.errors import ConfigError, InputError
from genoloom.renamed_keys import REMOVED, RENAMED, renamed_flags
from genoloom.training_config import TransformerOptions


def test_generated_files_are_up_to_date(repository):
    done = subprocess.run(
        [sys.executable, "-m", "genoloom.config_files", "--check"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"run `python -m genoloom.config_files --write`\n{done.stdout}"


def test_drift_is_seen(repository, tmp_path):
    for name in ("config/config.yaml", "config/README.md", "workflow/schemas/config.schema.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((repository / name).read_text())
    path = tmp_path / "config/config.yaml"
    path.write_text(path.read_text().replace("min_mac: 2", "min_mac: 3"))
    command = [sys.executable, "-m", "genoloom.config_files"]
    done = subprocess.run(
        [*command, "--check"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "-  min_mac: 3" in done.stdout
    subprocess.run([*command, "--write"], cwd=tmp_path, check=True)
    assert path.read_text() == (repository / "config/config.yaml").read_text()


def test_default_file_is_the_default_configuration(repository):
    loaded = config_files.load_study(repository / "config/config.yaml", repository)
    assert loaded.config == config_files.TEMPLATE


def test_the_demo_has_shorter_settings_and_all_steps(repository):
    """What `make demo` changes is valid, differs from the defaults, and leaves every judgement as
    it is.
    """
    changes = yaml.safe_load((repository / "config/demo.yaml").read_text())
    values = yaml.safe_load((repository / "config/config.yaml").read_text())
    update_config(values, changes)
    demo = config_files.check_study(values, "config/demo.yaml", repository).config
    template = config_files.TEMPLATE
    for key, _ in leaves(changes):
        assert part_of(demo, key) != part_of(template, key), key
    assert {"independent", "mosaic"} <= set(demo.baselines)
    assert set(template.generators) <= set(demo.generators)
    assert demo.sequence_generators == template.sequence_generators
    judging = ("prepare", "split", "validate_", "audit", "release", "sequences")
    assert all(getattr(demo, name) == getattr(template, name) for name in judging)


def test_the_demo_that_is_released_keeps_the_limits_of_the_gate(repository):
    values = yaml.safe_load((repository / "config/config.yaml").read_text())
    for name in ("demo", "demo_release"):
        update_config(values, yaml.safe_load((repository / f"config/{name}.yaml").read_text()))
    demo = config_files.check_study(values, "config/demo_release.yaml", repository).config
    assert demo.generators == ["copying_network"]
    assert demo.privacy.mode == "public"
    template = config_files.TEMPLATE
    assert (demo.audit, demo.release) == (template.audit, template.release)


def leaves(values: dict, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def part_of(config: Config, key: str):
    return functools.reduce(getattr, key.split("."), config)


def test_all_problems_are_listed_with_suggestions(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "sede": 1,
                "train": {"transformer": {"stpes": 3, "dropout": "x"}},
                "prepare": {"max_missing": 3},
            }
        )
    )
    with pytest.raises(ConfigError) as error:
        config_files.load_study(path)
    text = str(error.value)
    assert "4 problems" in text
    assert "did you mean 'train.transformer.steps'?" in text
    assert "did you mean 'seed'?" in text
    assert "train.transformer.dropout" in text
    assert "prepare.max_missing" in text


def nested(key: str, value) -> dict:
    """{"a": {"b": value}} for "a.b"."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


@pytest.mark.parametrize("old", RENAMED)
def test_a_key_of_an_earlier_version_is_an_error_that_names_the_new_one(old, repository):
    new = RENAMED[old]
    with pytest.raises(ConfigError) as error:
        config_files.parse_config(nested(old, 3), "config.yaml")
    assert "1 problem" in str(error.value)
    assert new.rpartition(".")[2] in str(error.value)
    assert any(f"{key}.".startswith(f"{new}.") for key in dict(sections(Config)))
    assert f"| `{old}` | `{new}` |" in (repository / "config/README.md").read_text()


@pytest.mark.parametrize("old", REMOVED)
def test_a_key_that_is_no_longer_there_is_an_error_that_says_why(old):
    with pytest.raises(ConfigError, match=f"no longer there: {REMOVED[old]}"):
        config_files.parse_config(nested(old, 3), "config.yaml")


@pytest.mark.parametrize(
    ("common", "accepted"),
    [
        ({"min_carriers": 3}, False),  # copies, as an earlier version had it, or individuals
        ({"min_carriers": 3, "fewest_people": 5}, False),
        ({"min_mac": 3, "fewest_people": 5}, False),
        ({"min_mac": 3}, True),
        ({"min_mac": 3, "min_carriers": 5}, True),
    ],
)
def test_carriers_are_never_taken_for_copies(common, accepted):
    if accepted:
        assert (
            config_files.parse_config({"train": {"common": common}}, "x").train.common.min_mac == 3
        )
        return
    with pytest.raises(ConfigError, match=r"min_mac.*min_carriers|min_carriers"):
        config_files.parse_config({"train": {"common": common}}, "x")


def test_options_of_an_earlier_version_are_named(tmp_path, capsys, monkeypatch):
    files = [
        "--panel",
        "p",
        "--split",
        "s",
        "--model",
        "m",
        "--history",
        "h",
        "--state",
        str(tmp_path),
    ]
    alone = CliRunner().invoke(genoloom, ["train", "independent", *files, "--min-carriers", "3"])
    assert isinstance(alone.exception, InputError)
    assert "give both" in str(alone.exception)
    for old, new in RENAMED.items():
        flag, now = (f"--{key.rpartition('.')[2].replace('_', '-')}" for key in (old, new))
        assert now in renamed_flags(flag)
    monkeypatch.setattr(
        sys, "argv", ["genoloom", "train", "independent", *files, "--fewest-people", "5"]
    )
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # set by `run_and_exit`
    with pytest.raises(SystemExit) as left:
        run_and_exit(genoloom)
    assert left.value.code == 2
    assert "--min-carriers" in capsys.readouterr().err


@pytest.mark.parametrize("section", ["transformer", "gan"])
def test_a_schedule_has_one_length(section):
    for length in ({"steps": 3}, {"minutes": 0.5}):
        config_files.parse_config({"train": {section: length}}, "config.yaml")
    both = {"train": {section: {"steps": 3, "minutes": 0.5}}}
    with pytest.raises(ConfigError, match=rf"train\.{section}\.minutes.*steps are given too"):
        config_files.parse_config(both, "config.yaml")


def test_one_switch_divides_contigs_as_far_as_nothing_else_is_set():
    def windows(**transformer):
        values = {"scale": {"window": 100}, "train": {"transformer": transformer}}
        return Config.model_validate(values).train.transformer.window

    assert Config.model_validate({"scale": {"window": 100}}).train.transformer.window == 100
    assert (windows(), windows(window=500), windows(init_from="m.safetensors")) == (100, 500, None)
    assert Config().train.transformer.window is None
    scale = Config(scale={"window": 100}).scale
    assert [scale.jobs(100, n) for n in (1, 1000, 1499, 1501, 10_000)] == [1, 1, 1, 2, 10]
    assert Config().scale.jobs(10**6, 10**6) == 1


@pytest.mark.parametrize(
    ("text", "message"), [("a: [1", "is no YAML"), ("- 1\n", "no mapping"), (None, "not found")]
)
def test_broken_files(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        config_files.load_study(path)


def test_flags_give_back_the_section():
    """What the rules render is what the commands parse, null and booleans included."""
    seen = []
    given = TransformerOptions(patience=None, steps=7, dropout=0.25)

    from genoloom.cli.options import section_options

    @section_options(options=TransformerOptions)
    def command(options):
        seen.append(options)

    import click

    CliRunner().invoke(
        click.command()(command), config_files.flags(given).split(), catch_exceptions=False
    )
    assert seen == [given]


def sections(model, prefix=""):
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from sections(field.annotation, f"{prefix}{field.alias or name}.")
        else:
            yield f"{prefix}{field.alias or name}", field


def test_every_key_has_a_description_and_stands_in_the_documents(repository):
    yaml_text = (repository / "config/config.yaml").read_text()
    readme = (repository / "config/README.md").read_text()
    schema = json.loads((repository / "workflow/schemas/config.schema.json").read_text())
    assert schema["additionalProperties"] is False
    for key, field in sections(Config):
        assert field.description, key
        assert field.description in yaml_text, key
        assert f"`{key}`" in readme


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "panel\tcontig\tvariants\nx\t20\tnone.vcf.gz\n",
            "line 2 variants  none.vcf.gz  not found",
        ),
        ("panel\tcontig\tvariants\nx y\t20\there\n", "may hold letters"),
        # would stand outside results/
        ("panel\tcontig\tvariants\n../../x\t20\there\n", "may hold letters"),
        ("panel\tcontig\tvariants\nx\t../20\there\n", "may hold letters"),
        ("panel\tcontig\tvariants\nx\t20\t../elsewhere.vcf.gz\n", r"not found \(looked in "),
        ("panel\tcontig\tvariants\nsequences\t20\there\n", "is a reserved name"),
        ("panel\tcontig\tvariants\nx\t20\there\nx\t20\there\n", "is listed twice"),
        ("panel\tcontig\tvariants\tregion\nx\t20\there\t12\n", "is not START-END"),
        ("panel\tcontig\tvariants\nx\t\there\n", "is empty"),
        ("panel\tcontig\tvariant\nx\t20\there\n", "lacks the column 'variants'"),
        ("panel\tcontig\tvariants\tmpa\nx\t20\there\ty\n", "unknown column 'mpa'"),
    ],
)
def test_bad_panel_sheets(tmp_path, rows, message):
    (tmp_path / "here").write_text("")
    (tmp_path / "panels.tsv").write_text(rows)
    with pytest.raises((ConfigError, InputError), match=message):
        read_panel_sheet(tmp_path / "panels.tsv", tmp_path)


@pytest.mark.parametrize(
    "command",
    [[name] for name in genoloom.commands]
    + [["train", "transformer"], ["sequences", "train", "gan"]],
)
def test_every_command_has_help(command):
    done = CliRunner().invoke(genoloom, [*command, "--help"])
    assert done.exit_code == 0
    assert "Usage:" in done.output


def test_unknown_commands_and_defects_have_their_exit_codes(tmp_path):
    assert call_genoloom("nothing").returncode == 2
    assert call_genoloom("--version").stdout.startswith("genoloom")
    done = call_genoloom("run", "-C", tmp_path)
    assert done.returncode == 2
    assert "genoloom init" in done.stderr


def test_help_is_quick_and_needs_no_torch():
    code = (
        "import sys; from genoloom.cli import genoloom; sys.exit('torch' in sys.modules or "
        "'cyvcf2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_copying_network_draws_without_torch():
    code = (
        "import sys, genoloom.stages.generate, genoloom.stages.impute; "
        "import genoloom.models.haplotype.copying_network; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
