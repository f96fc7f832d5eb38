// SPDX-License-Identifier: GPL-2.0
//
// Names in user memory: system calls, before the kernel has copied the name.

#define READ_NAME(to, size, name) bpf_probe_read_user_str(to, size, (void *)(name))
#define NAMES_IN_KERNEL 0

// Whether these are a canary's arguments; if so, its token. A canary's address is in the kernel's
// half, with the token in its lower 32 bits.
static __always_inline int canary_token(s32 dfd, const char *name, u32 *token)
{
    *token = (u64)name;
    return (u64)name >> 32 == 0xffffffff;
}
