"""The provenance of a finished run as an RO-Crate: of what Snakemake and the stages recorded."""

import getpass
import json
import logging
import platform
import re
import socket
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import quote

from genoloom import __version__
from genoloom.errors import InputError
from genoloom.formats.atomic import write_beside
from genoloom.formats.models import file_digest
from genoloom.formats.plink_tables import read_psam
from genoloom.formats.private_directories import close_directory
from genoloom.formats.provenance import SUFFIX, read_provenance
from genoloom.formats.text import read_json
from genoloom.programs.snakemake import workflow_root
from genoloom.run_crate import METADATA, CrateFile, Job, run_crate

log = logging.getLogger(__name__)

RUN = "genoloom run -C DIR first"
LIBRARIES = ("snakemake", "numpy", "scipy", "torch", "pgenlib", "pysam", "safetensors")
_PATH = re.compile(r"(?<![\w.~])(~|[A-Za-z]:)?/[^\s:,;'\"()]+")
_NAME = re.compile(r"[^\s:,;'\"()|/]+")


def crate(*, directory: Path, licence: str) -> Path:
    """Write `results/ro-crate-metadata.json` of the run in a directory; returns its path.

    The root of the crate is `results`: its files are named with their sizes and digests. Next to
    them, `results/workflow` gets the files of the workflow, and `results/logs` the logs, without
    names of individuals, paths, users and hosts. Raw inputs, which may be named after individuals,
    have their role and digest.

    Raises
    ------
    InputError
        There are no results, or Snakemake has kept no record of how they were made.
    """
    results = directory / "results"
    if not results.is_dir():
        raise InputError(results, "not found", remedy=RUN)
    found = list(_metadata(directory))
    if not found:
        raise InputError(
            directory / ".snakemake" / "metadata",
            "holds no record of a finished job",
            expected="what Snakemake writes of every job",
            remedy=RUN,
        )
    jobs: dict[tuple[str, ...], list[tuple[Path, dict]]] = {}
    for path, words in found:
        logs = words.get("log") or []
        # each job has a log of its own; the times of its outputs differ a little
        key = words["rule"], *(logs or [str(path)])
        jobs.setdefault(key, []).append((path, words))
    scrub = Scrubber(results)
    workflow = _copy_workflow(results)
    copied = _copy_logs(directory, results, scrub)
    elsewhere: dict[str, tuple[str, str]] = {}
    finished = []
    for (rule, *_), parts in jobs.items():
        words, names = parts[0][1], parts[0][1].get("log") or []
        inputs = [
            _input(Path(name), directory, words.get("input_checksums") or {}, elsewhere)
            for name in words["input"] or []
        ]
        outputs = sorted(_below(directory / path, results) for path, _ in parts)
        # the record that a stage writes is no output of its rule
        records = {
            record
            for path, _ in parts
            for record in (directory / path).parent.glob(f"*{SUFFIX}")
            if (directory / path).name.startswith(record.name.removesuffix(SUFFIX))
        }
        kept = [name for name in names if name in copied]
        finished.append(
            Job(
                rule=rule,
                name=Path(names[0]).stem if names else "",
                start=min(part["starttime"] for _, part in parts),
                end=max(part["endtime"] for _, part in parts),
                inputs=list(dict.fromkeys(filter(None, inputs))),
                outputs=[*outputs, *(_below(record, results) for record in sorted(records))],
                log=kept[0] if kept else None,
                options=_options(records),
            )
        )
    files = [
        CrateFile(_below(path, results), path.stat().st_size, file_digest(path))
        for path in sorted(results.rglob("*"))
        if path.is_file() and not path.is_symlink() and _described(path.relative_to(results))
    ]
    workflow_files = {file.path for file in workflow}
    graph = run_crate(
        sorted(finished, key=lambda job: job.start),
        [file for file in files if file.path not in workflow_files],
        workflow,
        elsewhere,
        _versions(),
        licence,
    )
    out = results / METADATA
    with write_beside(out) as [part]:
        part.write_text(json.dumps(graph, indent=1) + "\n")
    log.info("%s: %d jobs, %d files", METADATA, len(finished), len(files))
    return out


