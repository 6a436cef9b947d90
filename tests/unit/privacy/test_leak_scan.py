"""Everything that must not leave is found wherever it hides, and nothing else is."""

import base64
import bz2
import gzip
import hashlib
import io
import json
import lzma
import re
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pysam
import pytest
import zstandard
from safetensors.numpy import save_file

from genoloom.privacy.leak_scan import MAX_DEPTH, Finding, Forbidden, scan, searchable

NAME, CANARY = "HG00096", "canary-7f3a"
FORBIDDEN = Forbidden.of(
    [NAME, "NA12878", "1", "anna"], ["jdoe42", "node-17", "root"], ["/srv9/study/run"], [CANARY, ""]
)
SECRETS = {
    NAME.encode(): "the name of a real individual",
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
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    pixels = zlib.compress(b"\0\0")
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + chunk(chunk_type, data)
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


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
        b'<img src="data:image/png;base64,'
        + base64.b64encode(png(b"zTXt", b"C\0\0" + zlib.compress(s)))
        + b'">'
    ),
    "nested.html": lambda s: (
        b'<img src="data:image/svg+xml;base64,'
        + base64.b64encode(b'<image href="data:x;base64,' + base64.b64encode(s) + b'"/>')
        + b'">'
    ),
    "percent.html": lambda s: b"<a href='data:,%20" + b"".join(b"%%%02X" % c for c in s) + b"'>",
    "entity.html": lambda s: b"<p>" + b"".join(b"&#%d;" % c for c in s) + b"</p>",
    "escaped.json": lambda s: (
        json.dumps({"a": [{"b": "x " + s.decode()}]}).encode().replace(b"/", b"\\u002f")
    ),
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
        {"x": np.zeros(2)},
        tmp_path / "m.safetensors",
        metadata={"description": json.dumps({"by": "/home/a/b", "who": NAME})},
    )
    with pysam.BGZFile(str(tmp_path / "x.vcf.gz"), "wb") as handle:
        handle.write(
            b"##fileformat=VCFv4.3\n" + b"filler\n" * 30000 + b"#CHROM\t" + NAME.encode() + b"\n"
        )
    for name, expected in (
        ("m.safetensors", {"the name of a real individual", "an absolute path"}),
        ("x.vcf.gz", {"the name of a real individual"})
    ):  # fmt: skip
        assert kinds((tmp_path / name).read_bytes(), name) == expected


def test_a_secret_across_two_chunks_is_found(monkeypatch):
    monkeypatch.setattr("genoloom.privacy.leak_scan.files.CHUNK", 1000)
    for place in range(990, 1003):
        assert kinds(b"-" * place + NAME.encode() + b"-" * 3000) == {
            "the name of a real individual"
        }


def test_the_name_of_a_file_and_of_a_member_are_searched():
    assert kinds(b"", f"{NAME}.txt") == {"the name of a real individual"}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"{NAME}.txt", b"")
    assert "the name of a real individual" in kinds(out.getvalue(), "x.zip")


def test_what_cannot_be_read_does_not_pass():
    whole = gzip.compress(b"x" * 10000)
    assert kinds(whole, "x.gz") == set()
    assert kinds(whole[:-9], "x.gz") == {"contents that cannot be read"}
    assert kinds(whole + b"\x1f\x8b rest", "x.gz") == {"contents that cannot be read"}
    assert kinds(zipped(b"x")[:-30], "x.zip") == {"contents that cannot be read"}
    frame = zstandard.compress(b"x" * 10000)
    assert kinds(frame + frame, "x.zst") == set()
    assert (
        kinds(frame[:-4], "x.zst")
        == kinds(frame + b"rest", "x.zst")
        == {"contents that cannot be read"}
    )
    assert kinds(b"{not json", "x.json") == {"contents that cannot be read"}
    deep = b"x"
    for _ in range(MAX_DEPTH + 2):
        deep = gzip.compress(deep)
    assert kinds(deep, "x.gz") == {"contents nested too deep to look into"}


