"""The documentation site: it builds without a warning, and links of the README lead somewhere."""

import re

import pytest


@pytest.mark.slow
def test_the_site_builds_without_a_warning(repository, tmp_path, monkeypatch):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    monkeypatch.chdir(repository)
    config = load_config(
        str(repository / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True
    )
    config.plugins.on_startup(command="build", dirty=False)
    build(config)  # raises on a warning
    pages = {
        name: (tmp_path / "site/reference" / f"{name}.html").read_text()
        for name in ("cli", "python", "tables")
    }
    assert "--min-mac" in pages["cli"]
    assert "read_panel" in pages["python"]
    assert "classifier_auc" in pages["tables"]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_repository(repository, name):
    text = (repository / name).read_text()
    targets = [link.partition("#")[0] for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text)]
    assert [target for target in targets if target and not (repository / target).exists()] == []
    assert name != "README.md" or text.count("\n") < 120
