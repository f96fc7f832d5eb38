# SPDX-License-Identifier: Apache-2.0
"""The functions of tests/kernels/any_functions.py, checked without our own programs.

Each is in the kernel's BTF, once, and in its list of symbols, once; its arguments have the names
that the expressions begin with; and ftrace sees the workload call it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.btf.prototypes import Function, find_function
from app.btf.reader import Btf
from app.kernel.symbols import TextSymbols
from app.kernel.tracepoint_format import parse_format
from app.linux import tracefs
from tests.kernels.any_functions import CASES, FUNCTIONS, TRACEPOINT, Case
from tests.support.any_calls import any_calls

INSTANCE = "probedeck-any-names"


@pytest.fixture(scope="module")
def btf() -> Btf:
    return Btf.load(Path("/sys/kernel/btf/vmlinux"))


@pytest.fixture(scope="module")
def symbols() -> TextSymbols:
    return TextSymbols.load()


@pytest.fixture(scope="module")
def events() -> Iterator[Path]:
    with tracefs.opened() as folder:
        yield folder / "events"


def roots(case: Case) -> set[str]:
    """The names that the expressions of a case begin with."""
    found = set()
    for expression, _ in case.columns.values():
        plain = re.sub(r"^(?:cast\(struct \w+, |\w+\()?(\w+).*$", r"\1", expression)
        found.add(plain)
    return found


def prototype(case: Case, btf: Btf) -> Function:
    found = (find_function(btf, name) for name in case.names)
    return next(each for each in found if each is not None)


def test_there_are_enough_of_them() -> None:
    assert len({case.names for case in FUNCTIONS}) >= 60
    labels = [case.label for case in CASES]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("case", FUNCTIONS, ids=lambda case: case.label)
def test_a_function_has_the_arguments_that_are_asked_for(
    case: Case, btf: Btf, symbols: TextSymbols
) -> None:
    function = prototype(case, btf)
    assert symbols.count(function.name) == 1
    assert roots(case) <= {parameter.name for parameter in function.parameters} | {"ret"}
    assert set(case.key) <= set(case.columns)


OTHERS = [case for case in CASES if case not in FUNCTIONS]


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: f"{case.kind}-{case.label}")
def test_a_tracepoint_has_the_fields_that_are_asked_for(case: Case, events: Path) -> None:
    prefix = "" if case.kind == TRACEPOINT else "syscalls/sys_enter_"
    files = [events / f"{prefix}{name}".replace(":", "/") / "format" for name in case.names]
    file = next(file for file in files if file.exists())
    assert roots(case) <= {field.name for field in parse_format(file.read_text())}
    assert set(case.key) <= set(case.columns)


@contextmanager
def ftrace_instance(folder: Path) -> Iterator[Path]:
    instance = folder / "instances" / INSTANCE
    instance.mkdir()
    try:
        yield instance
    finally:
        (instance / "current_tracer").write_text("nop")
        instance.rmdir()


def test_the_workload_calls_each_function(btf: Btf) -> None:
    workloads = defaultdict(set)
    for case in FUNCTIONS:
        workloads[case.workload].add(prototype(case, btf).name)
    with tracefs.opened() as folder:
        try:
            text = (folder / "available_filter_functions").read_text()
        except PermissionError:
            pytest.skip("locked down: ftrace cannot be used")
        traceable = {line.split()[0] for line in text.splitlines()}
        wanted = {name for names in workloads.values() for name in names}
        assert wanted <= traceable
        with ftrace_instance(folder) as instance, any_calls() as calls:
            (instance / "set_ftrace_filter").write_text("\n".join(sorted(wanted)))
            (instance / "set_ftrace_pid").write_text(str(calls.pid))
            (instance / "current_tracer").write_text("function")
            silent = {}
            for workload, names in workloads.items():
                (instance / "trace").write_text("")
                calls.run(workload)
                called = set(re.findall(r": (\w+) <-", (instance / "trace").read_text()))
                if names - called:
                    silent[workload] = names - called
    assert silent == {}
