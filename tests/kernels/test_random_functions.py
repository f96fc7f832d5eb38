# SPDX-License-Identifier: Apache-2.0
"""A thousand functions of this kernel, drawn by chance: each attaches, fires and detaches.

What cannot be traced is refused with a reason that is true, and the kernel never says a word.
"""

from __future__ import annotations

import os
import resource
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from app.btf.format import Kind
from app.kernel.denied_functions import why_denied
from app.kernel.functions import FUNCTION
from app.kernel.functions_reasons import why_not
from app.linux import tracefs
from tests.support import kernel
from tests.support.any_calls import AnyCalls, any_calls
from tests.support.any_workload import WORKLOADS
from tests.support.direct_probes import DirectProbe, Plans, batches, direct_probe
from tests.support.function_tracer import function_tracer
from tests.support.random_functions import COUNT, Lists, draw, others, possible
from tests.support.refusal_checks import RefusalChecks
from tests.support.running_types import RUNNING, running_btf
from tests.support.waiting import wait_until

KALLSYMS = Path("/proc/kallsyms")
BLACKLIST = Path("/sys/kernel/debug/kprobes/blacklist")
MODES = ("fentry", "fexit", "kprobe", "kretprobe")
AT_ONCE = 32  # as many as a service has
# One needs a module, of the other the kernel's log tells.
RUN = [name for name in WORKLOADS if name not in ("disks", "out_of_memory")]
OTHERS = 512


@pytest.fixture(scope="module")
def in_btf() -> Counter[str]:
    btf = running_btf()
    return Counter(btf.name(type_id) for type_id in btf if btf.kind(type_id) == Kind.FUNC)


@pytest.fixture(scope="module")
def lists() -> Lists:
    try:
        with tracefs.opened() as folder:
            return Lists.read(folder, KALLSYMS, BLACKLIST)
    except OSError as error:
        if kernel.forced():
            raise
        pytest.skip(f"locked down: {error}")


@pytest.fixture(scope="module")
def drawn(lists: Lists, in_btf: Counter[str]) -> list[list[str]]:
    """A thousand functions that nothing but their signatures can prevent from being traced."""
    return batches(draw(possible(lists, in_btf, why_denied)), AT_ONCE)


@pytest.fixture(scope="module")
def drawn_others(lists: Lists, in_btf: Counter[str]) -> list[list[str]]:
    """Functions of which most cannot be traced."""
    found = others(lists, in_btf, possible(lists, in_btf, why_denied))
    return batches(draw(found, OTHERS), AT_ONCE)


@pytest.fixture(scope="module")
def plans(cache: Path) -> Plans:
    if not kernel.in_test_machine():
        pytest.skip("a thousand functions of a kernel that is in use are not touched")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a tracer has one probe only
    return Plans(cache)


@pytest.fixture(scope="module")
def checks(lists: Lists, plans: Plans, in_btf: Counter[str]) -> RefusalChecks:
    return RefusalChecks(lists, plans, RUNNING, in_btf)


@pytest.fixture(scope="module")
def calls() -> Iterator[AnyCalls]:
    with any_calls() as process:
        yield process


@contextmanager
def unchanged_kernel() -> Iterator[None]:
    """Check that nothing is left in the kernel afterwards, and that its log gets no line."""
    objects, events = kernel.bpf_objects(), kernel.tracefs_events()
    log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.lseek(log, 0, os.SEEK_END)
        yield
        wait_until(lambda: kernel.bpf_objects() <= objects, "BPF objects to be gone")
        assert kernel.tracefs_events() == events
        assert list(lines(log)) == []
    finally:
        os.close(log)


def lines(log: int) -> Iterator[bytes]:
    """Yield the lines of /dev/kmsg that have not been read."""
    while True:
        try:
            yield os.read(log, 8192)
        except BlockingIOError:
            return


