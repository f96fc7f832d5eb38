# SPDX-License-Identifier: Apache-2.0
"""Which ways to attach to many functions a kernel's BTF says it has."""

from __future__ import annotations

import pytest

from app.btf.reader import Btf
from app.kernel.multi_attach import MultiAttach, Session, multi_attach_of
from app.linux.bpf import instruction
from tests.support.btf_builder import BtfBuilder

OLD = [("BPF_CGROUP_INET_INGRESS", 0)]
MULTI = [*OLD, ("BPF_TRACE_KPROBE_MULTI", 42)]
SESSION = [*MULTI, ("BPF_TRACE_KPROBE_SESSION", 56)]


def kernel(attach_types: list[tuple[str, int]], *functions: str) -> Btf:
    builder = BtfBuilder()
    builder.enum("bpf_attach_type", attach_types)
    for name in functions:
        builder.function(name, 0, [])  # a prototype, then the function
    return Btf(builder.build())


BOTH = ("bpf_session_is_return", "bpf_session_cookie")


@pytest.mark.parametrize(
    ("btf", "expected"),
    [
        (Btf(BtfBuilder().build()), MultiAttach()),
        (kernel(OLD), MultiAttach()),
        (kernel(MULTI), MultiAttach(42)),
        (kernel(MULTI, *BOTH), MultiAttach(42)),
        (kernel(SESSION), MultiAttach(42)),
        (kernel(SESSION, BOTH[0]), MultiAttach(42)),
        (
            kernel(SESSION, *BOTH),
            MultiAttach(
                42,
                Session(
                    56,
                    instruction(0x85, src=2, immediate=3),
                    instruction(0x85, src=2, immediate=5),
                ),
            ),
        ),
    ],
)
def test_what_a_kernel_has(btf: Btf, expected: MultiAttach) -> None:
    assert multi_attach_of(btf) == expected
