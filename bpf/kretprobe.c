// SPDX-License-Identifier: GPL-2.0
//
// kretprobe: a kprobe at entry, which copies the record (the struct filename is gone at
// return), and a kretprobe at return.

int on_entry(struct pt_regs *ctx)
{
    return on_enter(PT_REGS_PARM1(ctx), name_of((const void *)PT_REGS_PARM2(ctx)), 0);
}

// An int result leaves the upper half of its register undefined.
int on_return(struct pt_regs *ctx)
{
    return on_leave((int)PT_REGS_RC(ctx));
}
