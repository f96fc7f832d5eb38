# SPDX-License-Identifier: Apache-2.0
"""`./test`: runs the parts of the tests and sums them up.

What runs on this machine runs in turn; virtual machines run beside it (tests/runner/lanes.py). A
failed part does not keep the next from running. The last line is `N passed, M failed`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from app import ROOT
from app.linux import signals
from app.linux.process import end_with_parent, keep_niceness
from app.machine import kernels, qemu, templates
from app.machine.machine import SHARE, LostMachineError, Machine, with_second_try
from tests.runner import bytecode, junit, node, processes
from tests.runner.junit import Count
from tests.runner.lanes import Lanes, write_count
from tests.runner.processes import PART_TIMEOUT_S, command, say
from tests.runner.results import Result, account, confirmed, together

RESULTS = ROOT / "test-results"
SCRIPTS = ["run", "test", "bench", ".ci/run", "tools/install.sh", "app/machine/init"]
SCRIPTS += ["tools/pin_requirements"]
BOOT_TIMEOUT_S = 600.0  # beside other parts
MACHINE_TIMEOUT_S = 3600.0  # for all its tests, beside other parts
EVERYTHING_TIMEOUT_S = 4 * 3600.0
# Longer than any test may take (tests/conftest.py): then the guest itself hangs, as 5.10 once did
# while its function tracer was switched. The tests are run once more, in another machine.
SILENCE_S = 660.0
SYSTEMD_SUITE = "trixie"
TREE, TEMPLATES = "tree", "templates"  # in the folder shared with a machine
GIVEN_TEMPLATES = "PROBEDECK_TEST_TEMPLATES"  # where tests find them (tests/support/fixtures.py)
# hypothesis would store examples in the tree, which is read-only in a machine.
IN_MACHINE = ["-v", "-p", "no:hypothesispytest"]


def check(name: str, argv: Sequence[str]) -> Count:
    """Run a program as one test, which passes when the program succeeds."""
    return Count(failures=[name]) if command(argv) else Count(passed=1)


def pytest(name: str, *arguments: str, prefix: Sequence[str] = (), **environment: str) -> Count:
    """Run pytest on this machine."""
    report = RESULTS / f"{name}.xml"
    argv = [*prefix, *pytest_command(report), *arguments]
    status = command(argv, **environment)
    return confirmed(junit.read(report), status)


def pytest_command(report: Path) -> list[str]:
    """Return a pytest command that writes nothing into the tree but its report."""
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}"]


def lint() -> Count:
    """Run ruff, mypy, vulture and shellcheck; biome and tsc on the page's modules."""
    python = [sys.executable, "-m"]
    node_tools = ROOT / ".cache/node-tools/node_modules/.bin"
    return together(
        check("ruff check", [*python, "ruff", "check", "--no-cache"]),
        check("ruff format", [*python, "ruff", "format", "--check", "--no-cache"]),
        check("mypy", [*python, "mypy", f"--cache-dir={ROOT}/.cache/mypy"]),
        check("vulture", [*python, "vulture"]),
        check("shellcheck", ["shellcheck", *SCRIPTS]),
        check("biome", [f"{node_tools}/biome", "check", "--error-on-warnings"]),
        check("tsc", [f"{node_tools}/tsc", "--project", "."]),
    )


def unit() -> Count:
    """Run the unit tests of Python and of the page's modules."""
    return together(pytest("unit", "tests/unit"), node.run())


def web() -> Count:
    """Run the real web server around a fake probe manager: HTTP, websockets, life cycle."""
    return pytest("web", "tests/web_server")


def other_processes() -> Count:
    """Run the installer and the programs that boot machines, with fakes of what they start."""
    return pytest("processes", "tests/processes")


def integration() -> Count:
    """Run the real service on this machine's kernel, and half a minute of the soak test."""
    return pytest("integration", "tests/integration", "tests/soak")


def soak() -> Count:
    """Run the soak test for ten minutes, or for PROBEDECK_SOAK_S seconds."""
    seconds = float(os.environ.get("PROBEDECK_SOAK_S", "600"))
    report = RESULTS / "soak.xml"
    argv = [*pytest_command(report), "tests/soak"]
    status = command(argv, seconds + PART_TIMEOUT_S, PROBEDECK_SOAK_S=str(seconds))
    return confirmed(junit.read(report), status)


def kernel_native() -> Count:
    """Run the kernel tests on this machine's kernel; what it does not allow is skipped."""
    # tracefs is mounted for these processes alone.
    mount = "mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing"
    private = ["unshare", "--mount", "sh", "-c", f'{mount}; exec "$@"', "sh"]
    return pytest("kernel-native", "tests/kernels", prefix=private)


def browser() -> Count:
    """Run the page in Chromium."""
    return pytest("browser", "tests/browser")


def systemd() -> Count:
    """Run the service under systemd on this machine's kernel."""
    return pytest("systemd", "tests/systemd")


def systemd_in_machine() -> Count:
    """Run the service under systemd on a kernel with every mode."""
    return in_machine(SYSTEMD_SUITE, "systemd", "tests/systemd")


