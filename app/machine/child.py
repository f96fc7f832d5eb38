# SPDX-License-Identifier: Apache-2.0
"""Set up a child process of a machine, then exec its program: namespaces, death with its parent.

`python -m app.machine.child JSON`, with the fields of `Child`. This is a program, rather than code
between fork and exec, because that is unsafe in a process with threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app import ROOT
from app.linux import namespaces
from app.linux.namespaces import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC
from app.linux.process import end_with_parent, keep_niceness

# The folder that the guest sees as its root, in virtiofsd's own mount namespace.
GUEST_ROOT = "/run/root"


@dataclass(frozen=True)
class Share:
    """What the guest has in /run/vm: the init script, the kernel's folder, a writable folder."""

    init: str
    kernel: str
    writable: str


@dataclass(frozen=True)
class Child:
    """How to start the program: `network` is a namespace's descriptor or None."""

    argv: list[str]
    parent_pid: int
    network: int | None = None
    share: Share | None = None


def start(
    argv: Sequence[str],
    descriptors: Sequence[int] = (),
    network: int | None = None,
    share: Share | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program that dies with the calling *thread* and inherits only `descriptors`.

    It has its own session, so that Ctrl-C reaches only the parent, which ends it in order.
    """
    child = Child(list(argv), os.getpid(), network, share)
    return subprocess.Popen(
        [sys.executable, "-m", "app.machine.child", json.dumps(asdict(child))],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[*descriptors, *([] if network is None else [network])],
        start_new_session=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def prepare_root(share: Share) -> None:
    """Build the guest's root in a private mount namespace.

    It is the host's own tree with all its mounts, read-only except for one folder. /proc, /sys
    and /dev are left out: the guest has its own, and the host's expose far more than files. A
    read-only remount of / alone would leave other file systems writable.
    """
    namespaces.unshare(CLONE_NEWNS)
    namespaces.mount("none", "/", flags=MS_REC | MS_PRIVATE)
    # Opened here: /run is hidden below, and earlier descriptors belong to the old namespace.
    kernel, writable = (os.open(path, os.O_PATH) for path in (share.kernel, share.writable))
    init = Path(share.init).read_bytes()
    namespaces.mount("run", "/run", "tmpfs", data="mode=0755")
    Path(GUEST_ROOT).mkdir()
    namespaces.mount("/", GUEST_ROOT, flags=MS_BIND | MS_REC)
    for folder in ("proc", "sys", "dev"):
        if os.path.ismount(f"{GUEST_ROOT}/{folder}"):
            namespaces.unmount(f"{GUEST_ROOT}/{folder}")
    namespaces.mount("run", f"{GUEST_ROOT}/run", "tmpfs", data="mode=0755")
    for name, descriptor in (("kernel", kernel), ("share", writable)):
        Path(f"{GUEST_ROOT}/run/vm/{name}").mkdir(parents=True)
        namespaces.mount(
            f"/proc/self/fd/{descriptor}", f"{GUEST_ROOT}/run/vm/{name}", flags=MS_BIND
        )
        os.close(descriptor)
    script = Path(f"{GUEST_ROOT}/run/vm/init")
    script.write_bytes(init)
    script.chmod(0o755)
    namespaces.make_read_only(GUEST_ROOT)
    namespaces.make_writable(f"{GUEST_ROOT}/run/vm/share")


def main(text: str) -> None:
    """Set up this process, and replace it with the program."""
    values = json.loads(text)
    share = values.pop("share")
    child = Child(**values, share=Share(**share) if share else None)
    end_with_parent(child.parent_pid)
    keep_niceness()
    if child.network is not None:
        namespaces.enter(child.network)
        os.close(child.network)
    if child.share is not None:
        prepare_root(child.share)
    os.execvp(child.argv[0], child.argv)


if __name__ == "__main__":
    main(sys.argv[1])
