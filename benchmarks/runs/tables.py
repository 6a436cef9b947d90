"""Pages of the documentation, from the tables of benchmarks/results.

    python -m benchmarks tables --write
    python -m benchmarks tables --check

`--check` exits with 1 where a page is not that of the tables; a test does the same.
"""

import argparse

from benchmarks.pages import stale_pages


def add_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="write the pages")
    what.add_argument("--check", action="store_true", help="name the pages that would change")


def run(arguments: argparse.Namespace) -> int:
    stale = stale_pages()
    for path, text in stale.items():
        print(path)
        if arguments.write:
            path.write_text(text, encoding="utf-8")
    return int(arguments.check and bool(stale))
