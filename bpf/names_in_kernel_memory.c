// SPDX-License-Identifier: GPL-2.0
//
// Names that the kernel has copied already: functions that take a struct filename.

#include <linux/types.h>
#include <linux/dcache.h> // struct dentry
#include <linux/fs.h>     // struct filename, struct renamedata

#define READ_NAME(to, size, name) read_kernel_text(to, size, (u64)(name))
#define READ_BYTES bpf_probe_read_kernel
// A name that cannot be read at entry cannot be read at return either.
#define NAME_MAY_BE_PAGED_OUT 0

#define CANARY_NAME ((const char *)-14) // the error pointer of a bad address: EFAULT

static __always_inline u64 pointer_at(u64 address); // bpf/words.c, which follows the headers

// `filename` is a struct filename *, or an error pointer when the kernel could not read the name
// (too long, empty, bad address); then there is no name to show. A canary's pointer is returned as
// it is, for canary_token; nothing can be read there.
static __always_inline const char *name_of(const void *filename)
{
    if (filename == (const void *)CANARY_NAME)
        return filename;
    return (const char *)pointer_at((u64)filename + __builtin_offsetof(struct filename, name));
}

// Whether these are a canary's arguments; if so, its token. The bad address is lost in the error
// pointer, so the token is the file descriptor.
static __always_inline int canary_token(s32 dfd, const char *name, u32 *token)
{
    *token = dfd;
    return name == CANARY_NAME;
}
