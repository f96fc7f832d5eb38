# SPDX-License-Identifier: Apache-2.0
"""`./test`: runs the parts of the tests in turn and sums them up.

A failed part does not keep the next from running. The last line is `N passed, M failed`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app import ROOT
from app.linux import signals
from app.machine import kernels, qemu
from app.machine.machine import SHARE, LostMachineError, Machine, with_second_try
from tests.runner import junit
from tests.runner.junit import Count

RESULTS = ROOT / "test-results"
SCRIPTS = ["run", "test", "bench", ".ci/run", "tools/install.sh", "app/machine/init"]
SCRIPTS += ["tools/pin_requirements"]
PART_TIMEOUT_S = 2400.0
SYSTEMD_SUITE = "trixie"
# hypothesis would store examples in the tree, which is read-only in a machine.
IN_MACHINE = ["-v", "-p", "no:hypothesispytest"]


def say(text: str) -> None:
    """Print a line and flush it, as the output may be a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def command(argv: Sequence[str], timeout_s: float = PART_TIMEOUT_S, **environment: str) -> int:
    """Run a program at the root of the tree; return its exit status, 124 after a time-out."""
    process = subprocess.Popen(
        argv, cwd=ROOT, env={**os.environ, **environment}, start_new_session=True
    )
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        say(f"{argv[0]}: not done within {timeout_s:g} s")
        return 124
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # no process of the group is left, as it should be
        process.wait()


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


def confirmed(count: Count, status: int) -> Count:
    """Return the count, with a failure added when pytest failed and its report has none."""
    if status != 0 and not count.failures:
        count.failures.append(f"pytest ended with status {status}")
    return count


def together(*counts: Count) -> Count:
    """Return the sum of several counts."""
    return Count(
        sum(count.passed for count in counts),
        [failure for count in counts for failure in count.failures],
        [skip for count in counts for skip in count.skips],
    )


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
    return together(pytest("unit", "tests/unit"), node())


def node() -> Count:
    """Run the tests of the page's modules under Node's test runner."""
    files = sorted(str(path) for path in (ROOT / "tests/unit/js").glob("*.test.*js"))
    try:
        done = subprocess.run(
            ["node", "--test", "--test-reporter=tap", *files],
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            timeout=PART_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return Count(failures=[str(error)])
    count = count_tap(done.stdout)
    if done.returncode != 0 or count.failures:
        say(done.stdout + done.stderr)
    else:
        say(f"node --test: {count.passed} passed")
    return confirmed(count, done.returncode)


def count_tap(report: str) -> Count:
    """Count the tests from the totals at the end of a TAP report of Node."""
    totals = {name: int(n) for name, n in re.findall(r"^# (\w+) (\d+)$", report, re.MULTILINE)}
    failed = totals.get("fail", 0) + totals.get("cancelled", 0)
    count = Count(totals.get("pass", 0), ["node --test"] * failed)
    count.skips = ["node --test"] * (totals.get("skipped", 0) + totals.get("todo", 0))
    if not totals.get("tests"):
        count.failures.append("node ran no test")
    return count


def web() -> Count:
    """Run the real web server around a fake probe manager: HTTP, websockets, life cycle."""
    return pytest("web", "tests/web_server")


def processes() -> Count:
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
    """Run the service under systemd, on this machine's kernel and on one with every mode."""
    return together(
        pytest("systemd", "tests/systemd"), in_machine(SYSTEMD_SUITE, "systemd", "tests/systemd")
    )


def in_machine(
    suite: str, name: str = "kernel", tests: str = "tests/kernels", **environment: str
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
            machine = Machine(
                kernel,
                Path(share),
                [*pytest_command(Path(SHARE, report)), *IN_MACHINE, tests],
                environment={
                    "PROBEDECK_KERNEL_TESTS": "force",
                    "PROBEDECK_KERNEL_SUITE": suite,
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PYTHONUNBUFFERED": "1",
                    "TMPDIR": "/dev/shm",  # in the guest's own memory, which is cheap
                    **environment,
                },
                output=say,
                host=host,
            )
            with machine:
                status = machine.wait(timeout_s=PART_TIMEOUT_S)
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
    return in_machine(suite, "everything", PROBEDECK_KERNEL_EVERYWHERE="1")


PARTS: dict[str, Callable[[], Count]] = {
    "lint": lint,
    "unit": unit,
    "web": web,
    "processes": processes,
    "integration": integration,
    "kernel-native": kernel_native,
    "browser": browser,
    "systemd": systemd,
    "soak": soak,
    **{f"kernel-{suite}": lambda suite=suite: in_machine(suite) for suite in kernels.SUITES},
    **{f"everything-{suite}": lambda suite=suite: everything(suite) for suite in kernels.SUITES},
}
WITHOUT_ROOT = {"lint", "unit", "web", "processes"}
GROUPS = {
    "all": [part for part in PARTS if part != "soak" and not part.startswith("everything-")],
    "long": ["soak", *(f"everything-{suite}" for suite in kernels.SUITES)],
    "kernels": [f"kernel-{suite}" for suite in kernels.SUITES],
}


@dataclass(frozen=True)
class Result:
    """The outcome of a part; `took_s` is in seconds."""

    part: str
    count: Count
    took_s: float


def account(results: Sequence[Result]) -> str:
    """Return a table of all parts, the failures, and the line that sums them up."""
    lines = [f"{'part':24} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}"]
    for result in results:
        count = result.count
        lines.append(
            f"{result.part:24} {count.passed:7} {count.failed:7} {len(count.skips):8}"
            f" {result.took_s:8.1f}"
        )
    for result in results:
        lines += [f"FAILED {result.part}: {failure}" for failure in result.count.failures]
    total = together(*(result.count for result in results))
    return "\n".join([*lines, f"{total.passed} passed, {total.failed} failed"])


def main(argv: Sequence[str]) -> int:
    """Run the named parts, or all; return 1 when a test has failed."""
    names = [*PARTS, *GROUPS]
    parser = argparse.ArgumentParser(prog="./test", description="Run the tests, or parts of them.")
    parser.add_argument(
        "parts", nargs="*", default=["all"], metavar="PART", help=f"one of: {', '.join(names)}"
    )
    wanted = parser.parse_args(argv).parts
    signals.restore()
    if unknown := [part for part in wanted if part not in names]:
        parser.error(f"unknown part: {', '.join(unknown)} (choose from: {', '.join(names)})")
    chosen = [part for name in wanted for part in GROUPS.get(name, [name])]
    if os.geteuid() != 0 and not set(chosen) <= WITHOUT_ROOT:
        sys.stderr.write("These tests load BPF programs, which needs root; run: sudo ./test\n")
        return 1
    # Unwind on SIGTERM, without a summary.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    RESULTS.mkdir(exist_ok=True)
    results = []
    for part in dict.fromkeys(chosen):
        say(f"== {part}")
        (RESULTS / f"{part}.xml").unlink(missing_ok=True)  # a report of an earlier run
        start = time.monotonic()
        results.append(Result(part, PARTS[part](), time.monotonic() - start))
    say("\n" + account(results))
    return 1 if any(result.count.failures for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
