// SPDX-License-Identifier: GPL-2.0
//
// Obtaining a number as a `Read` of the plan says.

// Kernel or user memory: BTF does not tell, so the address decides. Kernel addresses have their
// top bit set on 64-bit machines. But what a process gives must not make us read the kernel's
// memory for it: all that a system call is given, and of a function the words of this mask
// (app/columns/user_pointers.py). There the base of the read decides.
#ifdef ARGUMENTS_OF_USER
#define IN_KERNEL(base, address) ((base) == TASK)
#else
static __always_inline int is_of_process(u64 base)
{
    SLOT(user_words, 0x7000000000000443);

    return user_words >> (base & (WORDS - 1)) & 1;
}

#define IN_KERNEL(base, address) (!is_of_process(base) && (s64)(address) < 0)
#endif

static __always_inline long read_memory(void *to, u64 size, u64 address, int in_kernel)
{
    if (in_kernel)
        return bpf_probe_read_kernel(to, size, (void *)address);
    return bpf_probe_read_user(to, size, (void *)address);
}

// Read a number of 1, 2, 4 or 8 bytes.
static __always_inline long read_value(u64 *to, u64 size, u64 address, int in_kernel)
{
    if (in_kernel)
        return read_kernel_number(to, size, address);
    return bpf_probe_read_user(to, size, (void *)address);
}

// Pointers that the verifier knows as such may not be shifted, not even by 0 bits: so the compiler
// must not join the branches, which it could if the shifts were C.
#define OBTAIN(X, result, error)                                                                   \
    {                                                                                              \
        SLOT(base, X##1);                                                                          \
        SLOT(derefs, X##2);                                                                        \
        SLOT(d0, X##3);                                                                            \
        SLOT(d1, X##4);                                                                            \
        SLOT(d2, X##5);                                                                            \
        SLOT(d3, X##6);                                                                            \
        SLOT(d4, X##7);                                                                            \
        SLOT(offset, X##8);                                                                        \
        SLOT(size, X##9);                                                                          \
        SLOT(left, X##a);                                                                          \
        SLOT(right, X##b);                                                                         \
        SLOT(is_signed, X##c);                                                                     \
        u64 v = words[base & (WORDS - 1)], places[5];                                              \
        error = 0;                                                                                 \
        if (derefs > 0)                                                                            \
            places[0] = d0;                                                                        \
        if (derefs > 1)                                                                            \
            places[1] = d1;                                                                        \
        if (derefs > 2)                                                                            \
            places[2] = d2;                                                                        \
        if (derefs > 3)                                                                            \
            places[3] = d3;                                                                        \
        if (derefs > 4)                                                                            \
            places[4] = d4;                                                                        \
        _Pragma("clang loop unroll(disable)") for (u64 k = 0; k < derefs; k++)                     \
        {                                                                                          \
            u64 loaded = 0;                                                                        \
            error |= read_value(&loaded, sizeof(loaded), v + places[k],                            \
                                IN_KERNEL(base, v + places[k]));                                   \
            v = loaded;                                                                            \
        }                                                                                          \
        v += offset;                                                                               \
        if (size) {                                                                                \
            u64 loaded = 0;                                                                        \
            error |= read_value(&loaded, size, v, IN_KERNEL(base, v));                             \
            v = loaded;                                                                            \
        }                                                                                          \
        if (left)                                                                                  \
            asm volatile("%0 <<= %1" : "+r"(v) : "r"(left));                                       \
        if (right) {                                                                               \
            if (is_signed)                                                                         \
                asm volatile("%0 s>>= %1" : "+r"(v) : "r"(right));                                 \
            else                                                                                   \
                asm volatile("%0 >>= %1" : "+r"(v) : "r"(right));                                  \
        }                                                                                          \
        result = v;                                                                                \
    }

#define VALUE(X, i)                                                                                \
    {                                                                                              \
        SLOT(use, X##0);                                                                           \
        if (use == moment) {                                                                       \
            u64 value;                                                                             \
            long failed;                                                                           \
            OBTAIN(X, value, failed)                                                               \
            r->values[i] = value;                                                                  \
            if (failed)                                                                            \
                r->head.unreadable |= 1 << i;                                                      \
        }                                                                                          \
    }

// Nested, as a slot that is not used is loaded nevertheless.
static __always_inline void obtain_values(struct record *r, u64 *words, const int moment)
{
    SLOT(values, 0x7000000000000402);

    if (!values)
        return;
    VALUE(0x700000000000010, 0)
    if (values < 2)
        return;
    VALUE(0x700000000000011, 1)
    VALUE(0x700000000000012, 2)
    if (values < 4)
        return;
    VALUE(0x700000000000013, 3)
    VALUE(0x700000000000014, 4)
    VALUE(0x700000000000015, 5)
    VALUE(0x700000000000016, 6)
    if (values < 8)
        return;
    VALUE(0x700000000000017, 7)
    VALUE(0x700000000000018, 8)
    VALUE(0x700000000000019, 9)
    VALUE(0x70000000000001a, 10)
    VALUE(0x70000000000001b, 11)
    VALUE(0x70000000000001c, 12)
    VALUE(0x70000000000001d, 13)
    VALUE(0x70000000000001e, 14)
    VALUE(0x70000000000001f, 15)
}
