"""What a text hides: base64, hex, escapes of several languages, and what a mail or a page would
show.

Genotypes and sequence lines are taken out first: they are nearly all of the bytes and hide nothing
that can be decoded.
"""

import base64
import binascii
import html
import quopri
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import numpy as np

SHORTEST = 8  # characters of base64 or hex that can hold a name of six
SEQUENCE = b"ACGTUNRYSWKMBDHVacgtunryswkmbdhv*-."
_CONTROL = bytes(c for c in range(32) if c not in b"\t\n\r\f\b\x1b") + b"\x7f"
_GENOTYPES = [b"0|0", b"1|1", b"0|1", b"1|0", b"0/0", b"0/1", b"1/1", b"./."]
_BASE64 = re.compile(
    rb"[A-Za-z0-9+/_-]{%d,}(?:(?:\r?\n|\\n)[A-Za-z0-9+/_-]{%d,})*" % (SHORTEST, SHORTEST)
)
_NUMBERED = re.compile(rb"[A-Za-z_]{0,3}[0-9]+")
_HEX = re.compile(rb"(?:0x|\\x|%|=)?(?:[0-9A-Fa-f]{2}(?:[ :,;-]?(?:0x)?)){6,}")
_ESCAPE = re.compile(
    rb"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|U([0-9A-Fa-f]{8})"
    rb"|N?([0-7]{3})|([/\"]))"
)


def is_text(data: bytes) -> bool:
    """Whether there are no control characters but white space, and only whole characters of UTF-8
    but for the ends.
    """
    if data.translate(None, _CONTROL) != data:
        return False
    if data.isascii():
        return True
    decoded = data.decode("utf-8", "replace")
    return decoded.count("\ufffd") <= 6  # a chunk may begin and end within a character


def condensed(text: bytes) -> bytes:
    """The text without genotypes and sequence lines."""
    for genotype in _GENOTYPES:
        text = text.replace(genotype + b"\t", b"\t")
    while b"\t\t\t\t" in text:
        text = text.replace(b"\t\t\t\t", b"\t")
    lines = [line for line in text.split(b"\n") if line.strip().translate(None, SEQUENCE)]
    return b"\n".join(lines)


def printable(data: bytes) -> bytes:
    """Runs of at least 12 printable characters in binary data, one a line."""
    values = np.frombuffer(data, dtype=np.uint8)
    other = np.concatenate([[-1], np.flatnonzero((values < 32) | (values > 126)), [len(values)]])
    long = np.flatnonzero(np.diff(other) > 12)
    return b"\n".join(data[other[i] + 1 : other[i + 1]] for i in long)


def decodings(text: bytes) -> Iterator[bytes]:
    """What the text says when one kind of escape is taken out; only where there is such a kind."""
    if b"%" in text:
        yield unquote_to_bytes(text)
    if b"&" in text:
        yield html.unescape(text.decode("utf-8", "replace")).encode("utf-8", "replace")
    if b"\\" in text:
        yield _ESCAPE.sub(_unescaped, text)
    if re.search(rb"=(?:[0-9A-Fa-f]{2}|\r?\n)", text):
        yield quopri.decodestring(text)
    if b"+" in text and text.isascii():
        yield text.decode("utf-7", "ignore").encode("utf-8", "ignore")


def _unescaped(match: re.Match[bytes]) -> bytes:
    of_hex = next((match[i] for i in range(1, 5) if match[i]), None)
    value = int(of_hex, 16) if of_hex else int(match[5], 8) if match[5] else match[6][0]
    if match[1] or match[5]:
        return bytes([value & 255])
    return chr(value).encode("utf-8", "replace") if value < 0x110000 else b"?"


def encoded_bytes(text: bytes) -> Iterator[bytes]:
    """Bytes that are in the text as base64 (either alphabet, at any offset) or as hex."""
    for match in _BASE64.finditer(text):
        run = re.sub(rb"\s|\\n", b"", match[0])
        if _NUMBERED.fullmatch(run) or not run.translate(None, SEQUENCE):
            continue
        run = run.translate(bytes.maketrans(b"-_", b"+/"))
        for offset in range(4):
            whole = run[offset:]
            yield base64.b64decode(whole[: len(whole) // 4 * 4] + _rest(whole))
    for match in _HEX.finditer(text):
        digits = re.sub(rb"0x|\\x|[^0-9A-Fa-f]", b"", match[0])
        for offset in range(2):
            even = digits[offset:]
            try:
                yield bytes.fromhex(even[: len(even) // 2 * 2].decode())
            except (ValueError, binascii.Error):
                continue


def _rest(run: bytes) -> bytes:
    """The last two or three characters of a run, with their padding."""
    rest = run[len(run) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""
