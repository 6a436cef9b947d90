"""What is searched for, and the search of plain bytes.

Names of individuals are found without regard to case, with at most one of `-`, `_`, `.` and space
between their letters and digits, or with whatever else the name has there. They are alone:
nothing but a separator, punctuation or a blank before and after. Candidates are all places where
a letter and a digit meet; genotypes have no letters and sequences no digits, so there are few.
"""

import getpass
import os
import re
import socket
import sys
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

INDIVIDUAL, PATH = "the name of a real individual", "an absolute path"
LONGEST = 256  # bytes of a name and its surroundings
COMMON_WORDS = {
    "root", "user", "users", "admin", "administrator", "ubuntu", "debian", "centos", "localhost",
    "localdomain", "nobody",
    "home", "test", "data", "runner", "docker", "guest", "genoloom", "snakemake", "synthetic",
    "release",
}  # fmt: skip
ROOTS = (
    "home", "Users", "root", "tmp", "var", "mnt", "media", "srv", "opt", "data", "scratch", "work",
    "workspace", "gpfs", "lustre",
    "nfs", "net", "ceph", "beegfs", "vol", "volumes", "Volumes", "project", "projects", "proj",
    "private", "shared", "storage",
    "cluster", "afs", "usr", "etc", "mount", "export", "archive", "groups", "users",
)  # fmt: skip
_NAME = rb"[A-Za-z0-9_.+-]"
_ANY_NAME = rb"[A-Za-z0-9_.+\x80-\xff-]"  # in text: letters of other scripts too
_BEFORE = rb"(?<![A-Za-z0-9_.~/\x80-\xff-])"
_ROOT = b"(?:" + "|".join(ROOTS).encode() + b")"
# below a usual root, in any bytes
_ROOTED = re.compile(
    rb"(?<![A-Za-z0-9_.~/-])/"
    + _ROOT
    + rb"/(?:"
    + _NAME
    + rb"{2,}|"
    + _NAME
    + rb"/"
    + _NAME
    + rb")"
)
# anything absolute, in text: two parts, or one that is a usual root; homes, drives, shares,
# addresses of files
_ABSOLUTE = re.compile(
    _BEFORE
    + rb"/(?:"
    + _ANY_NAME
    + rb"{2,}/"
    + _ANY_NAME
    + rb"|"
    + _ANY_NAME
    + rb"/"
    + _ANY_NAME
    + rb"{2,})"
    rb"|" + _BEFORE + rb"(?<![:<])/" + _ROOT + rb"(?![A-Za-z0-9_.+-])"
    rb"|(?<![A-Za-z0-9_.~/])(?:~[A-Za-z0-9_.-]*|\$\{?HOME\}?|%USERPROFILE%)[/\\][A-Za-z0-9_.]"
    rb"|(?<![A-Za-z0-9])[A-Za-z]:(?:\\{1,2}|/)[A-Za-z0-9_. -]{2,}"
    rb"|(?<![\\A-Za-z0-9])\\{2,4}[A-Za-z0-9_.$-]{2,}\\{1,2}[A-Za-z0-9_.$-]{2,}"
    rb"|\b[Ff][Ii][Ll][Ee]:/+[A-Za-z0-9_.+~-]"
)
_LETTER, _DIGIT, _SEPARATOR = 1, 2, 4
_CLASS = np.zeros(256, dtype=np.uint8)
_CLASS[list(b"abcdefghijklmnopqrstuvwxyz")] = _LETTER
_CLASS[list(b"0123456789")] = _DIGIT
_CLASS[list(b"-_. ")] = _SEPARATOR
_RUN = re.compile(rb"[a-z]+|[0-9]+|[\x80-\xff]+")
_USUAL_GAP = re.compile(rb"[-_. ]?")
_BEFORE_RUN, _AFTER_RUN = re.compile(rb"(?:[a-z]+|[0-9]+)\Z"), re.compile(rb"[a-z]+|[0-9]+")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)


def folded(text: str) -> str:
    """Without invisible characters, full-width and other compatibility forms, and case."""
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()


def searchable(name: str) -> bool:
    """Whether a name of an individual is unlike numbers and words, so that it can be searched for
    everywhere.
    """
    return len(name) >= 6 and any(c.isdigit() for c in name) and any(c.isalpha() for c in name)