def test_short_names_do_not_find_themselves_in_numbers():
    """Names such as "1" are looked for where individuals are named, not in every number."""
    assert [
        searchable(name) for name in ("HG00096", "1", "12345678", "anna", "sample", "S1", "P00017")
    ] == [True, False, False, False, False, False, True]
    assert kinds(b"1\t2\tanna\troot\t:root { } 0|1 1/1") == set()


def test_names_are_whole_words():
    assert kinds(b"XHG00096") == kinds(b"HG000961") == kinds(b"jdoe421") == set()
    for text in (b"HG00096_A", b"(HG00096)", b"x=HG00096;", b"HG00096"):
        assert kinds(text) == {"the name of a real individual"}


@pytest.mark.parametrize(
    "name",
    [
        "ID#12345",
        "NA--12878",
        "A:000123",
        "P(1)0002",
        "SUBJ|0001",
        "12345@x.org",
        "ÄB-00123",
        "Ärzte/0001",
    ],
)
def test_names_with_anything_between_letters_and_digits_are_found_as_they_are(name):
    searched = Forbidden.of([NAME, name], [], [], [])
    for text in (name, name.lower(), f"x\t{name}_A", f"\0\1{name}\0"):
        assert searched.search(text.encode()) == {"the name of a real individual"}, text
    assert searched.search(f"x{name} {name}7 {NAME}7 AC=1;AN=2".encode()) == set()


def test_addresses_and_fractions_are_no_paths():
    text = (
        b"https://w3id.org/home/crate 1/2 and/or application/json </tmp> sed s/home/data/ a/tmp/b "
        b"5 ~ 6 / 7 <br/> A:\\n"
    )
    assert kinds(text) == set()
    assert kinds(b"see file:///tmp/x1") == kinds(b'"/scratch/me"') == {"an absolute path"}


def chunked(text: bytes, width: int) -> bytes:
    return b"\n".join(text[i : i + width] for i in range(0, len(text), width))


def with_zip_inside(secret: bytes, hidden: bool = False) -> bytes:
    archive = zipped(secret)
    return archive[: archive.rindex(b"PK\x01\x02")] if hidden else archive


