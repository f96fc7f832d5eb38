// SPDX-License-Identifier: GPL-2.0
//
// Names in user memory: system calls, before the kernel has copied the name.

#include <linux/types.h>

#define READ_NAME bpf_probe_read_user_str
#define READ_BYTES bpf_probe_read_user
// At entry the name's page may not be in memory, and a program cannot wait for it. By the return
// the kernel has read the name, so the page is there, unless the address is bad.
#define NAME_MAY_BE_PAGED_OUT 1

// Whether these are a canary's arguments; if so, its token. A canary's address is in the kernel's
// half, with the token in its lower 32 bits.
static __always_inline int canary_token(s32 dfd, const char *name, u32 *token)
{
    *token = (u64)name;
    return (u64)name >> 32 == 0xffffffff;
}
