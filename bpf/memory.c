// SPDX-License-Identifier: GPL-2.0
//
// The helpers that read memory, as the kernel names them. BCC makes all of them bpf_probe_read or
// bpf_probe_read_str if it finds no bpf_probe_read_kernel in /proc/kallsyms (DoMiscWorkAround in its
// b_frontend_action.cc), and it finds nothing there if it may not see addresses, as in our service,
// which has no CAP_SYSLOG. Those helpers read kernel memory if they are given its address, whatever
// they were meant to read: any process could show us the kernel's memory by a system call.

#include <linux/types.h>
#include <uapi/linux/ptrace.h>

#undef bpf_probe_read_kernel
#undef bpf_probe_read_kernel_str
#undef bpf_probe_read_user
#undef bpf_probe_read_user_str
