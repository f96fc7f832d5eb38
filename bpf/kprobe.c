// SPDX-License-Identifier: GPL-2.0
//
// kprobe: at the function's entry.

int on_entry(struct pt_regs *ctx)
{
    struct long_record *r = begin_record(PT_REGS_PARM1(ctx), 0);

    if (!r)
        return 0;
    read_kernel_name(r, (const void *)PT_REGS_PARM2(ctx));
    emit(r);
    return 0;
}
