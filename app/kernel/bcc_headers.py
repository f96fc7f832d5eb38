# SPDX-License-Identifier: Apache-2.0
"""The headers that BCC compiles against: generated from BTF, else the distribution's."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from app.btf.reader import Btf
from app.errors import ProbedeckError
from app.kernel import tree_cache
from app.kernel.build import running_build_id, running_version_code
from app.kernel.include_tree import GENERATOR_VERSION, Machine, include_files
from app.linux import paths

BTF_PATH = Path("/sys/kernel/btf/vmlinux")
MODULES = Path("/lib/modules")

# The variables that BCC reads: one inherited from a shell would compile for another kernel.
# BCC_LINUX_VERSION_CODE is not needed, as the tree states the version; BCC warns if it is set.
VARIABLES = ("BCC_KERNEL_SOURCE", "BCC_KERNEL_MODULES_SUFFIX", "BCC_LINUX_VERSION_CODE")


@dataclass(frozen=True)
class HeaderSource:
    """What to compile against. `origin` is `btf` or `headers`.

    `environment` holds those of VARIABLES that must be set when BCC compiles.
    """

    origin: str
    path: Path
    environment: dict[str, str]

    def apply(self) -> None:
        """Set this process's environment so that BCC compiles against this source."""
        for name in VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(self.environment)


class CacheFolderError(Exception):
    """The include tree cannot be written to the cache folder."""


def ensure_tree(btf_path: Path, cache_dir: Path) -> Path:
    """Return the include tree for the running kernel, for BCC_KERNEL_SOURCE.

    It is cached in `cache_dir` under a hash of the kernel's build id, BTF and version, the page
    size and the generator's version. Raises CacheFolderError for problems of the folder; OSError,
    BtfError, and ValueError if the kernel's version is unknown.
    """
    data = paths.read_bytes(btf_path)
    machine = Machine(running_version_code(), os.sysconf("SC_PAGE_SIZE"))
    key = hashlib.sha256(
        f"{GENERATOR_VERSION} {running_build_id()} {os.uname().machine} {machine}\n".encode()
    )
    key.update(data)
    name = f"include-{key.hexdigest()[:40]}"
    try:
        return tree_cache.ensure(cache_dir, name, lambda: include_files(Btf(data), machine))
    except OSError as error:
        raise CacheFolderError(error) from error


def find_headers(btf_path: Path, cache_dir: Path, modules: Path = MODULES) -> HeaderSource:
    """Return the tree made from the running kernel's BTF, else its distribution's headers.

    BCC's third source, /sys/kernel/kheaders.tar.xz, is never used: BCC unpacks it under a guessable
    name in /tmp, where another user may have put headers of their own (CVE-2024-2314).
    Raises ProbedeckError 501 `unavailable` with `reason` and `hint` if there is neither.
    """
    try:
        tree = ensure_tree(btf_path, cache_dir)
        return HeaderSource("btf", tree, {"BCC_KERNEL_SOURCE": str(tree)})
    except (CacheFolderError, OSError, ValueError) as error:  # folder, BTF or version
        cause = error
    release = os.uname().release
    build = modules / release / "build"
    # Only a configured build has this file; an unpacked source tree does not.
    if (build / "include" / "generated" / "autoconf.h").is_file():
        return HeaderSource("headers", build, {})
    raise ProbedeckError(
        501,
        "unavailable",
        "There are no headers to compile a probe against.",
        reason=_reason(cause, build),
        hint=_hint(cause, release),
    )


def _reason(error: Exception, build: Path) -> str:
    if isinstance(error, CacheFolderError):  # without its path: read-only users see this too
        cause = error.__cause__
        what = cause.strerror if isinstance(cause, OSError) and cause.strerror else "see the log"
        return f"the cache folder cannot be used ({what})"
    return f"no usable BTF ({_describe(error)}) and no kernel headers in {build}"


def _describe(error: Exception) -> str:
    if isinstance(error, paths.UnusablePathError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _hint(error: Exception, release: str) -> str:
    if isinstance(error, CacheFolderError):
        return "fix that, or name another folder by --cache-dir that only root can write to"
    return (
        f"install the kernel's headers (apt-get install linux-headers-{release}) "
        "or run a kernel built with CONFIG_DEBUG_INFO_BTF"
    )
