"""Encryption of private tables for one recipient, in the Crypt4GH format of the Global Alliance for
Genomics and Health.

Senf et al. 2021, doi:10.1093/bioinformatics/btab087. The package `crypt4gh` is optional.
"""

import io
import logging
import os
from pathlib import Path

from genoloom.errors import InputError


def _crypt4gh():
    try:
        from crypt4gh import keys, lib
    except ImportError:
        raise InputError(
            "audit.recipient",
            "the package crypt4gh, which encrypts, is not installed",
            remedy="pip install crypt4gh",
        ) from None
    # it logs session keys when asked to say more
    logging.getLogger("crypt4gh").setLevel(logging.WARNING)
    return keys, lib


def read_public_key(path: str | Path) -> bytes:
    """The public key in a Crypt4GH or SSH ed25519 key file.

    Raises
    ------
    InputError
        The file is missing or no public key, or `crypt4gh` is not installed.
    """
    keys, _ = _crypt4gh()
    if not Path(path).is_file():
        raise InputError(
            path,
            "not found",
            remedy="make a pair of keys: crypt4gh-keygen --sk secret.key --pk public.key",
        )
    try:
        return keys.get_public_key(str(path))
    except (ValueError, NotImplementedError, IndexError) as error:
        raise InputError(
            path, f"is no public key ({error})", expected="a Crypt4GH or SSH ed25519 public key"
        ) from None


def encrypt(content: bytes, out: Path, public_key: bytes) -> None:
    """Write `content` to `out` so that only the owner of the key can read it; the sender's own key
    is thrown away.
    """
    _, lib = _crypt4gh()
    secret = os.urandom(32)  # any 32 bytes are an X25519 secret
    with open(out, "wb") as handle:
        lib.encrypt([(0, secret, public_key)], io.BytesIO(content), handle)