def in_machine(
    suite: str,
    name: str = "kernel",
    tests: str = "tests/kernels",
    timeout_s: float = MACHINE_TIMEOUT_S,
    **environment: str,
) -> Count:
    """Run tests in one pytest process, in a virtual machine with a Debian suite's kernel.

    A skipped test is a failure there. The report comes out through the shared folder and is counted
    here, as the machine's exit status alone proves nothing.
    """
    try:
        kernel = kernels.newest(suite, say=say)
    except kernels.KernelError as error:
        return Count(failures=[str(error)])
    say(f"Booting Linux {kernel.release}")
    report = f"{name}-{suite}.xml"
    (RESULTS / report).unlink(missing_ok=True)

    def boot(host: qemu.Host) -> int:
        with tempfile.TemporaryDirectory(prefix="probedeck-test-") as share:
            bytecode.compile_tree(Path(share, TREE), tests)
            templates.compile_into(Path(share, TEMPLATES), say)
            argv = [*pytest_command(Path(SHARE, report)), *IN_MACHINE, tests]
            machine = Machine(
                kernel,
                Path(share),
                bytecode.mounted(f"{SHARE}/{TREE}", argv),
                environment={
                    "PROBEDECK_KERNEL_TESTS": "force",
                    "PROBEDECK_KERNEL_SUITE": suite,
                    GIVEN_TEMPLATES: f"{SHARE}/{TEMPLATES}",
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PYTHONUNBUFFERED": "1",
                    "TMPDIR": "/dev/shm",  # in the guest's own memory, which is cheap
                    **environment,
                },
                output=say,
                host=host,
            )
            with machine:
                status = machine.wait(timeout_s, BOOT_TIMEOUT_S, silence_s=SILENCE_S)
            written = Path(share, report)
            if written.exists():
                shutil.copyfile(written, RESULTS / report)
        return status

    try:
        status = with_second_try(boot, say)
    except (LostMachineError, qemu.MissingProgramError) as error:
        say(str(error))
        return Count(failures=[f"{suite}: {str(error).splitlines()[0]}"])
    return confirmed(junit.strict(junit.read(RESULTS / report)), status)


def everything(suite: str) -> Count:
    """Run all kernel tests on a suite's kernel, including those left to other suites."""
    return in_machine(
        suite, "everything", timeout_s=EVERYTHING_TIMEOUT_S, PROBEDECK_KERNEL_EVERYWHERE="1"
    )


# A part has tests on this machine, in a virtual one, or both.
HERE: dict[str, Callable[[], Count]] = {
    "lint": lint,
    "unit": unit,
    "web": web,
    "processes": other_processes,
    "integration": integration,
    "kernel-native": kernel_native,
    "browser": browser,
    "systemd": systemd,
    "soak": soak,
}
IN_MACHINES: dict[str, Callable[[], Count]] = {
    "systemd": systemd_in_machine,
    **{f"kernel-{suite}": lambda suite=suite: in_machine(suite) for suite in kernels.SUITES},
    **{f"everything-{suite}": lambda suite=suite: everything(suite) for suite in kernels.SUITES},
}
PARTS = [*HERE, *(part for part in IN_MACHINES if part not in HERE)]
WITHOUT_ROOT = {"lint", "unit", "web", "processes"}
GROUPS = {
    "all": [part for part in PARTS if part != "soak" and not part.startswith("everything-")],
    "long": ["soak", *(f"everything-{suite}" for suite in kernels.SUITES)],
    "kernels": [f"kernel-{suite}" for suite in kernels.SUITES],
}


def run(chosen: Sequence[str]) -> list[Result]:
    """Run parts, and return their results in this order.

    Output of virtual machines follows that of the parts that run here.
    """
    results = {part: Result(part, Count(), 0.0) for part in chosen}
    for part in chosen:
        (RESULTS / f"{part}.xml").unlink(missing_ok=True)  # a report of an earlier run

    def add(part: str, count: Count, took_s: float) -> None:
        before = results[part]
        results[part] = Result(part, together(before.count, count), before.took_s + took_s)

    alone = not any(part in HERE for part in chosen)
    with Lanes([part for part in chosen if part in IN_MACHINES], alone=alone) as lanes:
        for part in chosen:
            if part in HERE:
                say(f"== {part}")
                start = time.monotonic()
                add(part, HERE[part](), time.monotonic() - start)
        for part in lanes.jobs:
            say(f"== {part}, in a virtual machine" if part in HERE else f"== {part}")
            job = lanes.show(part, write)
            add(part, job.count, job.took_s)
    return list(results.values())


def write(data: bytes) -> None:
    """Pass on output of another process."""
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def run_beside(part: str, written: Path) -> None:
    """Run a part's virtual machine for the `Lanes` of another process, and write its count."""
    end_with_parent()
    keep_niceness()
    write_count(written, IN_MACHINES[part]())


def main(argv: Sequence[str]) -> int:
    """Run the named parts, or all; return 1 when a test has failed."""
    names = [*PARTS, *GROUPS]
    parser = argparse.ArgumentParser(prog="./test", description="Run the tests, or parts of them.")
    parser.add_argument(
        "parts", nargs="*", default=["all"], metavar="PART", help=f"one of: {', '.join(names)}"
    )
    # For `test`, before it installs anything; and for tests/runner/lanes.py.
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--beside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    wanted = options.parts
    signals.restore()
    if unknown := [part for part in wanted if part not in names]:
        parser.error(f"unknown part: {', '.join(unknown)} (choose from: {', '.join(names)})")
    chosen = [part for name in wanted for part in GROUPS.get(name, [name])]
    if os.geteuid() != 0 and not set(chosen) <= WITHOUT_ROOT:
        sys.stderr.write("These tests load BPF programs, which needs root; run: sudo ./test\n")
        return 1
    if options.check:
        return 0
    # Unwind on SIGTERM and on the end of the terminal, without a summary.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    RESULTS.mkdir(exist_ok=True)
    if options.beside:
        run_beside(*chosen, options.beside)
        return 0
    processes.adopt_orphans()
    try:
        results = run(list(dict.fromkeys(chosen)))
    finally:
        processes.kill_descendants()  # of interrupted machines
    say("\n" + account(results))
    return 1 if any(result.count.failures for result in results) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
