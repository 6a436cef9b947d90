"""Mutants of valid files: bytes changed blindly, or lines and cells of a text changed with
intent.
"""

import re

import numpy as np

HOSTILE = [
    b"", b".", b"-1", b"0", b"1e400", b"-inf", b"nan", b"99999999999999999999", b"2147483648",
    b"0x10", b"1_000",
    b"\xd9\xa3", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"A" * 70_000, b"<DEL>", b"*", b"N",
    b"0/1/2", b"./.", b"|", b"'",
    b'"', b"\\", b"$(true)", b"{}", b"#", b"##", b"\t\t", b" ", b"\r", b"\n\n", b"null", b"true",
    b"[]", b"chr20", b"2.5",
]  # fmt: skip


def mutate_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """One to four blind changes."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, len(changed) + 1))
        length = int(min(rng.integers(1, 65), len(changed) - at))
        kind = rng.integers(0, 7)
        if kind == 0 and length:
            changed[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1 and length:
            changed[at] = int(rng.choice([0, 1, 127, 128, 254, 255, 9, 10, 13, 32]))
        elif kind == 2:
            changed[at:at] = rng.integers(
                0, 256, int(rng.integers(1, 17)), dtype=np.uint8
            ).tobytes()
        elif kind == 3:
            del changed[at : at + length]
        elif kind == 4:
            changed[at:at] = changed[at : at + length]
        elif kind == 5:
            del changed[at:]
        else:
            other = int(rng.integers(0, len(changed) + 1))
            changed[at : at + length] = changed[other : other + length]
    return bytes(changed)


def mutate_text(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes of lines, cells, numbers or words; now and then blind ones."""
    for _ in range(rng.integers(1, 4)):
        lines = data.split(b"\n")
        at = int(rng.integers(0, len(lines)))
        kind = rng.integers(0, 9)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[int(rng.integers(0, len(lines)))])
        elif kind == 2:
            other = int(rng.integers(0, len(lines)))
            lines[at], lines[other] = lines[other], lines[at]
        elif kind in (3, 4):
            lines[at] = _change_cell(lines[at], rng)
        elif kind in (5, 6):
            lines[at] = _replace(rb"[-+\w.]+", lines[at], rng)
        elif kind == 7:
            lines[at] = lines[at] + _hostile(rng)
        else:
            return mutate_bytes(data, rng)
        data = b"\n".join(lines)
    return data


def _hostile(rng: np.random.Generator) -> bytes:
    return HOSTILE[int(rng.integers(0, len(HOSTILE)))]


def _change_cell(line: bytes, rng: np.random.Generator) -> bytes:
    separator = next((s for s in (b"\t", b",", b" ") if s in line), b"\t")
    cells = line.split(separator)
    at = int(rng.integers(0, len(cells)))
    kind = rng.integers(0, 4)
    if kind == 0:
        del cells[at]
    elif kind == 1:
        cells.insert(at, _hostile(rng))
    else:
        cells[at] = _hostile(rng)
    return separator.join(cells)


def _replace(pattern: bytes, line: bytes, rng: np.random.Generator) -> bytes:
    found = list(re.finditer(pattern, line))
    if not found:
        return line + _hostile(rng)
    match = found[int(rng.integers(0, len(found)))]
    return line[: match.start()] + _hostile(rng) + line[match.end() :]
