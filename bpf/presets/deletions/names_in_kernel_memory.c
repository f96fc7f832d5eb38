// SPDX-License-Identifier: GPL-2.0
//
// Names that the kernel has copied already: functions that take a struct filename.

#define READ_NAME(to, size, name) read_kernel_text(to, size, name)
#define NAMES_IN_KERNEL 1

#define CANARY_NAME ((u64)-14) // the error pointer of a bad address: EFAULT

// `filename` is the address of a struct filename, or an error pointer when the kernel could not read
// the name (too long, empty, bad address); then there is no name to show. A canary's pointer is
// returned as it is, for canary_token; nothing can be read there.
static __always_inline u64 name_of(u64 filename)
{
    SLOT(filename_name, 0x7000000000000456);

    // Pointers that the verifier knows as such become numbers by way of memory.
    filename = as_number(&filename, filename);
    if (filename == CANARY_NAME)
        return filename;
    return pointer_at(filename + filename_name);
}

// Whether these are a canary's arguments; if so, its token. The bad address is lost in the error
// pointer, so the token is the file descriptor.
static __always_inline int canary_token(s32 dfd, const char *name, u32 *token)
{
    *token = dfd;
    return (u64)name == CANARY_NAME;
}
