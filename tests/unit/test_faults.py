"""Full disks, limits and missing memory: one message, exit code 2, nothing partial, whatever
library reports them.
"""

import errno
import gc
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pysam
import pytest
from click.testing import CliRunner
from helpers import founder_mosaic, run_genoloom, write_vcf
from safetensors import SafetensorError
from safetensors.numpy import save_file

from genoloom.cli import genoloom
from genoloom.errors import GenoLoomError, InputError
from genoloom.faults import explain, reserve
from genoloom.formats.atomic import HOST, write_beside
from genoloom.logs import configure_logging

SITES, INDIVIDUALS = 60, 40


@contextmanager
def largest_file(size: int):
    """No file may become larger than `size` bytes within the block."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A chain of small files, from a VCF to a model, by the commands themselves."""
    place = tmp_path_factory.mktemp("faults")
    alleles = founder_mosaic(SITES, 2 * INDIVIDUALS, np.random.default_rng(1), founders=8)
    rows = [
        f"{100 * i + 100} A C " + " ".join(f"{a}|{b}" for a, b in calls.reshape(-1, 2))
        for i, calls in enumerate(alleles)
    ]
    write_vcf(place / "in.vcf.gz", rows, [f"P{i:03d}" for i in range(INDIVIDUALS)])
    bases = np.array(list("ACGT"))[np.random.default_rng(2).integers(0, 4, (200, 60))]
    (place / "in.fa").write_text("".join(f">s{i}\n{''.join(row)}\n" for i, row in enumerate(bases)))
    (place / "ref.fa").write_text(">20\n" + "A" * 100_000 + "\n")
    pysam.faidx(str(place / "ref.fa"))
    for name in (
        "prepare",
        "split",
        "train",
        "cohort",
        "generate",
        "validate",
        "audit",
        "sequences prepare",
        "sequences train",
    ):
        done = CliRunner().invoke(genoloom, [*name.split(), *arguments(place, place)[name]])
        assert done.exit_code == 0, (name, done.output, done.exception)
    return place


def arguments(source: Path, out: Path) -> dict[str, list[str]]:
    """Options of each command, that read files of `source` and write into `out`."""
    real = [
        "--panel",
        source / "panel/20",
        "--split",
        source / "split.tsv",
        "--synthetic",
        source / "synthetic/20",
    ]
    commands = {
        "prepare": [
            "--variants",
            source / "in.vcf.gz",
            "--contig",
            "20",
            "--out",
            out / "panel/20",
        ],
        "split": [
            "--panel",
            source / "panel/20",
            "--out",
            out / "split.tsv",
            "--summary",
            out / "split.json",
        ],
        "train": [
            "mosaic",
            "--panel",
            source / "panel/20",
            "--split",
            source / "split.tsv",
            "--model",
            out / "m.safetensors",
            "--history",
            out / "m.tsv",
            "--state",
            out / "state",
            "--min-mac",
            1,
            "--min-carriers",
            1,
        ],
        "cohort": [
            "--model",
            source / "m.safetensors",
            "--split",
            source / "split.tsv",
            "--out",
            out / "cohort.tsv",
        ],
        "generate": [
            "--model",
            source / "m.safetensors",
            "--cohort",
            source / "cohort.tsv",
            "--out",
            out / "synthetic/20.vcf.gz",
        ],
        "validate": [
            "--name",
            "mosaic",
            *real,
            "--n-permutations",
            2,
            "--out",
            out / "fidelity.tsv",
            "--details",
            out / "details.json",
        ],
        "audit": [
            "--name",
            "mosaic",
            *real,
            "--windows",
            "20",
            "--haplotype-windows",
            "20",
            "--shadow-models",
            0,
            "--out",
            out / "private/audit.tsv",
            "--public",
            out / "privacy.tsv",
        ],
        "consensus": [
            "--variants",
            source / "synthetic/20.vcf.gz",
            "--reference",
            source / "ref.fa",
            "--individuals",
            2,
            "--out",
            out / "c.fa.gz",
        ],
        "sequences prepare": ["--source", source / "in.fa", "--out", out / "set", "--window", 0],
        "sequences train": [
            "markov",
            "--train",
            source / "set/train.fa.gz",
            "--model",
            out / "s.safetensors",
            "--history",
            out / "s.tsv",
            "--state",
            out / "sstate",
            "--max-order",
            2,
        ],
        "sequences generate": [
            "--model",
            source / "s.safetensors",
            "--count",
            200,
            "--out",
            out / "s.fa.gz",
        ],
        "sequences validate": [
            "--name",
            "markov",
            "--synthetic",
            source / "set/train.fa.gz",
            "--holdout",
            source / "set/holdout.fa.gz",
            "--n-permutations",
            2,
            "--max-compared",
            10,
            "--max-classified",
            20,
            "--out",
            out / "sv.tsv",
            "--details",
            out / "sv.json",
        ],
        "init": [out / "project", "--variants", source / "in.vcf.gz"],
    }
    return {name: list(map(str, options)) for name, options in commands.items()}