def test_the_draw_is_the_same_each_time(lists: Lists, in_btf: Counter[str]) -> None:
    names = possible(lists, in_btf, why_denied)
    drawn = draw(names)
    assert drawn == draw(sorted(names, reverse=True))
    assert len(set(drawn)) == COUNT
    assert drawn != draw(names, seed=1)
    assert not any(map(why_denied, drawn))
    assert set(drawn) <= set(lists.traceable) - set(lists.blacklist)
    rest = others(lists, in_btf, names)
    assert len(rest) > OTHERS and not set(rest) & set(names)


def refusals(names: list[str], mode: str, plans: Plans) -> dict[str, str]:
    """Return the codes of those refused."""
    found = {}
    for name in names:
        entry = plans.index.lookup(FUNCTION, name)
        if entry is None:
            found[name] = "unknown"
        elif refusal := why_not(entry, mode):
            found[name] = refusal.code
    return found


def check_refusals(refused: Mapping[str, str], mode: str, checks: RefusalChecks) -> None:
    """Check that they are true. The kernel's log tells of what is tried for that."""
    untrue = {name: (code, checks.fault(name, mode, code)) for name, code in refused.items()}
    assert {name: fault for name, fault in untrue.items() if fault[1]} == {}


def attach(
    stack: ExitStack, names: Iterable[str], mode: str, plans: Plans
) -> dict[str, DirectProbe]:
    probes = {}
    for name in names:
        plan = plans.plan(name, mode)
        probes[name] = stack.enter_context(direct_probe(plan, plans.template(plan.template)))
    return probes


def shared_out(count: int) -> list[object]:
    """Return batches, each with a mode in turn, for `./test long`."""
    return [
        pytest.param(
            number,
            MODES[number % len(MODES)],
            id=f"{number}-{MODES[number % len(MODES)]}",
            marks=pytest.mark.suites(),
        )
        for number in range(-(-count // AT_ONCE))
    ]


@pytest.mark.parametrize(("number", "mode"), shared_out(COUNT))
def test_functions_attach_fire_and_detach(
    number: int,
    mode: str,
    drawn: list[list[str]],
    plans: Plans,
    checks: RefusalChecks,
    calls: AnyCalls,
) -> None:
    refused = refusals(drawn[number], mode, plans)
    with unchanged_kernel(), ExitStack() as stack:
        names = [name for name in drawn[number] if name not in refused]
        probes = attach(stack, names, mode, plans)
        assert len(probes) > AT_ONCE // 8
        fired = seen_by_ftrace(probes, calls)
        rows = {name: probe.decoded() for name, probe in probes.items()}
        assert [each.faults for each in rows.values() if each.faults] == []
        wrong = {
            name: (rows[name].rows, probe.lost(), fired[name])
            for name, probe in probes.items()
            if rows[name].rows + sum(probe.lost().values()) != fired[name]
        }
        assert wrong == {}
    check_refusals(refused, mode, checks)


def seen_by_ftrace(probes: Mapping[str, DirectProbe], calls: AnyCalls) -> Counter[str]:
    """Run every workload with the probes shown what it does; return ftrace's count of calls."""
    with tracefs.opened() as folder, function_tracer(folder, probes, calls.pid) as tracer:
        for probe in probes.values():
            probe.trace(calls.pid)
        tracer.clear()
        for workload in RUN:
            calls.run(workload)
        found = tracer.calls()
        assert tracer.lost() == 0
        for probe in probes.values():
            probe.stop()
    return found


@pytest.mark.parametrize(("number", "mode"), shared_out(OTHERS))
def test_other_functions_attach_or_are_refused_for_a_true_reason(
    number: int, mode: str, drawn_others: list[list[str]], plans: Plans, checks: RefusalChecks
) -> None:
    refused = refusals(drawn_others[number], mode, plans)
    with unchanged_kernel(), ExitStack() as stack:
        names = [name for name in drawn_others[number] if name not in refused]
        attach(stack, names, mode, plans)
    check_refusals(refused, mode, checks)