def _metadata(directory: Path) -> Iterator[tuple[Path, dict]]:
    """Outputs that are there, with what Snakemake recorded of them."""
    folder = directory / ".snakemake" / "metadata"
    for record in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if not record.is_file():
            continue
        with suppress(ValueError, UnicodeDecodeError):
            # names of outputs as URL-safe base64, long ones over several directories
            encoded = "".join(part.removeprefix("@") for part in record.relative_to(folder).parts)
            path = Path(_decoded(encoded))
            words = read_json(record, ("rule", "starttime", "endtime", "input"), RUN)
            if not words.get("incomplete") and (directory / path).is_file():
                yield path, words


def _decoded(text: str) -> str:
    return urlsafe_b64decode(text.encode()).decode()


def _input(
    name: Path, directory: Path, checksums: dict, elsewhere: dict[str, tuple[str, str]]
) -> str | None:
    """The id of an input: its path in the crate, or one of what lies elsewhere; None where it is
    gone.
    """
    path, results = directory / name, directory / "results"
    if path.is_relative_to(results):
        return _below(path, results)
    if not path.is_file():
        return None
    known = checksums.get(str(name), "").removeprefix("sha256:")
    digest = known or file_digest(path)
    kind = "".join(Path(name.name).suffixes[-2:]) or "file"
    kind = kind if re.fullmatch(r"(\.[a-z]{1,8}){1,2}", kind) else "file"
    elsewhere[f"#input-{digest[:16]}"] = f"raw input ({kind})", digest
    return f"#input-{digest[:16]}"


def _options(records: set[Path]) -> dict[str, object]:
    """Seed and options that the stage recorded."""
    found: dict[str, object] = {}
    for path in records:
        record = read_provenance(path)
        found |= {k: v for k, v in record.options.items() if v is not None}
        found |= {"seed": record.seed} if record.seed is not None else {}
    return found


def _below(path: Path, root: Path) -> str:
    return quote(str(path.relative_to(root)))


def _described(path: Path) -> bool:
    """Whether the crate names a file of the results: not itself, nor what a run keeps to go on."""
    return path.name != METADATA and not any(part.startswith(".") for part in path.parts)


def _copy_workflow(results: Path) -> list[CrateFile]:
    """The files of the workflow, copied next to the results."""
    source = workflow_root() / "workflow"
    copied = []
    for path in sorted([source / "Snakefile", *(source / "rules").glob("*.smk")]):
        target = results / "workflow" / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        with write_beside(target) as [part]:
            part.write_bytes(path.read_bytes())
        copied.append(CrateFile(_below(target, results), path.stat().st_size, file_digest(target)))
    return copied


def _copy_logs(directory: Path, results: Path, scrub: "Scrubber") -> set[str]:
    """Logs without what may not be shown, in results/logs; returns their paths there."""
    copied = set()
    for path in sorted((directory / "logs").rglob("*.log")):
        name = path.relative_to(directory)
        target = results / name
        close_directory(results / "logs")
        target.parent.mkdir(parents=True, exist_ok=True)
        with write_beside(target) as [part]:
            part.write_text(scrub(path.read_text(errors="replace")))
        copied.add(str(name))
    return copied


class Scrubber:
    """Takes names of real individuals, absolute paths, user and host out of a text."""

    def __init__(self, results: Path):
        self.individuals: set[str] = set()
        for path in results.glob("panels/*/*.psam"):
            read = read_psam(path)
            self.individuals |= {*read.id, *read.family}
        host = socket.gethostname()
        self.machine = {host, host.split(".")[0]}
        with suppress(OSError, KeyError):  # a container may have no name for the user
            self.machine.add(getpass.getuser())
        self.individuals.discard("")

    def __call__(self, text: str) -> str:
        text = _PATH.sub("[path]", text)
        return _NAME.sub(self._name, text)

    def _name(self, match: re.Match) -> str:
        word = match.group()
        bare = word.strip("[]{}<>=.!?")
        if bare in self.individuals:
            return word.replace(bare, "[individual]")
        return word.replace(bare, "[machine]") if bare in self.machine else word


def _versions() -> dict[str, str]:
    """Of what the results depend on, as installed where the crate is written."""
    found = {"genoloom": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found | {"system": f"{platform.system()} {platform.machine()}"}
