"""The profile for other batch systems that the documentation shows, by dry runs."""

import re
from importlib.util import find_spec

import pytest
import yaml
from helpers import run_genoloom

PLUGIN = "snakemake-executor-plugin-cluster-generic"


@pytest.mark.parametrize("executor", [None, "cluster-generic"])
def test_short_jobs_are_submitted_together(tiny_project, repository, tmp_path, executor):
    page = (repository / "docs/cluster.md").read_text()
    profile = yaml.safe_load(re.search(r"```yaml\n(executor:.*?)```", page, re.DOTALL)[1])
    assert PLUGIN in page
    if executor is None:
        del profile["executor"], profile["cluster-generic-submit-cmd"]
    elif not find_spec(PLUGIN.replace("-", "_")):
        pytest.skip(f"pip install {PLUGIN} to run this test")
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile/config.yaml").write_text(yaml.safe_dump(profile))
    settings = yaml.safe_load((tiny_project / "config/config.yaml").read_text())
    settings |= {"generate": {"jobs": 20}, "consensus": {"individuals": 60, "jobs": 10}}
    (tiny_project / "config/config.yaml").write_text(yaml.safe_dump(settings))
    target = "results/synthetic/tiny/mosaic/20.consensus.fa.gz"
    done = run_genoloom("run", "-C", tiny_project, "--profile", tmp_path / "profile", "-n", target)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    planned = dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE))
    assert (planned["generate_part"], planned["write_consensus_part"]) == ("20", "10")
    groups = re.findall(r"Group job (\w+)", said)
    assert sorted(groups) == ["draws", "draws", "sequences"]
