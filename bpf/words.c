// SPDX-License-Identifier: GPL-2.0
//
// Reading the kernel's memory by plain loads, and copying a few words, both without a helper's call.

// The kernel's function bpf_rdonly_cast (Linux 6.2): it makes a number a pointer from which
// programs may load; what cannot be read is 0. BCC cannot compile a call of it, so this calls a
// helper that does not exist, and app/tracer/casts.py puts in the function when it loads the
// program.
static u64 (*cast)(u64 address, u64 type) = (void *)0x70001;

// The type for it: of a struct that begins with CAST_WORDS words. 0 where the kernel has no such
// function.
#define CAST_TYPE(name) SLOT(name, 0x7000000000000460)
#define CAST_WORDS 13

// Load from what `cast` has returned. The offset is a literal.
#define LOAD(to, type, from, offset)                                                               \
    asm volatile("%0 = *(" #type " *)(%1 + " #offset ")" : "=r"(to) : "r"(from))

static __always_inline u64 load_plain(u64 address, u64 size, u64 cast_type)
{
    u64 from = cast(address, cast_type), value = 0;

    if (size == 8)
        LOAD(value, u64, from, 0);
    if (size == 4)
        LOAD(value, u32, from, 0);
    if (size == 2)
        LOAD(value, u16, from, 0);
    if (size == 1)
        LOAD(value, u8, from, 0);
    return value;
}

// Read a number of 1, 2, 4 or 8 bytes of the kernel's memory; returns an error if there is none.
static __always_inline long read_kernel_number(u64 *to, u64 size, u64 address)
{
    CAST_TYPE(cast_type);

    if (cast_type) {
        *to = load_plain(address, size, cast_type);
        if (*to)
            return 0;
    }
    return bpf_probe_read_kernel(to, size, (void *)address); // which tells whether it is a 0
}

// Return a number of the kernel's memory, 0 if it cannot be read.
static __always_inline u64 number_at(u64 address, const u64 size)
{
    CAST_TYPE(cast_type);
    u64 value = 0;

    if (cast_type)
        return load_plain(address, size, cast_type);
    bpf_probe_read_kernel(&value, size, (void *)address);
    return value;
}

static __always_inline u64 pointer_at(u64 address)
{
    return number_at(address, sizeof(u64));
}

// Copy up to COPIED_MAX bytes in whole words, so up to 7 bytes more than `size`.
#define COPIED_MAX 64
#define COPY_WORD(to, from, size, at)                                                              \
    if (size > at)                                                                                 \
        *(volatile u64 *)(to + at) = *(volatile u64 *)(from + at);

static __always_inline void copy_words(char *to, char *from, u32 size)
{
    COPY_WORD(to, from, size, 0)
    COPY_WORD(to, from, size, 8)
    COPY_WORD(to, from, size, 16)
    COPY_WORD(to, from, size, 24)
    COPY_WORD(to, from, size, 32)
    COPY_WORD(to, from, size, 40)
    COPY_WORD(to, from, size, 48)
    COPY_WORD(to, from, size, 56)
}

#define EACH_BYTE 0x0101010101010101ull

// Read a word of a text and go on to the next unless it has the text's NUL.
#define TEXT_WORD(at)                                                                              \
    if (!nul) {                                                                                    \
        LOAD(word, u64, from, at);                                                                 \
        nul = (word - EACH_BYTE) & ~word & (EACH_BYTE << 7);                                       \
        if (nul) { /* the lowest bit of it is right */                                             \
            nul &= -nul;                                                                           \
            copied = at + (((nul - 1) & EACH_BYTE) * EACH_BYTE >> 56);                             \
            is_unknown = !word && !((address + at) & 0xfff);                                       \
            word &= (nul >> 7) - 1;                                                                \
        }                                                                                          \
        *(volatile u64 *)(to + at) = word;                                                         \
    }

// Read a text in the kernel's memory as bpf_probe_read_kernel_str does. `to` has room for 64 bytes,
// and for more if `size` is larger.
static __always_inline long read_kernel_text(char *to, u64 size, u64 address)
{
    CAST_TYPE(cast_type);

    // At a multiple of 8, so that whole words of it are on one page. One that begins with zeros may
    // be unreadable, and so may the next page.
    if (cast_type && !(address & 7)) {
        u64 from = cast(address, cast_type), word, nul = 0, copied = 0, is_unknown = 0;

        TEXT_WORD(0)
        if (word) {
            TEXT_WORD(8)
            TEXT_WORD(16)
            TEXT_WORD(24)
            TEXT_WORD(32)
            TEXT_WORD(40)
            TEXT_WORD(48)
            TEXT_WORD(56)
            if (nul && !is_unknown && copied <= size)
                return copied;
        }
    }
    return bpf_probe_read_kernel_str(to, size, (void *)address);
}
