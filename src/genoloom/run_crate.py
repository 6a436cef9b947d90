"""The graph of a Provenance Run Crate: which job of a workflow made which file, and of what.

Workflow Run RO-Crate profiles 0.5 (w3id.org/ro/wfrun; Leo et al. 2024,
doi:10.1371/journal.pone.0309210) over RO-Crate 1.1. No file access.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

METADATA = "ro-crate-metadata.json"

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",
]
SNAKEFILE = "workflow/Snakefile"
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"


@dataclass(frozen=True)
class CrateFile:
    """A file of the crate, by its path below the root."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Job:
    """A job that ended well.

    Attributes
    ----------
    rule, name : str
        The rule, and what distinguishes this job from others of the rule.
    start, end : float
        Seconds since the epoch.
    inputs, outputs : list of str
        Paths below the root of the crate; what lies elsewhere has an id that begins with '#'.
    log : str or None
        Path of the scrubbed log.
    options : dict
        Of the record of provenance.
    """

    rule: str
    name: str
    start: float
    end: float
    inputs: list[str]
    outputs: list[str]
    log: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)


def run_crate(
    jobs: list[Job],
    files: Iterable[CrateFile],
    workflow: Iterable[CrateFile],
    elsewhere: Mapping[str, tuple[str, str]],
    versions: Mapping[str, str],
    licence: str,
) -> dict:
    """The content of ro-crate-metadata.json.

    Parameters
    ----------
    jobs : list of Job
        In the order of their starts.
    files, workflow : iterable of CrateFile
        Results, and the files of the workflow, of which `SNAKEFILE` is the main one.
    elsewhere : mapping
        Of inputs that are not in the crate, by id: what they are, and their digest.
    versions : mapping
        Of programs and libraries.
    """
    files, workflow = list(files), list(workflow)
    rules = list(dict.fromkeys(job.rule for job in jobs))
    written = {path for job in jobs for path in job.outputs}
    known = {file.path for file in files}
    begin, end = min(job.start for job in jobs), max(job.end for job in jobs)
    actions, baselines, values = [], [], []
    for number, job in enumerate(jobs):
        own = [
            {
                "@id": f"#option-{number}-{name}", "@type": "PropertyValue", "name": name,
                "value": value if isinstance(value, (int, float)) else str(value),
            }
            for name, value in job.options.items()
        ]  # fmt: skip
        values += own
        objects = [path for path in job.inputs if path in known or path in elsewhere]
        actions.append(
            {
                "@id": f"#job-{number}", "@type": "CreateAction", "name": f"{job.rule} {job.name}",
                "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
                "instrument": {"@id": f"#rule-{job.rule}"},
                "startTime": _time(job.start), "endTime": _time(job.end),
                "object": _ids([*objects, *(value["@id"] for value in own)]),
                "result": _ids(path for path in job.outputs if path in known),
                **({"subjectOf": {"@id": job.log}} if job.log in known else {}),
            }
        )  # fmt: skip
        baselines.append(
            {
                "@id": f"#baseline-{number}", "@type": "ControlAction",
                "name": f"job of {job.rule}",
                "instrument": {"@id": f"#step-{job.rule}"}, "object": {"@id": f"#job-{number}"},
            }
        )  # fmt: skip
    first = dict.fromkeys(p for job in jobs for p in job.inputs if p in elsewhere)
    parameters = [
        {
            "@id": f"#parameter-{kind}", "@type": "FormalParameter", "name": kind,
            "additionalType": "File",
            "conformsTo": {"@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"},
        }
        for kind in ("inputs", "results")
    ]  # fmt: skip
    environment = [
        {"@id": f"#version-{name}", "@type": "PropertyValue", "name": name, "value": version}
        for name, version in versions.items()
    ]
    root = {
        "@id": "./", "@type": "Dataset", "name": "A run of the GenoLoom workflow",
        "description": "Jobs of a workflow that trains generators of genotypes on real individuals,"
        " samples synthetic ones and judges them. Models, panels and splits are private data: they "
        "are named here by their digests.",
        "datePublished": _time(end), "license": licence,
        "conformsTo": _ids(PROFILES),
        "hasPart": _ids(file.path for file in (*workflow, *files)),
        "mainEntity": {"@id": SNAKEFILE},
        "mentions": _ids(["#run", *(a["@id"] for a in actions), "#engine-run"]),
    }  # fmt: skip
    main = {
        "name": "GenoLoom workflow", "programmingLanguage": {"@id": SNAKEMAKE},
        "conformsTo": {
            "@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
        },
        "input": {"@id": "#parameter-inputs"}, "output": {"@id": "#parameter-results"},
        "hasPart": _ids(f"#rule-{rule}" for rule in rules),
        "step": _ids(f"#step-{rule}" for rule in rules),
    }  # fmt: skip
    run = {
        "@id": "#run", "@type": "CreateAction", "name": "Run of the workflow",
        "instrument": {"@id": SNAKEFILE}, "startTime": _time(begin), "endTime": _time(end),
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
        "object": _ids(first), "result": _ids(sorted(written & known)),
        "environment": _ids(value["@id"] for value in environment),
    }  # fmt: skip
    engine = {
        "@id": "#engine-run", "@type": "OrganizeAction", "name": "Run of Snakemake",
        "instrument": {"@id": "#snakemake"}, "object": _ids(c["@id"] for c in baselines),
        "result": {"@id": "#run"}, "startTime": _time(begin), "endTime": _time(end),
    }  # fmt: skip
    graph = [
        {
            "@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": {"@id": "./"},
            "conformsTo": _ids([
                "https://w3id.org/ro/crate/1.1",
                "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
            ]),
        },
        root,
        *({"@id": name, "@type": "CreativeWork", "name": title, "version": name.split("/")[-1]}
          for name, title in PROFILES.items()),
        {"@id": SNAKEMAKE, "@type": "ComputerLanguage", "name": "Snakemake",
         "alternateName": "Snakemake", "identifier": {"@id": "https://snakemake.github.io"},
         "url": {"@id": "https://snakemake.github.io"},
         "version": versions.get("snakemake", "unknown")},
        {"@id": "#snakemake", "@type": "SoftwareApplication", "name": "Snakemake",
         "softwareVersion": versions.get("snakemake", "unknown")},
        *({"@id": f"#rule-{rule}", "@type": "SoftwareApplication", "name": rule,
           "softwareVersion": versions["genoloom"]} for rule in rules),
        *({"@id": f"#step-{rule}", "@type": "HowToStep", "name": rule, "position": str(i),
           "workExample": {"@id": f"#rule-{rule}"}} for i, rule in enumerate(rules)),
        run, engine, *baselines, *actions, *parameters, *environment, *values,
        *({"@id": name, "@type": "PropertyValue", "name": what, "value": f"sha256:{digest}",
           "exampleOfWork": {"@id": "#parameter-inputs"}}
          for name, (what, digest) in elsewhere.items()),
        *(_file(f) | (main | {"@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow",
                                        "HowTo"]} if f.path == SNAKEFILE else {})
          for f in workflow),
        *(_file(f) for f in files),
    ]  # fmt: skip
    return {"@context": CONTEXT, "@graph": graph}


def _file(file: CrateFile) -> dict:
    return {
        "@id": file.path, "@type": "File", "name": file.path, "contentSize": str(file.size),
        "sha256": file.sha256,
    }  # fmt: skip


def _ids(names: Iterable[str]) -> list[dict[str, str]]:
    return [{"@id": name} for name in names]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
