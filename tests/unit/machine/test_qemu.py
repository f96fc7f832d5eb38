# SPDX-License-Identifier: Apache-2.0
"""Command lines, and the detection of the host's programs and KVM."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.machine import qemu
from app.machine.kernels import Kernel

INTEL = "processor\t: 0\nflags\t\t: fpu vme vmx ssse3\nbugs\t\t: spectre\n"
AMD = "processor\t: 0\nflags\t\t: fpu svm\n"
NEITHER = "processor\t: 0\nflags\t\t: fpu vme\nvmx flags\t: vnmi\n"


@pytest.fixture
def host() -> qemu.Host:
    return qemu.Host("/usr/bin/qemu-system-x86_64", qemu.C_VIRTIOFSD, kvm=False, threads=False)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel("trixie", "6.12.1", "6.12.1-1", tmp_path)


def line(host: qemu.Host, kernel: Kernel, hardware: qemu.Hardware) -> str:
    return " ".join(qemu.qemu_command(host, kernel, hardware, filesystem=5, console=6))


@pytest.mark.parametrize(
    ("cpuinfo", "device", "expected"),
    [(INTEL, True, True), (AMD, True, True), (INTEL, False, False), (NEITHER, True, False)],
    ids=["Intel", "AMD", "no device", "a device without the processor's extension"],
)
def test_kvm_needs_the_processor_and_the_device(
    tmp_path: Path, cpuinfo: str, device: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qemu.shutil, "which", lambda name: "/bin/true")
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    if device:
        (tmp_path / "kvm").touch()
    found = qemu.detect(tmp_path / "cpuinfo", tmp_path / "kvm", [tmp_path / "cpuinfo"])
    assert found.kvm is expected


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu.shutil, "which", lambda name: None)
    with pytest.raises(qemu.MissingProgramError, match="qemu-system-x86"):
        qemu.detect()
    monkeypatch.setattr(qemu.shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(qemu.MissingProgramError, match="virtiofsd"):
        qemu.detect(virtiofsd=[tmp_path / "virtiofsd"])


def test_emulation_avoids_the_instruction_that_panics(host: qemu.Host, kernel: Kernel) -> None:
    command = line(host, kernel, qemu.Hardware())
    assert "-accel tcg" in command
    assert "-cpu Nehalem,-cx16" in command


@pytest.mark.parametrize(
    ("told", "threads"),
    [
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)", "single"),
        ("QEMU emulator version 8.0.4", "single"),
        ("QEMU emulator version 8.1.0", "multi"),
        ("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)", "multi"),
        ("unknown", "single"),
    ],
)
def test_old_emulation_has_one_thread(
    told: str, threads: str, kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "qemu"
    program.write_text(f"#!/bin/sh\necho '{told}'\n")
    program.chmod(0o755)
    monkeypatch.setattr(qemu.shutil, "which", lambda name: str(program))
    found = qemu.detect(kvm=tmp_path / "none", virtiofsd=[program])
    command = line(found, kernel, qemu.Hardware(cpus=2))
    assert f"-accel tcg,thread={threads}," in command
    assert "-smp 2" in command


def test_with_kvm_the_processor_is_the_host_s(host: qemu.Host, kernel: Kernel) -> None:
    command = line(
        qemu.Host(host.qemu, host.virtiofsd, kvm=True, threads=True), kernel, qemu.Hardware()
    )
    assert "-accel kvm -cpu host" in command
    assert "tcg" not in command


def test_counted_instructions_need_one_emulated_processor(host: qemu.Host, kernel: Kernel) -> None:
    kvm = replace(host, kvm=True)
    command = line(kvm, kernel, qemu.Hardware(cpus=2, icount=0))
    assert "-accel tcg,thread=single" in command
    assert "-icount shift=0 -smp 1" in command
    assert "kvm" not in command
    assert "icount" not in line(host, kernel, qemu.Hardware(cpus=2))


def test_there_is_no_network_unless_asked_for(host: qemu.Host, kernel: Kernel) -> None:
    command = line(host, kernel, qemu.Hardware())
    assert "netdev" not in command
    assert "-nodefaults" in command
    assert "VM_NETWORK" not in command


def test_a_forwarded_port_is_all_there_is_of_a_network(host: qemu.Host, kernel: Kernel) -> None:
    command = line(host, kernel, qemu.Hardware(forwarded_port=5001))
    assert "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:5001-:5001" in command
    assert "VM_NETWORK=1" in command


def test_ports_and_terminal(host: qemu.Host, kernel: Kernel) -> None:
    command = line(host, kernel, qemu.Hardware(ports={"a": 8, "b": 9}, terminal=10))
    assert "socket,id=port1,fd=8 -device virtserialport,nr=1,chardev=port1,name=a" in command
    assert "socket,id=port2,fd=9 -device virtserialport,nr=2,chardev=port2,name=b" in command
    console = command.index("-serial chardev:console")
    assert console < command.index("-serial chardev:terminal")  # ttyS0 is the kernel's


def test_the_first_root_is_given_when_there_is_one(host: qemu.Host, kernel: Kernel) -> None:
    assert "-initrd" not in line(host, kernel, qemu.Hardware())
    (kernel.folder / "initrd").touch()
    assert f"-initrd {kernel.folder}/initrd" in line(host, kernel, qemu.Hardware())


def test_both_kinds_of_virtiofsd(host: qemu.Host) -> None:
    in_c = qemu.virtiofsd_command(host, "/r", 7)
    assert "--fd=7" in in_c
    assert "source=/r,cache=always,sandbox=chroot" in in_c[-1]
    rust = qemu.Host(host.qemu, Path("/usr/libexec/virtiofsd"), kvm=False, threads=False)
    in_rust = qemu.virtiofsd_command(rust, "/r", 7)
    assert {"--fd=7", "--shared-dir=/r", "--cache=always", "--sandbox=chroot"} <= set(in_rust)
    assert "-o" not in in_rust
