# SPDX-License-Identifier: Apache-2.0
"""What BCC compiles against: the tree's text, the choice, and BCC itself compiling."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import ROOT
from app.btf.format import BtfError
from app.btf.reader import Btf
from app.errors import ProbedeckError
from app.kernel import bcc_headers
from app.kernel.bcc_headers import HeaderSource, ensure_tree, find_headers
from app.kernel.build import running_version_code
from app.kernel.include_tree import Machine, include_files
from tests.support.btf_builder import BtfBuilder

RUNNING = Path("/sys/kernel/btf/vmlinux")
running = pytest.mark.skipif(not RUNNING.exists(), reason="this kernel offers no BTF")
with_bcc = pytest.mark.skipif(
    os.geteuid() != 0 or importlib.util.find_spec("bcc") is None, reason="needs root and BCC"
)


def small_kernel() -> BtfBuilder:
    b = BtfBuilder()
    long = b.integer("long unsigned int", 8)
    b.record("pt_regs", 16, [("di", long, 0), ("si", long, 64)])
    return b


def test_files_say_what_the_machine_is() -> None:
    files = include_files(Btf(small_kernel().build()), Machine(0x061299, 65536))
    assert "#define LINUX_VERSION_CODE 397977\n" in files["include/linux/version.h"]
    assert "#define PAGE_SIZE 65536UL\n" in files["include/asm/page.h"]
    assert "struct pt_regs {" in files["include/generated/probedeck_types.h"]
    assert "user_pt_regs" not in files["include/generated/probedeck_types.h"]


def test_arm64_registers_are_there_when_the_kernel_has_them() -> None:
    b = small_kernel()
    long = b.integer("long unsigned int", 8)
    b.record("user_pt_regs", 272, [("regs", b.array(long, 31), 0)])
    text = include_files(Btf(b.build()), Machine(1, 4096))["include/generated/probedeck_types.h"]
    assert "struct user_pt_regs {" in text


def test_a_kernel_without_the_types_is_refused() -> None:
    with pytest.raises(BtfError, match="pt_regs"):
        include_files(Btf(BtfBuilder().build()), Machine(1, 4096))


@pytest.fixture
def btf_path(tmp_path: Path) -> Path:
    path = tmp_path / "vmlinux"
    path.write_bytes(small_kernel().build())
    return path


def test_tree_is_kept_by_content(btf_path: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = ensure_tree(btf_path, cache)
    assert ensure_tree(btf_path, cache) == first
    data = btf_path.read_bytes()
    changed = data.replace(b"\0si\0", b"\0so\0")
    assert len(changed) == len(data)
    btf_path.write_bytes(changed)
    second = ensure_tree(btf_path, cache)
    assert second != first
    assert "so;" in (second / "include/generated/probedeck_types.h").read_text()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("running_build_id", lambda: "0123"),
        ("running_version_code", lambda: 1),
        ("GENERATOR_VERSION", 99),
    ],
)
def test_tree_is_kept_by_build_and_version(
    btf_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    first = ensure_tree(btf_path, tmp_path / "cache")
    monkeypatch.setattr(bcc_headers, name, value)
    assert ensure_tree(btf_path, tmp_path / "cache") != first


def installed_headers(modules: Path) -> Path:
    build = modules / os.uname().release / "build"
    (build / "include" / "generated").mkdir(parents=True)
    (build / "include" / "generated" / "autoconf.h").touch()
    return build


def test_btf_comes_first(btf_path: Path, tmp_path: Path) -> None:
    installed_headers(tmp_path / "modules")
    found = find_headers(btf_path, tmp_path / "cache", tmp_path / "modules")
    assert found.origin == "btf"
    assert found.environment == {"BCC_KERNEL_SOURCE": str(found.path)}


def test_without_btf_the_distributions_headers(tmp_path: Path) -> None:
    build = installed_headers(tmp_path / "modules")
    found = find_headers(tmp_path / "none", tmp_path / "cache", tmp_path / "modules")
    assert found == HeaderSource("headers", build, {})


def test_with_neither_the_reason_names_both(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"no BTF")
    for name, words in (("none", "No such file"), ("broken", "magic number")):
        with pytest.raises(ProbedeckError) as caught:
            find_headers(tmp_path / name, tmp_path / "cache", tmp_path / "modules")
        assert (caught.value.status, caught.value.code) == (501, "unavailable")
        assert words in caught.value.extra["reason"]
        assert "no kernel headers" in caught.value.extra["reason"]
        assert "linux-headers-" in caught.value.extra["hint"]
        assert "CONFIG_DEBUG_INFO_BTF" in caught.value.extra["hint"]


def test_an_unsafe_cache_is_named(btf_path: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    with pytest.raises(ProbedeckError) as caught:
        find_headers(btf_path, cache, tmp_path / "modules")
    assert "can be written by others" in caught.value.extra["reason"]
    assert "--cache-dir" in caught.value.extra["hint"]


def test_apply_leaves_no_variable_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCC_KERNEL_SOURCE", "/elsewhere")
    monkeypatch.setenv("BCC_LINUX_VERSION_CODE", "1")
    HeaderSource("headers", Path("/x"), {}).apply()
    assert "BCC_KERNEL_SOURCE" not in os.environ
    assert "BCC_LINUX_VERSION_CODE" not in os.environ
    HeaderSource("btf", Path("/x"), {"BCC_KERNEL_SOURCE": "/x"}).apply()
    assert os.environ["BCC_KERNEL_SOURCE"] == "/x"


COMPILE = r"""
import sys
from pathlib import Path
from bcc import BPF
from app.kernel.bcc_headers import find_headers

source, btf, cache = sys.argv[1:]
find_headers(Path(btf), Path(cache)).apply()
bpf = BPF(text=Path(source).read_text())
for name in (b"enter", b"leave"):
    bpf.load_func(name, BPF.TRACEPOINT)
print("loaded", len(bpf["lost"]))
"""
PROGRAM = Path(__file__).with_name("every_feature.c")


@with_bcc
@running
def test_bcc_compiles_every_kind_of_program(tmp_path: Path) -> None:
    """Tracepoints, kprobes and the maps of Probedeck, without one warning."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, PROGRAM, RUNNING, tmp_path / "cache"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "loaded 4\n")


@with_bcc
@running
def test_bcc_sees_this_kernels_version(tmp_path: Path) -> None:
    program = tmp_path / "version.c"
    program.write_text(
        f'_Static_assert(LINUX_VERSION_CODE == {running_version_code()}, "version");\n'
        "BPF_PERCPU_ARRAY(lost, u64, 4);\n"
        "int enter(void *ctx) { return 0; }\nint leave(void *ctx) { return 0; }\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, program, RUNNING, tmp_path / "cache"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
