"""Everything that must not leave is found wherever it hides, and nothing else is."""

import base64
import gzip
import io
import json
import struct
import zipfile
import zlib

import numpy as np
import pysam
import pytest
import zstandard
from safetensors.numpy import save_file

from genoloom.privacy.leak_scan import MAX_DEPTH, Finding, Forbidden, scan, searchable

NAME, CANARY = "HG00096", "canary-7f3a"
FORBIDDEN = Forbidden.of([NAME, "NA12878", "1", "anna"], ["jdoe42", "node-17", "root"], ["/srv9/study/run"], [CANARY, ""])
SECRETS = {
    NAME.encode(): "the name of a real person",
    b"/home/jdoe/data.vcf": "an absolute path",
    b"C:\\Users\\Jane\\data": "an absolute path",
    b"/srv9/study/run": "a path of this machine",
    b"jdoe42": "a user or host name",
    b"node-17": "a user or host name",
    CANARY.encode(): "a canary",
}


def kinds(content: bytes, file: str = "x.txt") -> set[str]:
    found = scan(io.BytesIO(content), file, FORBIDDEN)
    assert all(f.file.startswith(file.split("/")[0]) for f in found)
    return {f.kind for f in found}


def png(chunk_type: bytes, data: bytes) -> bytes:
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixels = zlib.compress(b"\0\0")
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(chunk_type, data) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def zipped(secret: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", b"filling " * 50 + secret)
    return out.getvalue()


HIDING = {
    "plain.tsv": lambda s: b"a\t" + s + b"\n",
    "utf16.txt": lambda s: s.decode().encode("utf-16-le"),
    "binary.pgen": lambda s: b"\0\1\2" + s + b"\0\1",
    "x.gz": lambda s: gzip.compress(b"filling " * 50 + s),
    "two-members.gz": lambda s: gzip.compress(b"first") + gzip.compress(b"second " + s),
    "deep.gz": lambda s: gzip.compress(gzip.compress(zipped(s))),
    "x.zip": zipped,
    "x.pvar.zst": lambda s: zstandard.compress(b"##header " * 50 + s),
    "text.png": lambda s: png(b"tEXt", b"Comment\0" + s),
    "ztxt.png": lambda s: png(b"zTXt", b"Comment\0\0" + zlib.compress(s)),
    "itxt.png": lambda s: png(b"iTXt", b"Comment\0\1\0en\0\0" + zlib.compress(s)),
    "address.html": lambda s: (
        b'<img src="data:image/png;base64,' + base64.b64encode(png(b"zTXt", b"C\0\0" + zlib.compress(s))) + b'">'
    ),
    "nested.html": lambda s: (
        b'<img src="data:image/svg+xml;base64,'
        + base64.b64encode(b'<image href="data:x;base64,' + base64.b64encode(s) + b'"/>')
        + b'">'
    ),
    "percent.html": lambda s: b"<a href='data:,%20" + b"".join(b"%%%02X" % c for c in s) + b"'>",
    "entity.html": lambda s: b"<p>" + b"".join(b"&#%d;" % c for c in s) + b"</p>",
    "escaped.json": lambda s: json.dumps({"a": [{"b": "x " + s.decode()}]}).encode().replace(b"/", b"\\u002f"),
}


@pytest.mark.parametrize("hiding", HIDING)
@pytest.mark.parametrize("secret", SECRETS)
def test_every_secret_is_found_in_every_hiding_place(hiding, secret):
    assert SECRETS[secret] in kinds(HIDING[hiding](secret), hiding)


@pytest.mark.parametrize("hiding", HIDING)
def test_the_same_places_without_a_secret_are_clean(hiding):
    assert kinds(HIDING[hiding](b"HG0009 and/or SYN000001 12/34"), hiding) == set()


def test_headers_of_models_and_of_blocked_gzip(tmp_path):
    save_file(
        {"x": np.zeros(2)}, tmp_path / "m.safetensors", metadata={"description": json.dumps({"by": "/home/a/b", "who": NAME})}
    )
    with pysam.BGZFile(str(tmp_path / "x.vcf.gz"), "wb") as handle:
        handle.write(b"##fileformat=VCFv4.3\n" + b"filler\n" * 30000 + b"#CHROM\t" + NAME.encode() + b"\n")
    for name, expected in (
        ("m.safetensors", {"the name of a real person", "an absolute path"}), ("x.vcf.gz", {"the name of a real person"})
    ):  # fmt: skip
        assert kinds((tmp_path / name).read_bytes(), name) == expected


def test_a_secret_across_two_chunks_is_found(monkeypatch):
    monkeypatch.setattr("genoloom.privacy.leak_scan.CHUNK", 1000)
    for place in range(990, 1003):
        assert kinds(b"-" * place + NAME.encode() + b"-" * 3000) == {"the name of a real person"}


def test_the_name_of_a_file_and_of_a_member_are_searched():
    assert kinds(b"", f"{NAME}.txt") == {"the name of a real person"}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"{NAME}.txt", b"")
    assert "the name of a real person" in kinds(out.getvalue(), "x.zip")


def test_what_cannot_be_read_does_not_pass():
    whole = gzip.compress(b"x" * 10000)
    assert kinds(whole, "x.gz") == set()
    assert kinds(whole[:-9], "x.gz") == {"contents that cannot be read"}
    assert kinds(whole + b"\x1f\x8b rest", "x.gz") == {"contents that cannot be read"}
    assert kinds(zipped(b"x")[:-30], "x.zip") == {"contents that cannot be read"}
    frame = zstandard.compress(b"x" * 10000)
    assert kinds(frame + frame, "x.zst") == set()
    assert kinds(frame[:-4], "x.zst") == kinds(frame + b"rest", "x.zst") == {"contents that cannot be read"}
    assert kinds(b"{not json", "x.json") == {"contents that cannot be read"}
    deep = b"x"
    for _ in range(MAX_DEPTH + 2):
        deep = gzip.compress(deep)
    assert kinds(deep, "x.gz") == {"contents nested too deep to look into"}


def test_short_names_do_not_find_themselves_in_numbers():
    """Names such as "1" are looked for where people are named, not in every number."""
    assert [searchable(name) for name in ("HG00096", "1", "12345678", "anna", "sample", "S1", "P00017")] == [
        True, False, False, False, False, False, True,
    ]  # fmt: skip
    assert kinds(b"1\t2\tanna\troot\t:root { } 0|1 1/1") == set()


def test_names_are_whole_words():
    assert kinds(b"XHG00096") == kinds(b"HG000961") == kinds(b"jdoe421") == set()
    for text in (b"HG00096_A", b"(HG00096)", b"x=HG00096;", b"HG00096"):
        assert kinds(text) == {"the name of a real person"}


def test_addresses_and_fractions_are_no_paths():
    text = b"https://w3id.org/home/crate 1/2 and/or application/json </tmp> sed s/home/work/ ~/data a/tmp/b"
    assert kinds(text) == set()
    assert kinds(b"see file:///tmp/x1") == kinds(b'"/scratch/me"') == {"an absolute path"}


def test_a_finding_does_not_repeat_what_it_found():
    [finding] = scan(io.BytesIO(NAME.encode()), "x.txt", FORBIDDEN)
    assert finding == Finding("x.txt", "the name of a real person")
