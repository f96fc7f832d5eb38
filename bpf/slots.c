// SPDX-License-Identifier: GPL-2.0
//
// Slots: 64-bit constants in the byte code that are replaced when the object is loaded
// (app/tracer/template.py). So the verifier knows them, and drops the branches that are not taken.

// Loading a constant by inline assembly keeps the compiler from computing with the placeholder.
#define SLOT(name, number)                                                                         \
    u64 name;                                                                                      \
    asm volatile("%0 = " #number " ll" : "=r"(name))

// What the verifier knows of a number in a register, it follows through every branch and turn of a
// loop; in memory, it knows nothing of it. So such numbers are read and written by these.
static __always_inline u32 read_number(u32 *place)
{
    return *(volatile u32 *)place;
}

static __always_inline void write_number(u32 *place, u32 number)
{
    *(volatile u32 *)place = number;
}

static __always_inline u64 read_address(u64 *place)
{
    return *(volatile u64 *)place;
}

static __always_inline void write_address(u64 *place, u64 address)
{
    *(volatile u64 *)place = address;
}

// A program's context is a pointer to the verifier, with which it allows little arithmetic; from
// memory it comes back as a number.
static __always_inline u64 as_number(u64 *place, u64 pointer)
{
    write_address(place, pointer);
    return read_address(place);
}