COMMANDS = list(arguments(Path("a"), Path("b")))


def written(folder: Path) -> list[str]:
    """Files of a folder, but directories and training states."""
    return sorted(
        str(p.relative_to(folder))
        for p in folder.rglob("*")
        if p.is_file() and "state" not in str(p.relative_to(folder))
    )


@pytest.mark.parametrize("size", [0, 60])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_leaves_a_part_on_a_full_disk(project, tmp_path, name, size):
    with largest_file(size):
        done = CliRunner().invoke(genoloom, [*name.split(), *arguments(project, tmp_path)[name]])
    assert isinstance(done.exception, GenoLoomError), (done.exception, done.output)
    assert done.exception.exit_code == 2
    assert "no space left" in str(done.exception)
    assert "what to do" in str(done.exception)
    # a command that writes one file after the other may have ended the first ones
    assert not [path for path in written(tmp_path) if ".part-" in path]
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or path.stat().st_size <= size


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_can_write_where_a_file_is_in_the_way(project, tmp_path, name):
    (tmp_path / "way").write_text("")
    done = CliRunner().invoke(
        genoloom, [*name.split(), *arguments(project, tmp_path / "way/below")[name]]
    )
    assert isinstance(done.exception, GenoLoomError), (done.exception, done.output)
    assert "a file is in the way" in str(done.exception)
    assert written(tmp_path) == ["way"]


@pytest.mark.parametrize(("size", "words"), [(0, "no space left"), (70, "no space left")])
def test_the_log_cannot_be_written(project, tmp_path, size, words):
    log = tmp_path / "logs/log.txt"
    with largest_file(size):
        done = CliRunner().invoke(
            genoloom, ["split", *arguments(project, tmp_path)["split"], "--log", str(log)]
        )
    assert isinstance(done.exception, GenoLoomError), done.exception
    assert words in str(done.exception)
    assert "Traceback" not in done.output
    done = CliRunner().invoke(
        genoloom, ["split", *arguments(project, tmp_path)["split"], "--log", str(tmp_path)]
    )
    assert done.exit_code == 2 or isinstance(done.exception, GenoLoomError)
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(
        genoloom,
        ["split", *arguments(project, tmp_path)["split"], "--log", str(tmp_path / "file/log.txt")],
    )
    assert isinstance(done.exception, GenoLoomError), done.exception


def test_too_many_open_files(project, tmp_path):
    # or files of other tests are closed in between, and their numbers are free
    gc.collect()
    configure_logging()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    last = max(map(int, os.listdir("/proc/self/fd")))
    held = [os.open(os.devnull, os.O_RDONLY)]
    while held[-1] <= last:  # no gaps below
        held.append(os.open(os.devnull, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1] + 1, before[1]))
    try:
        done = CliRunner().invoke(genoloom, ["split", *arguments(project, tmp_path)["split"]])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for handle in held:
            os.close(handle)
    assert isinstance(done.exception, GenoLoomError), done.exception
    assert "too many files" in str(done.exception)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "out.tsv"), "out.tsv: no space left"),
        (OSError(errno.EIO, "Input/output error"), "input/output error"),
        (OSError(errno.EROFS, "Read-only file system", "x"), "read-only"),
        (OSError("bgzf: No space left on device"), "no space left"),
        (
            SafetensorError(
                "Error while serializing: I/O error: No space left on device (os error 28)"
            ),
            "no space left",
        ),
        (MemoryError(), "not enough memory"),
        (np._core._exceptions._ArrayMemoryError((10**12,), np.dtype("f8")), "not enough memory"),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:114] . DefaultCPUAllocator: can't allocate memory: "
                "you tried"
            ),
            "not enough memory",
        ),
        (RuntimeError("can't start new thread"), "not enough memory"),
        (RuntimeError("CUDA error: out of memory"), "not enough memory"),
        (ImportError("x.so: failed to map segment from shared object"), "not enough memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory"),
        (RuntimeError("std::bad_alloc"), "not enough memory"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "closed before everything was written"),
    ],
)
def test_every_way_of_saying_it(error, words):
    fault = explain(error)
    assert words in str(fault)
    assert "what to do" in str(fault)
    assert fault.exit_code == 2


