"""Write the pinned packages with their hashes: all but torch, torch, and torch built for CPUs
alone.

    python envs/pin_packages.py             keep the versions, add what pyproject.toml asks for anew
    python envs/pin_packages.py --upgrade   the newest versions

Needs `uv` on the PATH. `envs/install.sh` chooses between the two builds of torch.
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PINS = ROOT / "constraints-py311.txt"
TORCH_PINS = ROOT / "constraints-py311-torch.txt"
CPU_PINS = ROOT / "constraints-py311-torch-cpu.txt"
TORCH = re.compile(r"(torch|triton|(nvidia|cuda)-\S+)(\[.*\])?==")
# PyTorch publishes its CPU builds in an index of its own, which is not asked here
CPU_BUILDS = {"torch==2.13.0": ["6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    entries = resolve([] if parser.parse_args().upgrade else present_versions())
    pin = next(entry.split()[0] for entry in entries if entry.startswith("torch=="))
    cpu = [pin, *(f"    --hash=sha256:{h}" for h in CPU_BUILDS[pin])]
    PINS.write_text("".join(f"{entry}\n" for entry in entries if not TORCH.match(entry)))
    TORCH_PINS.write_text("".join(f"{entry}\n" for entry in entries if TORCH.match(entry)))
    CPU_PINS.write_text(" \\\n".join(cpu) + "\n")


def present_versions() -> list[str]:
    """The pins as they are, without hashes and markers."""
    text = "".join(path.read_text() for path in (PINS, TORCH_PINS) if path.exists())
    pins = re.findall(r"^([\w.-]+)(?:\[.*\])?(==[^\s;\\]+)", text, flags=re.MULTILINE)
    return [name + version for name, version in pins]


def resolve(pins: list[str]) -> list[str]:
    """One entry per package: name, version, marker and hashes, of all platforms."""
    with tempfile.TemporaryDirectory() as scratch:
        constraints = Path(scratch, "constraints.txt")
        constraints.write_text("\n".join(pins))
        command = ["uv", "pip", "compile", "pyproject.toml", "--extra", "dev", "--extra", "docs"]
        command += ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate"]
        command += [
            "--no-header",
            "--no-strip-extras",
            "--quiet",
            "--constraints",
            str(constraints),
        ]
        found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return re.findall(r"^\w.*==(?:.|\n    )*", found.stdout, flags=re.MULTILINE)


if __name__ == "__main__":
    main()