@dataclass(frozen=True)
class Forbidden:
    """What is searched for.

    Attributes
    ----------
    names : dict of (bytes, bytes) to tuple of patterns
        Names of real individuals, by their first run of letters and run of digits that follow each
        other, in either order.
    words : frozenset of bytes
        User and host names, in lower case.
    texts : dict of bytes to str
        Anything else, found as it is, and what a finding calls it.
    meetings : ndarray of bool, shape (256, 256)
        Last byte of the first run and first byte of the second one, of any name.
    gaps : frozenset of int
        Bytes between the two runs of names that have something unusual there (`ID#12345`).
    """

    names: dict[tuple[bytes, bytes], tuple[re.Pattern[bytes], ...]]
    words: frozenset[bytes] = frozenset()
    texts: dict[bytes, str] = field(default_factory=dict)
    meetings: np.ndarray = field(default_factory=lambda: np.zeros((256, 256), dtype=bool))
    gaps: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls,
        names: Iterable[str],
        words: Iterable[str],
        paths: Iterable[str],
        canaries: Iterable[str],
    ) -> "Forbidden":
        """From plain text; names and words that would find themselves everywhere are left out."""
        texts = {
            path.encode(): "a path of this machine"
            for path in paths
            if path.count("/") + path.count("\\") >= 2
        }
        texts |= {canary.encode(): "a canary" for canary in canaries if canary}
        chosen = {
            word.lower().encode()
            for word in words
            if len(word) >= 4 and word.lower() not in COMMON_WORDS
        }
        patterns: dict[tuple[bytes, bytes], set[bytes]] = {}
        meetings = np.zeros((256, 256), dtype=bool)
        gaps: set[int] = set()
        for name in filter(searchable, names):
            for text in {folded(name).encode(), name.encode().lower()}:
                runs = list(_RUN.finditer(text))
                between = [text[a.end() : b.start()] for a, b in pairwise(runs)]
                places = [i for i, (a, b) in enumerate(pairwise(runs)) if _meet(a[0], b[0])]
                if not places:  # its letters and digits do not meet, or are of another script
                    texts[name.encode()] = INDIVIDUAL
                    continue
                at = min(places, key=lambda i: not _USUAL_GAP.fullmatch(between[i]))
                first, second = runs[at][0], runs[at + 1][0]
                rest = (_gap(gap) + run[0] for gap, run in zip(between, runs[1:], strict=True))
                patterns.setdefault((first, second), set()).add(runs[0][0] + b"".join(rest))
                meetings[first[-1], second[0]] = True
                if not _USUAL_GAP.fullmatch(between[at]):
                    gaps.add(len(between[at]))
        alone = rb"(?<![a-z0-9])%b(?![a-z0-9])"
        known = {
            pair: tuple(re.compile(alone % p) for p in sorted(found))
            for pair, found in patterns.items()
        }
        return cls(known, frozenset(chosen), texts, meetings, frozenset(gaps))

    def search(self, data: bytes) -> set[str]:
        """The kinds of what is in any bytes as they are."""
        found = {kind for text, kind in self.texts.items() if text in data}
        lower = data.lower()
        if self._names_in(lower):
            found.add(INDIVIDUAL)
        if any(_stands_alone(lower, word) for word in self.words):
            found.add("a user or host name")
        if b"/" in data and _ROOTED.search(data):
            found.add(PATH)
        return found

    def search_text(self, data: bytes) -> set[str]:
        """The same in a text, where every absolute path is found, and characters in any form."""
        found = self.search(data)
        if _ABSOLUTE.search(data):
            found.add(PATH)
        if not data.isascii():
            found |= self.search(folded(data.decode("utf-8", "replace")).encode())
        return found

    def _names_in(self, lower: bytes) -> bool:
        return any(
            pattern.search(lower, max(0, first - LONGEST), second + LONGEST)
            for first, second in self._meetings_in(lower)
            for pattern in self._patterns_at(lower, first, second)
        )

    def _meetings_in(self, lower: bytes) -> Iterator[tuple[int, int]]:
        """Places of a letter and a digit, with as much between as in some name, or one
        separator.
        """
        if not self.names:
            return
        values = np.frombuffer(lower, dtype=np.uint8)
        kind = _CLASS[values]
        for gap in {0, 1} | self.gaps:
            step = gap + 1
            meet = (kind[:-step] | kind[step:]) == (_LETTER | _DIGIT)
            if gap == 1 and gap not in self.gaps:
                meet &= kind[1:-1] == _SEPARATOR
            at = np.flatnonzero(meet)
            at = at[self.meetings[values[at], values[at + step]]]
            yield from ((int(i), int(i) + step) for i in at)

    def _patterns_at(self, lower: bytes, first: int, second: int) -> tuple[re.Pattern[bytes], ...]:
        before = _BEFORE_RUN.search(lower[max(0, first - LONGEST) : first + 1])
        after = _AFTER_RUN.match(lower, second, second + LONGEST)
        return self.names.get((before[0], after[0]), ()) if before and after else ()


def _meet(first: bytes, second: bytes) -> bool:
    return {_CLASS[first[0]], _CLASS[second[0]]} == {_LETTER, _DIGIT}


def _gap(own: bytes) -> bytes:
    """Pattern of what may be between two runs of a name that has `own` there."""
    usual = _USUAL_GAP.pattern
    return usual if _USUAL_GAP.fullmatch(own) else rb"(?:%b|%b)" % (usual, re.escape(own))


def _stands_alone(lower: bytes, word: bytes) -> bool:
    place = lower.find(word)
    while place >= 0:
        before = lower[place - 1 : place] if place else b""
        after = lower[place + len(word) : place + len(word) + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        place = lower.find(word, place + 1)
    return False


def forbidden_here(names: Iterable[str], results: Path, canaries: str) -> Forbidden:
    """What must not leave this machine: names of real individuals, its users, hosts and paths, and
    planted texts, which have commas between them.
    """
    words, host = {os.environ.get("USER", ""), os.environ.get("LOGNAME", "")}, socket.gethostname()
    words |= {host, host.split(".")[0]}
    with suppress(OSError, KeyError):  # a container may have no name for the user
        words.add(getpass.getuser())
    places = [Path.cwd(), results.resolve(), Path(sys.prefix), Path(tempfile.gettempdir())]
    with suppress(RuntimeError):
        places.append(Path.home())
    planted = [canary.strip() for canary in canaries.split(",")]
    return Forbidden.of(names, words, map(str, places), planted)
