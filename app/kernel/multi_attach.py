# SPDX-License-Identifier: Apache-2.0
"""How this kernel attaches one program to many functions, as far as its BTF says.

- kprobe.multi: Linux kernel commit 0dcac2725406 ("bpf: Add multi kprobe link", v5.18); the program
  has a cookie by which it tells the functions apart.
- kprobe.session: commit 535a3692ba72 ("bpf: Add support for kprobe session attach", v6.10); one
  program runs at a call's entry and at its return, and has 8 bytes of its own from one to the
  other.

Whether the kernel was built to do so (CONFIG_FPROBE) shows when a program is attached.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from app.btf.format import BtfError, Kind
from app.btf.reader import Btf
from app.kernel.bcc_headers import BTF_PATH
from app.kernel.kfunc import call_of

_MULTI, _SESSION = "BPF_TRACE_KPROBE_MULTI", "BPF_TRACE_KPROBE_SESSION"
_IS_RETURN, _COOKIE = "bpf_session_is_return", "bpf_session_cookie"


@dataclass(frozen=True)
class Session:
    """The attach type of kprobe.session, and instructions that call its functions."""

    attach_type: int
    is_return: bytes
    cookie: bytes


@dataclass(frozen=True)
class MultiAttach:
    """The attach type of kprobe.multi, and what kprobe.session needs; None where it is missing."""

    attach_type: int | None = None
    session: Session | None = None


def multi_attach_of(btf: Btf) -> MultiAttach:
    """Return what the kernel of this BTF has."""
    enum = btf.find(Kind.ENUM, "bpf_attach_type")
    types = {} if enum is None else {each.name: each.value for each in btf.enumerators(enum)}
    session, is_return, cookie = (
        types.get(_SESSION),
        btf.find(Kind.FUNC, _IS_RETURN),
        btf.find(Kind.FUNC, _COOKIE),
    )
    if session is None or is_return is None or cookie is None:
        return MultiAttach(types.get(_MULTI))
    calls = call_of(is_return), call_of(cookie)
    return MultiAttach(types.get(_MULTI), Session(session, *calls))


@lru_cache
def find_multi_attach() -> MultiAttach:
    """Return what the running kernel has. Reading BTF takes 50 ms."""
    try:
        return multi_attach_of(Btf.load(BTF_PATH))
    except (OSError, BtfError):
        return MultiAttach()
