// SPDX-License-Identifier: GPL-2.0
//
// The filter in force, whatever a struct filter is.

// Double-buffered filter: user space fills the inactive slot, then increments `active_filter`,
// whose lowest bit is the slot in force. A program never sees half a filter.
BPF_ARRAY(filters, struct filter, 2);
BPF_ARRAY(active_filter, u32, 1);

static __always_inline struct filter *current_filter(u32 *generation)
{
    int zero = 0;
    u32 *active = active_filter.lookup(&zero);

    if (!active)
        return NULL;
    *generation = *active;
    int slot = *generation & 1;

    return filters.lookup(&slot);
}

static __always_inline int is_current(u32 generation)
{
    int zero = 0;
    u32 *active = active_filter.lookup(&zero);

    return active && *active == generation;
}
