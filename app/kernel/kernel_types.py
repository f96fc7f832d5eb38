# SPDX-License-Identifier: Apache-2.0
"""The running kernel's types: its BTF and that of its modules, each read once."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from app.btf.format import Kind
from app.btf.reader import Btf
from app.linux import paths

# A module's file name, as kbuild makes it, with `_` instead of `-`.
_MODULE = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_MAX_MODULES = 8  # whose BTF is kept


class KernelTypes:
    """BTF by module. Everything may be called from any thread."""

    def __init__(self, btf_path: Path) -> None:
        self._path = btf_path
        self._lock = threading.Lock()
        self._kernel: Btf | None = None
        self._modules: dict[str, tuple[tuple[int, int], Btf]] = {}

    def btf(self, module: str | None = None) -> Btf:
        """Return the BTF of the kernel or of a module; raises OSError, BtfError.

        A module's is read again after it was loaded again.
        """
        with self._lock:
            if self._kernel is None:
                self._kernel = Btf.load(self._path)
            if module is None:
                return self._kernel
            if not _MODULE.fullmatch(module):
                raise FileNotFoundError(f"no module is called {module[:64]!r}")
            path = self._path.parent / module
            facts = path.stat()
            identity = (facts.st_ino, facts.st_ctime_ns)
            held = self._modules.get(module)
            if held is None or held[0] != identity:
                while len(self._modules) >= _MAX_MODULES:
                    del self._modules[next(iter(self._modules))]
                held = self._modules[module] = (identity, Btf.load(path, self._kernel))
            return held[1]

    def of_function(self, name: str, module: str | None = None) -> tuple[Btf, str | None] | None:
        """Return the BTF that has a function, and its module; None if there is no such function.

        With `module`, only this one's is searched. Raises OSError, BtfError.
        """
        kernel = self.btf()
        if module is not None:
            has = module in self._names() and self.btf(module).find(Kind.FUNC, name) is not None
            return (self.btf(module), module) if has else None
        if kernel.find(Kind.FUNC, name) is not None:
            return kernel, None
        needle = b"\0" + name.encode() + b"\0"
        for each in self._names():
            # A module's BTF has the names that the kernel's does not have.
            if needle in paths.read_bytes(self._path.parent / each):
                btf = self.btf(each)
                if btf.find(Kind.FUNC, name) is not None:
                    return btf, each
        return None

    def _names(self) -> list[str]:
        """Return the modules that have BTF."""
        names = (path.name for path in self._path.parent.iterdir() if path != self._path)
        return sorted(name for name in names if _MODULE.fullmatch(name))
