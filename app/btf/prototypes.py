# SPDX-License-Identifier: Apache-2.0
"""Prototypes of kernel functions, their types as C text."""

from __future__ import annotations

from dataclasses import dataclass

from app.btf import c_text
from app.btf.format import BtfError, Kind
from app.btf.reader import Btf


@dataclass(frozen=True)
class Parameter:
    """A function's parameter; `type` is its type as C text."""

    name: str
    type: str


@dataclass(frozen=True)
class Function:
    """A kernel function; `type_id` is what BPF_PROG_LOAD takes as attach_btf_id."""

    name: str
    type_id: int
    returns: str
    parameters: tuple[Parameter, ...]


def find_function(btf: Btf, name: str) -> Function | None:
    """Return a function's prototype, or None when the BTF has no function of this name.

    Raises BtfError for broken BTF.
    """
    type_id = btf.find(Kind.FUNC, name)
    if type_id is None:
        return None
    proto = btf.target(type_id)
    if btf.kind(proto) != Kind.FUNC_PROTO:
        raise BtfError(f"function {name} has no prototype")
    return Function(
        name,
        type_id,
        c_text.declare(btf, btf.target(proto)),
        tuple(Parameter(n, c_text.declare(btf, t)) for n, t in btf.parameters(proto)),
    )
