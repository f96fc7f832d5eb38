// SPDX-License-Identifier: GPL-2.0
//
// fentry: a BPF trampoline at the function's entry.

// KFUNC_PROBE pastes its argument into a name: expand FUNCTION first.
#define AT_ENTRY(function, args...) KFUNC_PROBE(function, ##args)

AT_ENTRY(FUNCTION, int dfd, const void *filename)
{
    return on_call(dfd, name_of(filename));
}
