# SPDX-License-Identifier: Apache-2.0
"""Per-CPU pointers, by name and by the tables, which name what the running kernel has."""

from __future__ import annotations

import pytest

from app.btf.format import Kind
from app.btf.per_cpu import MEMBERS, is_per_cpu
from app.btf.type_paths import PathError, Paths, Place, Type
from tests.support.running_types import RUNNING, running_btf


@pytest.mark.parametrize(
    ("record", "name", "target", "expected"),
    [
        ("mount", "mnt_pcp", "mnt_pcp", True),
        ("vfsmount", "mnt_pcp", "mnt_pcp", False),
        ("mm_struct", "pcpu_cid", "mm_cid", True),
        ("x", "percpu", "", True),
        ("x", "all_per_cpu_pages", "page", True),
        ("x", "percpus", "page", False),
        ("x", "superpcpu", "page", False),
        ("irq_desc", "percpu_enabled", "cpumask", False),
        ("trace_array", "percpu_dir", "dentry", False),
        ("netns_mib", "tcp_statistics", "tcp_mib", True),
        ("netns_mib", "icmpmsg_statistics", "icmpmsg_mib", False),
        ("inet6_dev", "icmpv6dev", "icmpv6_mib_device", False),
    ],
)
def test_names_and_tables(record: str, name: str, target: str, expected: bool) -> None:
    assert is_per_cpu(record, name, target) is expected


@pytest.mark.skipif(not RUNNING.exists(), reason="this kernel offers no BTF")
def test_the_table_names_pointers_of_the_running_kernel() -> None:
    """Those that it has: others are of other versions, options and modules."""
    paths, found = Paths(running_btf()), set()
    for record, members in MEMBERS.items():
        assert list(members) == sorted(set(members))
        type_id = paths.find(Kind.STRUCT, record)
        if type_id is None:
            continue
        fields = {each.name: each.place for each in paths.fields(struct_of(type_id))}
        for name in set(members) & set(fields):
            place, type_ = fields[name], fields[name].type
            if paths.kind(type_) == Kind.ARRAY:
                place, type_ = paths.element(place, 0), paths.target(type_)
            assert paths.kind(type_) == Kind.PTR, (record, name)
            with pytest.raises(PathError, match="per-CPU"):
                paths.pointee(place)
            found.add(record)
    assert found >= {"mount", "net_device", "percpu_counter", "request_queue", "kmem_cache"}
    assert list(MEMBERS) == sorted(MEMBERS)


def struct_of(type_id: int) -> Place:
    """Return a struct that is an argument's target."""
    return Place(Type(type_id), 0)
