"""DNA sequences in memory: bases as numbers, strands, k-mers and windows. No file access.

Vocabulary, the same everywhere:

- bases are uint8: 0 A, 1 C, 2 G, 3 T, 4 anything else;
- sequences of one set are the rows of a matrix, shape (n_sequences, max_length), padded with 4 on
  the right;
- starts and stops are 0-based half-open, unless a name is shown to individuals: there 1-based
  inclusive, as in samtools.

Ambiguous letters (IUPAC codes, N) all become 4: they stay in place, are never scored and never
generated. U is read as T, lower case as upper case.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

LABEL_JOIN = "+"  # between the cells of a label of several columns
OTHER = 4
LETTERS = "ACGTN"
IUPAC_LETTERS = "ACGTUNRYSWKMBDHV"
CANARY = "CANARY"  # names of planted sequences begin so
NO_KMER = np.uint64(2**64 - 1)  # in place of k-mers with an unknown base (4)

_CODES = np.full(256, 255, dtype=np.uint8)
for _letter in IUPAC_LETTERS:
    _code = LETTERS.find("T" if _letter == "U" else _letter)
    _CODES[[ord(_letter), ord(_letter.lower())]] = OTHER if _code < 0 else _code
_BYTES = np.frombuffer(LETTERS.encode(), dtype=np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, OTHER], dtype=np.uint8)


def encode(text: bytes) -> np.ndarray:
    """Bases (0 to 4) of ASCII letters, uint8, shape (len(text),); 255 for a character that is no
    IUPAC letter.
    """
    return _CODES[np.frombuffer(text, dtype=np.uint8)]


def decode(bases: np.ndarray) -> str:
    """Letters of one row of bases; 4 becomes N."""
    return _BYTES[bases].tobytes().decode()


def pad(pieces: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of unequal length as one matrix, and their lengths (int64)."""
    length = np.array([len(p) for p in pieces], dtype=np.int64)
    bases = np.full((len(pieces), int(length.max(initial=0))), OTHER, dtype=np.uint8)
    for row, piece in zip(bases, pieces, strict=True):
        row[: len(piece)] = piece
    return bases, length


def gc_content(bases: np.ndarray) -> np.ndarray:
    """Share of G and C among the known bases of each row, float64 (n,)."""
    known = (bases != OTHER).sum(axis=1)
    return ((bases == 1) | (bases == 2)).sum(axis=1) / np.maximum(known, 1)