def tarred(secret: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:bz2") as archive:
        member = tarfile.TarInfo("a.txt")
        member.size = len(secret)
        archive.addfile(member, io.BytesIO(secret))
    return out.getvalue()


LONG = b"filling " * 20 + NAME.encode() + b" end"
ID = b"HG00096"
# what docs/privacy.md says is searched for: one planted name each, with the file that holds it
SEARCHED = {
    "in another case": ("a.md", b"hg00096"),
    "hyphen": ("a.md", b"HG-00096"),
    "underscore": ("a.md", b"hg_00096"),
    "space": ("a.md", b"(HG 00096)"),
    "zero-width": ("a.md", "HG\u200d00096 H\u200bG00096".encode()),
    "full-width": ("a.tsv", "ＨＧ０００９６".encode()),
    "bare base64": ("a.tsv", base64.b64encode(ID)),
    "bare base64 without padding, off the beginning": (
        "a.md",
        b"key:x" + base64.b64encode(b"??" + ID + b"??").rstrip(b"="),
    ),
    "base64 in lines": ("a.md", chunked(base64.b64encode(LONG), 76)),
    "base64url": (
        "a.html",
        b"data:text/plain;base64," + base64.urlsafe_b64encode(b"\xff\xff\xfb\xef" + ID),
    ),
    "data address with its charset after": (
        "a.tsv",
        b"DATA:text/plain;BASE64;charset=utf-8," + base64.b64encode(ID),
    ),
    "hex": ("a.md", ID.hex().encode()),
    "hex with spaces": ("a.md", b"0x" + ID.hex(" ").upper().encode()),
    "C escapes, hex": ("a.c", b"".join(b"\\x%02x" % c for c in ID)),
    "C escapes, octal": ("a.c", b"".join(b"\\%03o" % c for c in ID)),
    "escapes of JSON": ("a.txt", b"".join(b"\\u%04X" % c for c in ID)),
    "quoted-printable": ("a.eml", b"".join(b"=%02X" % c for c in ID)),
    "quoted-printable, a soft break": ("a.eml", b"HG00=\n096"),
    "percent within base64": ("a.md", base64.b64encode(b"".join(b"%%%02X" % c for c in ID))),
    "UTF-7": ("a.md", b"+AEgARwAwADAAMAA5ADY-"),
    "UTF-16": ("a.txt", NAME.encode("utf-16")),
    "bzip2": ("a.bz2", bz2.compress(LONG)),
    "xz": ("a.xz", lzma.compress(LONG)),
    "zlib": ("a.bin", zlib.compress(LONG)),
    "zlib within other bytes": ("a.bin", b"\0\1\2" + zlib.compress(LONG) + b"\3\0"),
    "gzip after a prefix": ("a.bin", b"\0\1\2prefix" + gzip.compress(LONG)),
    "tar.bz2": ("a.tar.bz2", tarred(LONG)),
    "tar with a gzip member": (
        "a.tar",
        b"a.gz".ljust(512, b"\0") + gzip.compress(LONG).ljust(1024, b"\0"),
    ),
    "second gzip member": ("a.gz", gzip.compress(b"x") + gzip.compress(ID)),
    "zip after a prefix": ("a.bin", b"\0" * 9 + zipped(ID)),
    "zip without a directory": ("a.bin", b"\0" * 9 + with_zip_inside(ID, hidden=True)),
    "eXIf of a PNG": ("a.png", png(b"eXIf", b"MM" + ID)),
    "unknown chunk of a PNG": ("a.png", png(b"prVt", b"\0\1" + ID)),
    "compressed pixels of a PNG": ("a.png", png(b"IDAT", zlib.compress(b"\0" + ID))),
    "JSON escapes in a model header": (
        "m.safetensors",
        struct.pack("<Q", 30) + b'{"__metadata__":{"a":"HG00096"}}'[:30].ljust(30),
    ),
}
PATHS = (
    b"/net/projects/ada/x.vcf", b"in /data", b"see ~/data/secret", b"~ada/x", b"$HOME/x",
    b"\\\\server\\share\\ada", b"C:\\secret.txt",
    b'"/ceph/x1"', b"=/cfs/klemming/x", b"file:///x", b"##reference=/opt1/ref.fa", b"'/a/bc'",
    b"login01:/cfs/klemming/x", b"</cfs/klemming/x>", b"D:/secret.txt",
)  # fmt: skip
# what it says is not searched for, by the words of its list
NOT_SEARCHED = {
    "EBCDIC": ("a.md", ID.decode().encode("cp500")),
    "backwards": ("a.md", ID[::-1]),
    "further letters or digits": ("a.md", b"xHG00096x HG000961"),
    "base32": ("a.md", base64.b32encode(ID)),
    "base85": ("a.md", base64.b85encode(ID)),
    "rotated letters": ("a.md", b"UT00096"),
    "other scripts": ("a.md", "НG00096".encode()),  # a Cyrillic letter
    "taken apart": ("a.md", b"HG00, 096"),
    "a single unusual name": ("a.md", b"in /cohort"),
    "with a blank in the first part": ("a.md", b"in /My folder/cohort"),
    "fewer than six characters": ("a.md", b"S1"),
}


@pytest.mark.parametrize("what", SEARCHED)
def test_what_is_said_to_be_searched_for_is_found(what):
    file, content = SEARCHED[what]
    assert "the name of a real individual" in kinds(content, file)


@pytest.mark.parametrize("path", PATHS)
def test_paths_of_any_kind_are_found(path):
    assert kinds(b"text " + path + b" text", "README.md") == {"an absolute path"}
    assert kinds(b"\0\1\xff" + b"some text " + path + b" text\0\xfe", "a.bin") == {
        "an absolute path"
    }


def test_paths_in_other_scripts_are_found_in_texts():
    assert kinds("in /données/étude/x".encode()) == {"an absolute path"}
    assert kinds("été/hiver/automne".encode()) == set()


def test_hosts_and_users_are_found_in_any_case():
    assert kinds(b"made on NODE-17.") == kinds(b"by JDoe42") == {"a user or host name"}


@pytest.mark.parametrize("what", NOT_SEARCHED)
def test_what_is_not_searched_for_is_in_the_documentation(what, repository):
    file, content = NOT_SEARCHED[what]
    assert kinds(content, file) == set()  # else the documentation may say more
    [section] = re.findall(
        r"not searched for:\*\*(.*?)\n\n", (repository / "docs/privacy.md").read_text(), re.DOTALL
    )
    assert what in " ".join(section.split())


@pytest.mark.parametrize(
    "content",
    [
        b"\x04\x22\x4d\x18anything", b"7z\xbc\xaf\x27\x1c..", b"Rar!\x1a\x07..", b"LZIP\x01..",
        b"\x1f\x9d\x90..", b"crypt4gh\1",
        b"\x5d\0\0\x80\0" + b"\xff" * 8, b"\0 before 7z\xbc\xaf\x27\x1c..",
        lzma.compress(LONG)[:-20], bz2.compress(LONG)[:-9],
        b"\0" + lzma.compress(LONG)[:-20], b"\0 before crypt4gh\1", b"\0 before LZIP\x01..",
        # lz4 frames as the command and as the library for Python write them, after other bytes
        b"\0 before \x04\x22\x4d\x18\x64\x40\xa7..",
        b"\0 before \x04\x22\x4d\x18\x68\x40\x07\0\0\0\0\0\0\0..",
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_a_finding(content):
    assert "contents that cannot be read" in kinds(content, "a.bin")


def test_ordinary_files_of_a_bundle_are_clean():
    rng = np.random.default_rng(1)
    sequence = "\n".join("".join(rng.choice(list("ACGTN"), 60)) for _ in range(300))
    calls = "\t".join(rng.choice(["0|0", "0|1", "1|1", "./.", "0/1"], 500))
    texts = {
        "a.fa": f">SYN000001 20:1-2\n{sequence}\n",
        "a.vcf": "##fileformat=VCFv4.2\n##source=GenoLoom\n"
        '##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count / site">\n'
        "##contig=<ID=20,length=63025520,URL=https://example.org/a/b.fa>\n#CHROM\tPOS\n"
        f"20\t1000226\trs123456789012;rs99\tA\t<DEL>\t.\tPASS\tAC=1;AN=2\tGT\t{calls}\n",
        "README.md": "sha256sum -c MANIFEST.sha256; and/or 1/2, n/a, `a/b/c.tsv`, "
        "https://w3id.org/ro/crate/1.1 (20:1-2) ~5 % +5- =2",
        "MANIFEST.sha256": "".join(
            f"{hashlib.sha256(bytes([i])).hexdigest()}  20.vcf.gz\n" for i in range(50)
        ),
        "ro-crate-metadata.json": json.dumps(
            {
                "@id": "./",
                "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
                "x": "application/gzip",
            }
        ),
    }
    for name, text in texts.items():
        assert kinds(text.encode(), name) == set(), name
        assert kinds(gzip.compress(text.encode()), f"{name}.gz") == set(), name
    assert kinds(rng.bytes(1 << 21), "a.pgen") == set()
    for blocks in (0x5D, 0x8B1F, 0x9D1F, 0x9C78):  # an index begins with their number
        assert kinds(struct.pack("<QQQ", blocks, 40000, 65280), "a.gzi") == set()


def test_a_finding_does_not_repeat_what_it_found():
    [finding] = scan(io.BytesIO(NAME.encode()), "x.txt", FORBIDDEN)
    assert finding == Finding("x.txt", "the name of a real individual")
