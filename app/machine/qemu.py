# SPDX-License-Identifier: Apache-2.0
"""The command lines of QEMU, for a machine, and of virtiofsd, for its root file system.

Pure, except for `detect` and `hardware`, which inspect the host.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.machine.kernels import Kernel

QEMU = "qemu-system-x86_64"
# Debian 12 and Ubuntu 22.04 have QEMU's own, in C; later releases a separate one, in Rust.
VIRTIOFSD = (Path("/usr/libexec/virtiofsd"), Path("/usr/lib/qemu/virtiofsd"))
C_VIRTIOFSD = Path("/usr/lib/qemu/virtiofsd")
# 6.12 panics at random in QEMU 7.2's emulation when the processor has cmpxchg16b:
# 4 of 8 boots with Nehalem, 0 of 8 without that instruction.
PROCESSOR = ["-cpu", "Nehalem,-cx16"]
EMULATION = {
    threads: ["-accel", f"tcg,thread={threads},tb-size=512", *PROCESSOR]
    for threads in ("single", "multi")
}
# Before QEMU 8.1, threads of emulation may run a translation of code that another one has just
# changed: kernels then end in "Oops: int3" or hang where they patch their own code, as tracing
# does all the time. Mended by QEMU's deba78709ae8, "accel/tcg: Always lock pages before
# translation".
THREADS_SINCE = (8, 1)
VIRTUALISATION = ["-accel", "kvm", "-cpu", "host"]
# nokaslr: addresses in reports are comparable; mitigations and clock checks only cost time in
# emulation; panic=-1 with -no-reboot ends QEMU at once when the kernel panics.
KERNEL_OPTIONS = (
    "console=ttyS0 quiet root=hostroot rootfstype=virtiofs ro init=/run/vm/init"
    " panic=-1 reboot=t nokaslr mitigations=off tsc=reliable random.trust_cpu=on net.ifnames=0"
)


class MissingProgramError(Exception):
    """QEMU or virtiofsd is not installed."""


@dataclass(frozen=True)
class Host:
    """What the host has for running machines.

    `threads`: emulated processors may run in threads of their own (`THREADS_SINCE`). `firmware` are
    folders of a QEMU that is not installed (app/machine/newer_qemu.py).
    """

    qemu: str
    virtiofsd: Path
    kvm: bool
    threads: bool
    firmware: tuple[str, ...] = ()


def detect(
    cpuinfo: Path = Path("/proc/cpuinfo"),
    kvm: Path = Path("/dev/kvm"),
    virtiofsd: Sequence[Path] = VIRTIOFSD,
) -> Host:
    """Find the programs, and whether KVM works; raises MissingProgramError.

    /dev/kvm alone proves nothing: it can exist on a processor without the extension.
    """
    qemu = shutil.which(QEMU)
    server = next((path for path in virtiofsd if path.exists()), None)
    if qemu is None:
        raise MissingProgramError(f"{QEMU} is missing: install it (Debian: qemu-system-x86)")
    if server is None:
        raise MissingProgramError(
            "virtiofsd is missing: install it (Debian: virtiofsd; Debian 12: qemu-system-common)"
        )
    flags = re.search(r"^flags\s*:.*\b(vmx|svm)\b", cpuinfo.read_text(), re.MULTILINE)
    usable_kvm = flags is not None and os.access(kvm, os.R_OK | os.W_OK)
    return Host(qemu, server, usable_kvm, has_sound_threads(qemu))


def has_sound_threads(qemu: str) -> bool:
    """Whether a program runs, and is a QEMU of `THREADS_SINCE` or later."""
    try:
        asked = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    found = re.search(r"version (\d+)\.(\d+)", asked.stdout)
    return found is not None and (int(found[1]), int(found[2])) >= THREADS_SINCE


@dataclass(frozen=True)
class Hardware:
    """A machine's hardware.

    `forwarded_port` is a TCP port of the machine's network namespace that QEMU forwards to the
    same port of the guest; None: no network. `environment` is for the guest's process 1. With
    `icount` the guest's clock advances by 2**icount ns an instruction, so that the same work
    takes the same time; the machine is then emulated, with one processor.
    """

    cpus: int = 2
    memory_mib: int = 2048
    forwarded_port: int | None = None
    environment: tuple[tuple[str, str], ...] = ()
    ports: dict[str, int] = field(default_factory=dict)
    terminal: int | None = None
    icount: int | None = None


def hardware(forwarded_port: int | None = None) -> Hardware:
    """Return two processors, or the host's one, and 2 GiB, or half of the host's memory."""
    total_mib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    cpus = min(2, os.cpu_count() or 1)
    return Hardware(cpus, min(2048, total_mib // 2), forwarded_port)


def virtiofsd_command(host: Host, root: str, listening: int) -> list[str]:
    """Return the command that serves the folder `root` on a listening socket, a descriptor."""
    if host.virtiofsd == C_VIRTIOFSD:
        options = f"source={root},cache=always,sandbox=chroot,announce_submounts,log_level=warn"
        return [str(host.virtiofsd), f"--fd={listening}", "-f", "-o", options]
    return [
        str(host.virtiofsd),
        f"--fd={listening}",
        f"--shared-dir={root}",
        "--cache=always",
        "--sandbox=chroot",
        "--announce-submounts",
        "--log-level=warn",
    ]


def qemu_command(
    host: Host, kernel: Kernel, hardware: Hardware, filesystem: int, console: int
) -> list[str]:
    """Return the command that boots `kernel`.

    Descriptors: `filesystem` is the connection to virtiofsd, `console` the kernel's console;
    those in `hardware` are sockets for named ports of the guest.
    """
    size = f"{hardware.memory_mib}M"
    options = [KERNEL_OPTIONS, *(f"{name}={value}" for name, value in hardware.environment)]
    command = [
        host.qemu,
        *(part for folder in host.firmware for part in ("-L", folder)),
        *["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
        *["-machine", "q35,hpet=off,memory-backend=memory"],
        *_processor(host, hardware),
        *["-m", size],
        # Shared with virtiofsd, which reads and writes the guest's memory.
        *["-object", f"memory-backend-memfd,id=memory,size={size},share=on"],
        *["-chardev", f"socket,id=root,fd={filesystem}"],
        *["-device", "vhost-user-fs-pci,chardev=root,tag=hostroot"],
        *["-chardev", f"socket,id=console,fd={console}", "-serial", "chardev:console"],
        *["-device", "virtio-serial-pci"],
    ]
    if hardware.terminal is not None:
        command += ["-chardev", f"socket,id=terminal,fd={hardware.terminal}"]
        command += ["-serial", "chardev:terminal"]
    for number, (name, descriptor) in enumerate(hardware.ports.items(), start=1):
        command += ["-chardev", f"socket,id=port{number},fd={descriptor}"]
        command += ["-device", f"virtserialport,nr={number},chardev=port{number},name={name}"]
    if hardware.forwarded_port is not None:
        port = hardware.forwarded_port
        command += ["-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:{port}"]
        command += ["-device", "virtio-net-pci,netdev=net,romfile="]
        options.append("VM_NETWORK=1")
    command += ["-kernel", str(kernel.vmlinux), "-append", " ".join(options)]
    if kernel.initrd:
        command += ["-initrd", str(kernel.initrd)]
    return command


def _processor(host: Host, hardware: Hardware) -> list[str]:
    if hardware.icount is not None:
        # A clock that counts instructions takes one emulated processor.
        return [*EMULATION["single"], "-icount", f"shift={hardware.icount}", "-smp", "1"]
    emulation = EMULATION["multi" if host.threads else "single"]
    return [*(VIRTUALISATION if host.kvm else emulation), "-smp", str(hardware.cpus)]
