# SPDX-License-Identifier: Apache-2.0
"""BTF of a made-up kernel: one type for each row of the table of docs/columns.md."""

from __future__ import annotations

from app.btf.format import Kind
from app.btf.reader import Btf
from tests.support.btf_builder import BtfBuilder

# As compilers call them.
_IN_BTF = {
    "short": "short int",
    "unsigned short": "short unsigned int",
    "long": "long int",
    "unsigned long": "long unsigned int",
}


class SmallKernel:
    """Types by name, and functions that take them."""

    def __init__(self) -> None:
        self.builder = BtfBuilder()
        self.types: dict[str, int] = {}
        self._integers()
        self._files()
        self._others()
        self._functions()

    def btf(self) -> Btf:
        return Btf(self.builder.build())

    def __getitem__(self, name: str) -> int:
        return self.types[name]

    def pointer(self, name: str) -> int:
        key = f"{name} *"
        if key not in self.types:
            self.types[key] = self.builder.pointer(self.types[name])
        return self.types[key]

    def record(self, name: str, size: int, *members: tuple[str, str | int, int]) -> None:
        """Add a struct; members are (name, type, offset in bytes)."""
        fields = [
            (field, self.types[kind] if isinstance(kind, str) else kind, offset * 8)
            for field, kind, offset in members
        ]
        self.types[name] = self.builder.record(name, size, fields)

    def function(self, name: str, returns: str, *parameters: tuple[str, str]) -> None:
        self.builder.function(
            name,
            self._type(returns),
            [(parameter, self._type(kind)) for parameter, kind in parameters],
        )

    def _type(self, text: str) -> int:
        if text == "void":
            return 0
        if text.endswith(" *"):
            return self.pointer(text.removesuffix(" *"))
        return self.types[text]

    def _integers(self) -> None:
        add = self.builder.integer
        for name, size, signed in (
            ("char", 1, True),
            ("signed char", 1, True),
            ("unsigned char", 1, False),
            ("short", 2, True),
            ("unsigned short", 2, False),
            ("int", 4, True),
            ("unsigned int", 4, False),
            ("long", 8, True),
            ("unsigned long", 8, False),
            ("_Bool", 1, False),
        ):
            self.types[name] = add(_IN_BTF.get(name, name), size, signed=signed)
        self.types["dev_t"] = self.builder.typedef("dev_t", self["unsigned int"])
        self.types["bool"] = self.builder.typedef("bool", self["_Bool"])
        self.types["color"] = self.builder.enum("color", [("RED", 1), ("BLUE", 7)])
        self.types["old"] = self.builder.enum("old", [("NONE", 0), ("MINUS", -1)])
        self.types["wide"] = self.builder.enum("wide", [("HUGE", 1 << 40)], size=8)
        self.types["void *"] = self.builder.pointer(0)
        self.types["float"] = self.builder.add(Kind.FLOAT, "double", size_or_type=8)

    def _files(self) -> None:
        char = self.pointer("char")
        name = self.pointer("unsigned char")
        self.record(
            "qstr", 16, ("hash", "unsigned int", 0), ("len", "unsigned int", 4), ("name", name, 8)
        )
        forward = self.builder.add(Kind.FWD, "dentry")
        self.types["dentry fwd *"] = self.builder.pointer(forward)
        self.record("super_block", 32, ("s_dev", "dev_t", 16), ("s_root", "dentry fwd *", 24))
        self.record(
            "inode", 80, ("i_sb", self.pointer("super_block"), 40), ("i_ino", "unsigned long", 64)
        )
        self.record(
            "vfsmount",
            32,
            ("mnt_root", "dentry fwd *", 0),
            ("mnt_sb", self.pointer("super_block"), 8),
        )
        above = self.builder.pointer(self.builder.add(Kind.FWD, "mount"))
        self.record(
            "mount",
            64,
            ("mnt_parent", above, 16),
            ("mnt_mountpoint", "dentry fwd *", 24),
            ("mnt", "vfsmount", 32),
        )
        self.record(
            "dentry",
            128,
            ("d_parent", "dentry fwd *", 24),
            ("d_name", "qstr", 32),
            ("d_inode", self.pointer("inode"), 48),
            ("d_sb", self.pointer("super_block"), 104),
        )
        self.record(
            "path", 16, ("mnt", self.pointer("vfsmount"), 0), ("dentry", self.pointer("dentry"), 8)
        )
        self.record("fs_struct", 64, ("root", "path", 24), ("pwd", "path", 40))
        self.record("filename", 32, ("name", char, 8))
        self.record(
            "file",
            128,
            ("f_mode", "unsigned int", 4),
            ("f_inode", self.pointer("inode"), 32),
            ("f_path", "path", 64),
        )

    def _others(self) -> None:
        comm = self.builder.array(self["char"], 16)
        forward = self.builder.pointer(self.builder.add(Kind.FWD, "task_struct"))
        self.record("kuid_t", 4, ("val", "unsigned int", 0))
        self.record("cred", 64, ("uid", "kuid_t", 8))
        self.record(
            "task_struct",
            64,
            ("tgid", "int", 12),
            ("real_parent", forward, 16),
            ("group_leader", forward, 24),
            ("comm", comm, 32),
            ("fs", self.pointer("fs_struct"), 48),
            ("cred", self.pointer("cred"), 56),
        )
        bytes16 = self.builder.array(self["unsigned char"], 16)
        self.record(
            "sock_common",
            96,
            ("skc_daddr", "unsigned int", 0),
            ("skc_rcv_saddr", "unsigned int", 4),
            ("skc_dport", "unsigned short", 12),
            ("skc_num", "unsigned short", 14),
            ("skc_family", "unsigned short", 16),
            ("skc_v6_daddr", bytes16, 56),
            ("skc_v6_rcv_saddr", bytes16, 72),
        )
        self.record("sock", 128, ("__sk_common", "sock_common", 0))
        self.record("tcp_sock", 256, ("inet", "sock", 0), ("snd_cwnd", "unsigned int", 200))
        self.record("socket", 32, ("sk", self.pointer("sock"), 24))
        self.record("sk_buff", 64, ("sk", self.pointer("sock"), 24))
        self.record("sockaddr", 16, ("sa_family", "unsigned short", 0))
        self.record("kobject", 16, ("name", self.pointer("char"), 0))
        self.record("device", 64, ("kobj", "kobject", 8))
        self.record("net_device", 64, ("name", comm, 4))
        self.record("kernfs_node", 64, ("name", self.pointer("char"), 16))
        self.record("cgroup", 64, ("kn", self.pointer("kernfs_node"), 40))
        self.record("timespec64", 16, ("tv_sec", "long", 0), ("tv_nsec", "long", 8))
        self.record("pair", 8, ("low", "int", 0), ("high", "short", 4))
        self.record("large", 24, ("a", "long", 0), ("b", "long", 8), ("c", "long", 16))
        self.types["char[8]"] = self.builder.array(self["char"], 8)
        self.types["int[3]"] = self.builder.array(self["int"], 3)
        self.types["u8[16]"] = bytes16
        self.types["int[40]"] = self.builder.array(self["int"], 40)
        percpu = self.builder.add(Kind.TYPE_TAG, "percpu", size_or_type=self["long"])
        self.types["percpu *"] = self.builder.pointer(percpu)
        self.types["bag"] = self.builder.record(
            "bag",
            128,
            [
                ("label", self["char[8]"], 0),
                ("three", self["int[3]"], 64),
                ("address", self["u8[16]"], 192),
                ("many", self["int[40]"], 320),
                ("counter", self["percpu *"], 640),
            ],
        )

    def _functions(self) -> None:
        returns = {"to_int": "int", "to_long": "long", "to_void": "void", "to_bool": "bool"}
        returns |= {"to_file": "file *", "to_text": "char *", "to_u64": "unsigned long"}
        returns |= {"to_pair": "pair", "to_large": "large", "to_short": "short"}
        for name, kind in returns.items():
            self.function(name, kind, ("x", "int"))
        every = (
            *("char", "unsigned char", "short", "unsigned short", "int", "unsigned int"),
            *("long", "unsigned long", "bool", "color", "old", "wide", "dev_t", "char *"),
            *("filename *", "qstr *", "dentry *", "file *", "path *", "inode *"),
            *("super_block *", "task_struct *", "sock *", "socket *", "sk_buff *", "sockaddr *"),
            *("device *", "net_device *", "cgroup *", "void *", "int *", "bag *", "timespec64"),
            *("pair", "qstr", "float", "large", "tcp_sock *", "kobject *"),
        )
        for kind in every:
            self.function(f"takes {kind}", "void", ("x", kind))
        self.function("mixed", "int", ("a", "int"), ("t", "timespec64"), ("b", "long"))
        self.function(
            "spilled",
            "int",
            *((f"p{n}", "long") for n in range(5)),
            ("t", "timespec64"),
            ("last", "long"),
        )
        self.function("with_large", "int", ("big", "large"), ("after", "int"))
        self.function("many", "int", *((f"p{n}", "long") for n in range(14)))
        self.function("texts", "int", *((f"s{n}", "char *") for n in range(6)))
        self.function("nameless", "int", ("", "int"), ("", "file *"))
        self.function("pids", "int", ("pid", "int"), ("comm", "char *"), ("ret", "int"))
