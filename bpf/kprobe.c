// SPDX-License-Identifier: GPL-2.0
//
// kprobe: at the function's entry.

int on_entry(struct pt_regs *ctx)
{
    return on_call(PT_REGS_PARM1(ctx), name_of((const void *)PT_REGS_PARM2(ctx)));
}
