# SPDX-License-Identifier: Apache-2.0
"""`python -m app.kernel.functions_cache`: make the index of functions, or find it in the cache.

A process of its own: it reads 20 MB and works for about a second, which the service's threads
would feel. It prints the folder of the index as one line of JSON.
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from app.btf.format import BtfError
from app.btf.reader import Btf
from app.kernel import functions_sources as kernel
from app.kernel import tree_cache
from app.kernel.build import running_build_id, running_version_code
from app.kernel.functions import Sources
from app.kernel.functions_build import Found, TrampolineRules, build
from app.linux import paths
from app.linux.process import end_with_parent, keep_niceness, set_process_name

PREFIX = "functions-"
LOCK = ".functions.lock"
NICENESS = 10  # requests and tracers come first
MOST_KEPT = 4  # indexes in the cache: of other kernels, or of other modules
_HERE = Path(__file__).parent

Value = TypeVar("Value")


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m app.kernel.functions_cache")
    parser.add_argument("--btf-path", type=Path, required=True)
    parser.add_argument("--cache-dir", type=Path, required=True)
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args(argv)
    end_with_parent(options.parent)
    set_process_name("pd:functions")
    os.nice(NICENESS)
    keep_niceness()
    gc.disable()  # it makes 500,000 objects and no cycles, and ends soon
    folder = ensure(options.btf_path, options.cache_dir)
    json.dump({"folder": str(folder)}, sys.stdout)
    sys.stdout.write("\n")


def ensure(btf_path: Path, cache_dir: Path) -> Path:
    """Return the folder of the running kernel's index. Raises OSError, BtfError.

    While another process makes one, wait for that.
    """
    blobs = _read_btf(btf_path)
    key = PREFIX + _identity(blobs)
    lock = paths.open_file(paths.folder(cache_dir) / LOCK, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = tree_cache.ensure(cache_dir, key, lambda: make(blobs))
        os.utime(folder)
        _evict(cache_dir, folder)
    finally:
        os.close(lock)
    return folder


def make(blobs: dict[str, bytes | str]) -> dict[str, bytes]:
    """Return the files of the index, from the BTF of the kernel ("") and of its modules."""
    base, btf_problem = _parse(blobs.get("", "there is no BTF"), None)
    modules: dict[str, Btf] = {}
    for name, blob in blobs.items():
        if name and base is not None:
            parsed, _ = _parse(blob, base)
            if parsed is not None:  # else its functions are known by their symbols only
                modules[name] = parsed
    symbols, symbols_problem = _try(kernel.read_symbols)
    ftrace, ftrace_problem = _try(kernel.read_ftrace)
    blacklist, blacklist_problem = _try(kernel.read_blacklist)
    tracepoints, tracepoints_problem = _try(kernel.read_tracepoints)
    version_code = running_version_code()
    rules = TrampolineRules.of(version_code)
    found = Found(base, modules, symbols, ftrace, blacklist, tracepoints or {})
    sources = Sources(
        btf_problem,
        symbols_problem,
        ftrace_problem,
        blacklist_problem,
        tracepoints_problem,
        rules.max_slots,
        version_code,
    )
    return build(found, sources, rules)


def _try(read: Callable[[], Value]) -> tuple[Value | None, str | None]:
    """Return what was read, or why it could not be."""
    try:
        return read(), None
    except OSError as error:
        return None, error.strerror or str(error)


def _parse(blob: bytes | str, base: Btf | None) -> tuple[Btf | None, str | None]:
    """Return BTF, or why there is none; `blob` is a text if it could not be read."""
    if isinstance(blob, str):
        return None, blob
    try:
        return Btf(blob, base), None
    except BtfError as error:
        return None, str(error)


def _read_btf(btf_path: Path) -> dict[str, bytes | str]:
    """Return the BTF of the kernel ("") and of each module, or why it could not be read."""
    names = {"": btf_path}
    try:
        listed = sorted(each.name for each in kernel.MODULE_BTF.iterdir())
    except OSError:  # a kernel without BTF
        listed = []
    names |= {name: kernel.MODULE_BTF / name for name in listed if name != "vmlinux"}
    found: dict[str, bytes | str] = {}
    for name, path in names.items():
        try:
            found[name] = paths.read_bytes(path)
        except OSError as error:
            found[name] = error.strerror or str(error)
    return found


def _identity(blobs: dict[str, bytes | str]) -> str:
    """Return a hash of all that the index depends on: the kernel, its modules, our own code."""
    system = os.uname()
    digest = hashlib.sha256(
        f"{running_build_id()} {system.release} {system.version} {system.machine}\n".encode()
    )
    digest.update("\n".join(kernel.modules_state()).encode())
    for name, blob in sorted(blobs.items()):
        data = blob.encode() if isinstance(blob, str) else blob
        digest.update(f"\0{name}\0{len(data)}\0".encode())
        digest.update(data)
    for source in sorted(_HERE.glob("functions*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:40]


def _evict(cache_dir: Path, used: Path) -> None:
    """Remove all but the indexes used last; a process that has one open keeps its files."""
    lock = paths.open_file(cache_dir / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        others = [each for each in cache_dir.glob(f"{PREFIX}*") if each != used]
        others.sort(key=lambda each: each.lstat().st_mtime_ns, reverse=True)
        for old in others[MOST_KEPT - 1 :]:
            shutil.rmtree(old)
    finally:
        os.close(lock)


if __name__ == "__main__":
    main(sys.argv[1:])
