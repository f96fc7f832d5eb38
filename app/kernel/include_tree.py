# SPDX-License-Identifier: Apache-2.0
"""The text of the include files that BCC compiles against, generated from BTF.

BCC needs a kernel tree: a few headers that its own helpers include, and those with the types a
program uses. Each type is in the header where the kernel has it, so a program compiles against this
tree and against a distribution's headers alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.btf.declarations import c_declarations
from app.btf.format import Kind
from app.btf.reader import Btf

# Increment when the text generated from the same BTF changes: part of the cache key.
GENERATOR_VERSION = 3

KERNEL_TYPES = "generated/probedeck_types.h"

# What the programs and BCC's PT_REGS_PARM1 and the like know of the kernel's types: the rest are
# offsets, which a plan has (app/columns/kernel_offsets.py).
REQUIRED_TYPES = ("pt_regs",)
OPTIONAL_TYPES = ("user_pt_regs",)  # on arm64: the view of pt_regs that they read there

# The scalars of include/uapi/asm-generic/int-ll64.h and include/linux/types.h: the same on all
# 64-bit machines. 64-bit numbers are `long long` there, whatever the machine's `long` is.
SCALARS = {
    "__s8": "signed char",
    "__u8": "unsigned char",
    "__s16": "short",
    "__u16": "unsigned short",
    "__s32": "int",
    "__u32": "unsigned int",
    "__s64": "long long",
    "__u64": "unsigned long long",
    "s8": "__s8",
    "u8": "__u8",
    "s16": "__s16",
    "u16": "__u16",
    "s32": "__s32",
    "u32": "__u32",
    "s64": "__s64",
    "u64": "__u64",
    "__le16": "__u16",
    "__be16": "__u16",
    "__le32": "__u32",
    "__be32": "__u32",
    "__le64": "__u64",
    "__be64": "__u64",
    "__sum16": "__u16",
    "__wsum": "__u32",
    "bool": "_Bool",
    "size_t": "unsigned long",
    "ssize_t": "long",
    "uintptr_t": "unsigned long",
    "loff_t": "long long",
    "pid_t": "int",
    "uid_t": "__u32",
    "gid_t": "__u32",
    "umode_t": "unsigned short",
    "dev_t": "__u32",
}


@dataclass(frozen=True)
class Machine:
    """What the tree depends on besides BTF. `page_size` is in bytes."""

    version_code: int
    page_size: int


def include_files(btf: Btf, machine: Machine) -> dict[str, str]:
    """Return the text of each file by its path below BCC_KERNEL_SOURCE.

    Raises BtfError if the BTF is broken or lacks a type that every kernel has.
    """
    kernel_types = f"#include <{KERNEL_TYPES}>\n"
    files = {
        KERNEL_TYPES: _kernel_types(btf),
        "asm/page.h": f"#define PAGE_SIZE {machine.page_size}UL\n",
        "linux/kconfig.h": "#define CONFIG_BPF_SYSCALL 1\n",
        "linux/ptrace.h": kernel_types,
        "linux/types.h": _scalars(),
        "linux/version.h": _version(machine.version_code),
        "uapi/linux/ptrace.h": kernel_types,
        # BCC's helpers include these; BCC ships what it needs of them.
        "linux/bpf_common.h": "",
        "linux/log2.h": "",
        "uapi/linux/bpf.h": "",
        "uapi/linux/if_ether.h": "",
        "uapi/linux/if_packet.h": "",
    }
    return {f"include/{path}": _guarded(path, text) for path, text in files.items()}


def _kernel_types(btf: Btf) -> str:
    names = [*REQUIRED_TYPES, *(n for n in OPTIONAL_TYPES if btf.find(Kind.STRUCT, n))]
    return "#include <linux/types.h>\n\n" + c_declarations(btf, names, declared=SCALARS)


def _scalars() -> str:
    typedefs = "".join(f"typedef {meaning} {name};\n" for name, meaning in SCALARS.items())
    return (
        typedefs
        + "#define __aligned_u64 __u64 __attribute__((aligned(8)))\n"
        + "#ifndef NULL\n#define NULL ((void *)0)\n#endif\n"
        + "#ifndef __always_inline\n"
        + "#define __always_inline inline __attribute__((__always_inline__))\n#endif\n"
    )


def _version(code: int) -> str:
    return (
        f"#define LINUX_VERSION_CODE {code}\n"
        "#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))\n"
    )


def _guarded(path: str, text: str) -> str:
    guard = "PROBEDECK_" + "".join(c if c.isalnum() else "_" for c in path).upper()
    return f"#ifndef {guard}\n#define {guard}\n{text}#endif\n"
