# SPDX-License-Identifier: Apache-2.0
"""A thousand functions of this kernel can be drawn, the same ones each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.btf.format import Kind
from app.btf.reader import Btf
from app.linux import tracefs
from tests.support.random_functions import COUNT, Lists, draw

KALLSYMS = Path("/proc/kallsyms")
BLACKLIST = Path("/sys/kernel/debug/kprobes/blacklist")


def is_denied(name: str) -> bool:
    return name.startswith(("bpf_", "rcu_"))


def test_the_draw_is_the_same_each_time() -> None:
    btf = Btf.load(Path("/sys/kernel/btf/vmlinux"))
    in_btf = [btf.name(type_id) for type_id in btf if btf.kind(type_id) == Kind.FUNC]
    try:
        with tracefs.opened() as folder:
            lists = Lists.read(folder, KALLSYMS, BLACKLIST)
    except OSError as error:
        pytest.skip(f"locked down: {error}")
    drawn = draw(lists, in_btf, is_denied)
    assert drawn == draw(lists, reversed(in_btf), is_denied)
    assert len(set(drawn)) == COUNT
    assert drawn != draw(lists, in_btf, is_denied, seed=1)
    assert not any(map(is_denied, drawn))
    assert set(drawn) <= set(lists.traceable) - set(lists.blacklist)