def reverse_complement(bases: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The other strand of each row, padding again on the right.

    Parameters
    ----------
    bases : ndarray, uint8, shape (n, max_length)
    length : ndarray, int64, shape (n,)

    Returns
    -------
    ndarray, uint8, shape (n, max_length)
    """
    column = np.asarray(length)[:, None] - 1 - np.arange(bases.shape[1])
    flipped = np.take_along_axis(_COMPLEMENT[bases], np.maximum(column, 0), axis=1)
    return np.where(column >= 0, flipped, np.uint8(OTHER))


def kmers(bases: np.ndarray, k: int, canonical: bool = False) -> np.ndarray:
    """Numbers of all k-mers of each row, two bits per base.

    Parameters
    ----------
    bases : ndarray, uint8, shape (n, length)
    k : int
        At most 31, so that `NO_KMER` is no k-mer.
    canonical : bool
        The smaller of a k-mer and its reverse complement, so that both strands agree.

    Returns
    -------
    ndarray, uint64, shape (n, max(length - k + 1, 0))
        `NO_KMER` where the k-mer holds an unknown base (4).
    """
    n = max(bases.shape[1] - k + 1, 0)
    forward = np.zeros((len(bases), n), dtype=np.uint64)
    reverse = np.zeros_like(forward) if canonical else None
    ambiguous = np.zeros(forward.shape, dtype=bool)
    for j in range(k):
        base = bases[:, j : j + n].astype(np.uint64)
        ambiguous |= base == OTHER
        forward = (forward << np.uint64(2)) | (base & np.uint64(3))
        if canonical:
            reverse |= (np.uint64(3) - (base & np.uint64(3))) << np.uint64(2 * j)
    kmer_ids = np.minimum(forward, reverse) if canonical else forward
    kmer_ids[ambiguous] = NO_KMER
    return kmer_ids


def kmer_counts(bases: np.ndarray, k: int) -> np.ndarray:
    """How often each k-mer occurs in all rows together, int64, shape (4**k,); those with an unknown
    base (4) are left out.
    """
    kmer_ids = kmers(bases, k)
    return np.bincount(kmer_ids[kmer_ids != NO_KMER].astype(np.int64), minlength=4**k)


def reverse_complement_kmers(k: int) -> np.ndarray:
    """For each k-mer's number the number of its reverse complement, int64, shape (4**k,)."""
    kmer_ids = np.arange(4**k)
    flipped = np.zeros_like(kmer_ids)
    for j in range(k):
        flipped |= (3 - ((kmer_ids >> (2 * j)) & 3)) << (2 * (k - 1 - j))
    return flipped


def fingerprints(bases: np.ndarray, length: np.ndarray) -> np.ndarray:
    """A 64-bit digest of each row, uint64 (n,): equal rows agree, others only by a chance of 2**-64
    a pair.
    """
    rows = (
        hashlib.blake2b(row[:stop].tobytes(), digest_size=8).digest()
        for row, stop in zip(bases, length, strict=True)
    )
    return np.frombuffer(b"".join(rows), dtype=np.uint64)


def windows(bases: np.ndarray, size: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of one sequence and their starts; a sequence no longer than `size`, or `size` 0, is
    one window.

    Parameters
    ----------
    bases : ndarray, uint8, shape (length,)

    Returns
    -------
    rows : ndarray, uint8, shape (n_windows, size), a view
    starts : ndarray, int64, shape (n_windows,)
        The last bases of the sequence are in no window where they do not fill one.
    """
    if size == 0 or len(bases) <= size:
        return bases[None], np.zeros(1, dtype=np.int64)
    starts = np.arange(0, len(bases) - size + 1, stride)
    return np.lib.stride_tricks.sliding_window_view(bases, size)[::stride], starts


@dataclass(frozen=True)
class SequenceSet:
    """Sequences with names, labels and homology clusters.

    Attributes
    ----------
    name : list of str
    bases : ndarray, uint8, shape (n_sequences, max_length)
    length : ndarray, int64, shape (n_sequences,)
    label : list of str
        "" where there is none.
    cluster : ndarray, int64, shape (n_sequences,)
        Sequences of one cluster are homologous, overlap or are neighbours.
    stranded : bool
        Oriented sequences, such as promoters: the other strand is no example.
    """

    name: list[str]
    bases: np.ndarray
    length: np.ndarray
    label: list[str]
    cluster: np.ndarray
    stranded: bool = False

    def __len__(self) -> int:
        return len(self.name)

    def take(self, index) -> "SequenceSet":
        """The sequences at `index` (slice, boolean mask or integer array)."""
        index = np.arange(len(self))[index]
        return replace(
            self,
            name=[self.name[i] for i in index],
            bases=self.bases[index],
            length=self.length[index],
            label=[self.label[i] for i in index],
            cluster=self.cluster[index],
        )


def join(first: SequenceSet, second: SequenceSet) -> SequenceSet:
    """The sequences of both; stranded as the first."""
    width = max(first.bases.shape[1], second.bases.shape[1])
    wide = [
        np.pad(s.bases, ((0, 0), (0, width - s.bases.shape[1])), constant_values=OTHER)
        for s in (first, second)
    ]
    return replace(
        first,
        name=first.name + second.name,
        bases=np.concatenate(wide),
        length=np.concatenate([first.length, second.length]),
        label=first.label + second.label,
        cluster=np.concatenate([first.cluster, second.cluster]),
    )


def canaries(like: SequenceSet, n: int, rng: np.random.Generator) -> SequenceSet:
    """Random sequences to plant in a training set, or to compare planted ones with: CANARY0001,
    CANARY0002, ...

    Their lengths and labels are taken from random sequences of `like`, their bases independent, of
    its composition. What a model knows about them it can only have from seeing them. Carlini et al.
    2019, arXiv:1802.08232.
    """
    share = kmer_counts(like.bases, 1) / max(kmer_counts(like.bases, 1).sum(), 1)
    rows = rng.integers(0, len(like), n)
    length = like.length[rows]
    bases = rng.choice(4, size=(n, like.bases.shape[1]), p=share).astype(np.uint8)
    bases[np.arange(like.bases.shape[1]) >= length[:, None]] = OTHER
    first = int(like.cluster.max(initial=-1)) + 1
    names = [f"{CANARY}{i + 1:04d}" for i in range(n)]
    return SequenceSet(
        names, bases, length, [like.label[i] for i in rows], first + np.arange(n), like.stranded
    )


def is_canary(sequences: SequenceSet) -> np.ndarray:
    """Which sequences were planted, by their names; bool (n,)."""
    return np.array(
        [name.startswith(CANARY) and name[len(CANARY) :].isdigit() for name in sequences.name],
        dtype=bool,
    )