def while_handling(first: Exception) -> Exception:
    """A mistake that comes while an error is handled."""
    try:
        try:
            raise first
        except OSError:
            {}["x"]
    except KeyError as error:
        return error


def test_own_mistakes_stay_defects():
    for error in (
        KeyError("x"),
        ValueError("shapes do not match"),
        while_handling(FileNotFoundError(errno.ENOENT, "none", "x")),
    ):
        assert explain(error) is None


def test_an_error_while_a_fault_is_handled_is_the_fault():
    assert "no space left" in str(
        explain(while_handling(OSError(errno.ENOSPC, "No space left on device")))
    )


def test_room_is_taken_before_it_is_needed(tmp_path):
    with open(tmp_path / "file", "wb") as handle:
        reserve(handle.fileno(), 1000)
        with largest_file(2000), pytest.raises(OSError, match="File too large"):
            reserve(handle.fileno(), 5000)
    assert (tmp_path / "file").stat().st_size == 1000


def test_what_a_killed_process_left_is_removed(tmp_path):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    left, alive, elsewhere, other = (
        tmp_path / f".part-{name}"
        for name in (
            f"{HOST}-{int(gone.stdout)}-[a]*.tsv",
            f"{HOST}-1-[a]*.tsv",
            f"other-{int(gone.stdout)}-[a]*.tsv",
            f"{HOST}-{int(gone.stdout)}-b.tsv",
        )
    )
    for path in (left, alive, elsewhere, other):
        path.write_text("half")
    with write_beside(tmp_path / "[a]*.tsv") as [part]:
        part.write_text("whole")
    assert not left.exists()
    assert alive.exists()
    assert elsewhere.exists()
    assert other.exists()


def write_both(folder: Path) -> None:
    with write_beside(folder / "a", folder / "b") as parts:
        for part in parts:
            part.write_text("x")


def test_all_files_or_none(tmp_path, monkeypatch):
    real = os.replace
    monkeypatch.setattr(
        "os.replace",
        lambda a, b: (
            (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")) if b.name == "b" else real(a, b)
        ),
    )
    with pytest.raises(InputError, match="no space left while writing"):
        write_both(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nobody_reads_the_output(tmp_path):
    """A pipe that is closed at the other end: one message, exit code 2."""
    code = "import sys; from genoloom.cli.options import run_and_exit, logged; import click\n"
    code += (
        "@click.command()\n@logged\ndef talk():\n    for _ in range(100000): click.echo('words')\n"
        "run_and_exit(talk)"
    )
    command = f'{sys.executable} -c "$CODE" | head -1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "CODE": code},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "closed before everything was written" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("size_mb", [300, 500])
def test_little_memory(project, tmp_path, size_mb):
    """`ulimit -v` at which libraries cannot even be loaded."""
    limit = 2**20 * size_mb
    done = run_genoloom(
        "train", *arguments(project, tmp_path)["train"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("not enough memory") == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not written(tmp_path)


def test_too_little_memory_for_the_workflow(tmp_path):
    limit = 2**20 * 450
    done = run_genoloom(
        "run",
        "-C",
        tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert done.returncode == 2, done.stderr
    assert "not enough memory" in done.stderr


def test_an_array_file_on_a_full_disk_is_explained(tmp_path):
    with (
        largest_file(100),
        pytest.raises(InputError, match="no space left"),
        write_beside(tmp_path / "a") as [part],
    ):
        save_file({"a": np.zeros(1000)}, part)
    assert list(tmp_path.iterdir()) == []
