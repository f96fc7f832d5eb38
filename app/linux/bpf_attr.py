# SPDX-License-Identifier: Apache-2.0
"""Commands of bpf(2) and the layout of their arguments, from include/uapi/linux/bpf.h.

Each structure is one command's part of `union bpf_attr`. A kernel that knows fewer fields accepts
it as long as the fields that it does not know are zero.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum


class Command(IntEnum):
    """enum bpf_cmd."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    PROG_LOAD = 5
    PROG_GET_NEXT_ID = 11
    MAP_GET_NEXT_ID = 12
    PROG_GET_FD_BY_ID = 13
    OBJ_GET_INFO_BY_FD = 15
    RAW_TRACEPOINT_OPEN = 17
    BTF_GET_FD_BY_ID = 19
    BTF_GET_NEXT_ID = 23
    LINK_CREATE = 28
    LINK_GET_NEXT_ID = 31
    ENABLE_STATS = 32


class MapCreate(ctypes.Structure):
    """BPF_MAP_CREATE."""

    _fields_ = (
        ("map_type", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("inner_map_fd", ctypes.c_uint32),
        ("numa_node", ctypes.c_uint32),
        ("map_name", ctypes.c_char * 16),
    )


class MapElement(ctypes.Structure):
    """BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM."""

    _fields_ = (
        ("map_fd", ctypes.c_uint64),  # 32 bits and padding
        ("key", ctypes.c_void_p),
        ("value", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
    )


class ProgLoad(ctypes.Structure):
    """BPF_PROG_LOAD, up to attach_btf_obj_fd."""

    _fields_ = (
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_void_p),
        ("license", ctypes.c_void_p),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_void_p),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
        ("prog_name", ctypes.c_char * 16),
        ("prog_ifindex", ctypes.c_uint32),
        ("expected_attach_type", ctypes.c_uint32),
        ("prog_btf_fd", ctypes.c_uint32),
        ("func_info_rec_size", ctypes.c_uint32),
        ("func_info", ctypes.c_void_p),
        ("func_info_cnt", ctypes.c_uint32),
        ("line_info_rec_size", ctypes.c_uint32),
        ("line_info", ctypes.c_void_p),
        ("line_info_cnt", ctypes.c_uint32),
        ("attach_btf_id", ctypes.c_uint32),
        ("attach_btf_obj_fd", ctypes.c_uint32),
    )


class RawTracepointOpen(ctypes.Structure):
    """BPF_RAW_TRACEPOINT_OPEN."""

    _fields_ = (("name", ctypes.c_void_p), ("prog_fd", ctypes.c_uint64))


class LinkCreateKprobeMulti(ctypes.Structure):
    """BPF_LINK_CREATE for many functions: addresses of arrays of `cnt` names and cookies."""

    _fields_ = (
        ("prog_fd", ctypes.c_uint32),
        ("target_fd", ctypes.c_uint32),
        ("attach_type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("multi_flags", ctypes.c_uint32),
        ("cnt", ctypes.c_uint32),
        ("syms", ctypes.c_void_p),
        ("addrs", ctypes.c_void_p),
        ("cookies", ctypes.c_void_p),
    )


class Id(ctypes.Structure):
    """BPF_*_GET_NEXT_ID, BPF_*_GET_FD_BY_ID."""

    _fields_ = (
        ("id", ctypes.c_uint32),
        ("next_id", ctypes.c_uint32),
        ("open_flags", ctypes.c_uint32),
    )


class EnableStats(ctypes.Structure):
    """BPF_ENABLE_STATS."""

    _fields_ = (("type", ctypes.c_uint32),)


class InfoByFd(ctypes.Structure):
    """BPF_OBJ_GET_INFO_BY_FD."""

    _fields_ = (
        ("bpf_fd", ctypes.c_uint32),
        ("info_len", ctypes.c_uint32),
        ("info", ctypes.c_void_p),
    )


class BtfInfoLayout(ctypes.Structure):
    """struct bpf_btf_info. `name` is the address of a buffer of `name_len` bytes."""

    _fields_ = (
        ("btf", ctypes.c_uint64),
        ("btf_size", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("name", ctypes.c_uint64),
        ("name_len", ctypes.c_uint32),
        ("kernel_btf", ctypes.c_uint32),  # 1 for the kernel's and its modules'; since Linux 5.11
    )


class MapInfoLayout(ctypes.Structure):
    """struct bpf_map_info, up to its name."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("name", ctypes.c_char * 16),
    )


class ProgInfoLayout(ctypes.Structure):
    """struct bpf_prog_info, up to recursion_misses."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("tag", ctypes.c_uint8 * 8),
        ("instructions", ctypes.c_uint32 * 2),
        ("instruction_buffers", ctypes.c_uint64 * 2),
        ("load_time", ctypes.c_uint64),
        ("created_by_uid", ctypes.c_uint32),
        ("nr_map_ids", ctypes.c_uint32),
        ("map_ids", ctypes.c_uint64),
        ("name", ctypes.c_char * 16),
        ("ifindex_and_gpl", ctypes.c_uint32 * 2),
        ("netns", ctypes.c_uint64 * 2),
        ("debug_info", ctypes.c_uint64 * 11),  # from nr_jited_ksyms to prog_tags
        ("run_time_ns", ctypes.c_uint64),
        ("run_cnt", ctypes.c_uint64),
        ("recursion_misses", ctypes.c_uint64),
    )
