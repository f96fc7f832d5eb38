# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from app.kernel.tracepoint_format import Field, parse_format

OPENAT = """name: sys_enter_openat
ID: 700
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;
\tfield:int dfd;\toffset:16;\tsize:8;\tsigned:0;
\tfield:const char * filename;\toffset:24;\tsize:8;\tsigned:0;
\tfield:umode_t mode;\toffset:40;\tsize:8;\tsigned:0;

print fmt: "dfd: 0x%08lx"
"""
EXEC = """name: sched_process_exec
format:
\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;
\tfield:__rel_loc char[] other;\toffset:12;\tsize:4;\tsigned:0;
\tfield:char comm[16];\toffset:16;\tsize:16;\tsigned:0;
\tfield:pid_t old_pid;\toffset:32;\tsize:4;\tsigned:1;
"""


def test_arguments_of_a_system_call() -> None:
    assert parse_format(OPENAT) == (
        Field("__syscall_nr", "int", 8, 4, True),
        Field("dfd", "int", 16, 8, False),
        Field("filename", "const char *", 24, 8, False),
        Field("mode", "umode_t", 40, 8, False),
    )


def test_arrays_and_texts_of_any_size() -> None:
    assert parse_format(EXEC) == (
        Field("filename", "char[]", 8, 4, False, is_data_loc=True),
        Field("other", "char[]", 12, 4, False, is_data_loc=True, is_relative=True),
        Field("comm", "char[16]", 16, 16, False),
        Field("old_pid", "pid_t", 32, 4, True),
    )
