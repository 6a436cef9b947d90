"""Validate an RO-Crate with roc-validator, in an environment that has it, without a network.

    PYTHON tests/validate_crate.py CRATE

The contexts are those that the package `rocrate` ships, and the terms of Workflow Run RO-Crate that
GenoLoom uses. Prints what is wrong; exit code 1 where something is.
"""

import json
import sys
from pathlib import Path

import rocrate
from rdflib.plugins.shared.jsonld.context import Context
from rocrate_validator import models, services

BASE = json.loads((Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text())
# the package ships a later context than 1.1, in which Bioschemas stood elsewhere
OF_1_1 = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}
BASE["@context"] |= OF_1_1
TERMS = "https://w3id.org/ro/terms/workflow-run"
RUN = {name: f"{TERMS}#{name}" for name in ("sha256", "environment")}


def shipped(_, source, *__, **___):
    """The context of an address."""
    return {"@context": RUN} if str(source).startswith(TERMS) else BASE


if __name__ == "__main__":
    Context._fetch_context = shipped
    found = services.validate(
        models.ValidationSettings(
            rocrate_uri=sys.argv[1],
            profile_identifier="provenance-run-crate-0.5",
            requirement_severity=models.Severity.REQUIRED,
            skip_checks=["ro-crate-1.1_3.1", "ro-crate-1.1_3.2"],  # that the contexts are online
        )
    )
    for issue in found.get_issues():
        print(f"{issue.check.identifier}: {issue.message} ({issue.violatingEntity})")
    print(f"{len(found.executed_checks)} checks")
    sys.exit(0 if found.passed() else 1)
