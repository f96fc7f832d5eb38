# SPDX-License-Identifier: Apache-2.0
"""What canaries tell of the programs; the kernel and its programs are fakes."""

from __future__ import annotations

import re
import struct

import pytest

from app import ROOT
from app.presets.deletions import canary
from app.presets.deletions.canary import Seen, calls_of, unseen
from app.tracer.records import CANARY

CANARY_C = (ROOT / "bpf/presets/deletions/canary.c").read_text()
ALL = {"unlink": Seen(1, 1), "unlinkat": Seen(1, 1), "rmdir": Seen(1, 1)}


class Kernel:
    """The map `canary`, and programs that see a call or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.value = bytes(struct.calcsize(CANARY))
        self.calls: list[str] = []
        self.tokens: list[int] = []
        self.runs = True
        monkeypatch.setattr(canary, "fail_to", self.call)

    def set(self, key: bytes, value: bytes) -> None:
        self.value = value

    def get(self, key: bytes) -> bytes:
        return self.value

    def call(self, call: str, token: int) -> None:
        self.calls.append(call)
        self.tokens.append(token)
        _, own, entered, left, missed = struct.unpack(CANARY, self.value)
        if self.runs and own == token:
            self.value = struct.pack(CANARY, 7, own, entered + 1, left + 1, missed)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def test_every_hook_of_a_mode_is_called(kernel: Kernel) -> None:
    calls = calls_of("tracepoint", ["on_enter_unlink", "on_exit"])
    assert canary.send(calls, kernel) == {call: Seen(1, 1) for call in calls}
    assert kernel.calls == ["unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2"]
    assert len(set(kernel.tokens)) == len(calls)
    assert calls_of("kprobe", ["on_entry"]) == ("unlinkat",)
    assert calls_of("fexit", ["on_entry", "on_rename"]) == ("unlinkat", "renameat2")


def test_nothing_is_left_of_the_last_canary(kernel: Kernel) -> None:
    canary.send(["unlinkat"], kernel)
    kernel.runs = False
    assert canary.send(["unlinkat"], kernel) == {"unlinkat": Seen(0, 0)}


def test_what_the_kernel_did_not_show_is_kept(kernel: Kernel) -> None:
    canary.add_missed(kernel, 2)
    canary.send(["unlink", "rename"], kernel)
    canary.add_missed(kernel, 1)
    assert canary.missed(kernel) == 3


@pytest.mark.parametrize(
    ("mode", "seen", "in_progress", "missing"),
    [
        ("fexit", {"unlinkat": Seen(1, 1)}, 0, []),
        ("fexit", {"unlinkat": Seen(1, 0)}, 5, ["the return of unlinkat"]),
        ("fexit", {"unlinkat": Seen(0, 1)}, 0, ["the entry of unlinkat"]),
        ("fentry", {"unlinkat": Seen(1, 0)}, 0, []),
        ("kprobe", {"unlinkat": Seen(0, 0)}, 0, ["the entry of unlinkat"]),
        ("kretprobe", {"unlinkat": Seen(1, 0)}, 0, ["the return of unlinkat"]),
        # Its instances may all be in use: what is missed then is counted as lost.
        ("kretprobe", {"unlinkat": Seen(1, 0)}, 1, []),
        ("kretprobe", {"unlinkat": Seen(0, 0)}, 1, ["the entry of unlinkat"]),
        (
            "tracepoint",
            {**ALL, "rmdir": Seen(0, 0), "unlink": Seen(1, 0)},
            0,
            ["the entry of rmdir", "the return of unlink", "the return of rmdir"],
        ),
    ],
)
def test_what_is_missing(
    mode: str, seen: dict[str, Seen], in_progress: int, missing: list[str]
) -> None:
    assert unseen(mode, seen, in_progress) == missing


def test_layout_is_that_of_the_c_text() -> None:
    body = re.search(r"struct canary \{(.*?)\n\};", CANARY_C, re.S)
    assert body
    kinds = re.findall(r"^\s+(\w+) \w+;", body[1], re.M)
    assert "=" + "".join({"u64": "Q", "u32": "I"}[kind] for kind in kinds) == CANARY
