"""Search every byte of some files for what must not leave: names of real individuals, paths, hosts,
users, canaries.

Containers are opened to any depth up to `MAX_DEPTH`, and texts are decoded; docs/privacy.md lists
what is searched for, where, and what is not. A container that cannot be opened is itself a finding:
what was not searched does not leave.
"""

from genoloom.privacy.leak_scan.files import MAX_DEPTH, Finding, scan
from genoloom.privacy.leak_scan.forbidden import Forbidden, forbidden_here, searchable

__all__ = ["MAX_DEPTH", "Finding", "Forbidden", "forbidden_here", "scan", "searchable"]
