# SPDX-License-Identifier: Apache-2.0
"""Reads the groups of a tracer that has died: `python -m app.tracer.read_counts GROUPS COUNTS`.

The arguments are inherited descriptors of its maps, standard input has its request. The snapshot,
as the tracer would have sent it, goes to standard output.
"""

from __future__ import annotations

import struct
import sys

from app.columns.plan import Plan
from app.link.frames import TracerRequest
from app.linux import bpf
from app.tracer.group_reports import about_counts
from app.tracer.groups import GroupEncoder, Groups
from app.tracer.records import CALLS_UNGROUPED


def snapshot(request: TracerRequest, groups_fd: int, counts_fd: int) -> bytes:
    """Return what was counted. Raises OSError."""
    encoder = GroupEncoder(request.probe, request.run, Plan.from_json(request.plan))
    ungrouped = bpf.map_sum(counts_fd, struct.pack("=I", CALLS_UNGROUPED))
    with Groups(encoder.layout, groups_fd) as groups:
        table = groups.table()
    return encoder.encode(table, about_counts(table, ungrouped))[1]


def main() -> None:
    """Read what the arguments say."""
    groups_fd, counts_fd = map(int, sys.argv[1:])
    request = TracerRequest.decode(sys.stdin.buffer.readline())
    sys.stdout.buffer.write(snapshot(request, groups_fd, counts_fd))


if __name__ == "__main__":
    main()
