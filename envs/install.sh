#!/bin/sh
# Install GenoLoom and its tested packages with the given interpreter: envs/install.sh .venv/bin/python
# On Python 3.11 every package is pinned and its hash checked; other versions resolve their own.
set -eu
python=$1
cd "$(dirname "$0")/.."
pip() { "$python" -m pip --quiet --disable-pip-version-check "$@"; }
if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
  pip install -e '.[dev,docs]'
  exit
fi
torch=constraints-py311-torch.txt
# where pip finds the CPU build, torch needs no packages of CUDA
pip install --dry-run --no-deps --ignore-installed --report - "$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' "$torch")" |
  grep '"version": ".*+cpu"' >/dev/null && torch=constraints-py311-torch-cpu.txt
# pip would compile on one core
pip install --no-compile --require-hashes --requirement constraints-py311.txt --requirement "$torch"
"$python" -c 'if 1:
  import compileall, sysconfig
  compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, workers=0)'
pip install --no-deps --no-build-isolation -e .
