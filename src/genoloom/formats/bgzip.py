"""Writing bgzip files."""

from pathlib import Path

import pysam

# 2.6 times as fast on genotypes as the usual 6, and 3.6 times on bases, for files that
# are 14 and 5 % larger
BGZIP_LEVEL = 4


def create_bgzip(path: str | Path, level: int = BGZIP_LEVEL) -> pysam.BGZFile:
    """A bgzip file to write bytes to."""
    return pysam.BGZFile(str(path), f"wb{level}")
