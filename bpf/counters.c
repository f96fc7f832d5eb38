// SPDX-License-Identifier: GPL-2.0
//
// Counters that user space sums over all CPUs.

// First the causes why an event that passed the filter did not reach a ring.
enum counter {
    DROP_RING_FULL,
    DROP_STASH_FULL,
    DROP_MISSED_RETURN,
    CALLS_ENTERED, // calls remembered at entry
    CALLS_LEFT,    // those whose return was seen, or given up
    CANARIES,      // canaries of all tracers, at entry
    CALLS_UNGROUPED, // that passed the filter, and for whose group there was no room
    COUNTERS,
};

BPF_PERCPU_ARRAY(counts, u64, COUNTERS);

static __always_inline void count(int kind)
{
    u64 *counter = counts.lookup(&kind);

    if (counter)
        __sync_fetch_and_add(counter, 1); // a preempting program may count on the same CPU
}
