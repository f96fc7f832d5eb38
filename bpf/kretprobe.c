// SPDX-License-Identifier: GPL-2.0
//
// kretprobe: a kprobe at entry, which copies the record (the struct filename is gone at
// return), and a kretprobe at return.

int on_entry(struct pt_regs *ctx)
{
    struct long_record *r = begin_record(PT_REGS_PARM1(ctx), 0);

    if (!r)
        return 0;
    read_kernel_name(r, (const void *)PT_REGS_PARM2(ctx));
    stash_entry(r);
    return 0;
}

// An int result leaves the upper half of its register undefined.
int on_return(struct pt_regs *ctx)
{
    return emit_return((int)PT_REGS_RC(ctx));
}
