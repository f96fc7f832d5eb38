// SPDX-License-Identifier: GPL-2.0
//
// Exit modes: a call is remembered at its entry and emitted at its return, with result and
// latency. The name is copied at entry, because before Linux 7.0 do_unlinkat has freed its struct
// filename by the time it returns. Linux kernel commit e50aae1d39ac ("non-consuming variants of
// do_{unlinkat,rmdir}()") replaced it with filename_unlinkat, which leaves that to its caller.

static __always_inline int enter_deletion(s32 dfd, const char *name)
{
    return begin_call(dfd, name, 0, 0);
}

static __always_inline void confirm_rename(u64 *task, struct call *c)
{
    count(CALLS_ENTERED);
}

static __always_inline int leave_call(s64 ret)
{
    u64 task = bpf_get_current_task();
    struct call *c = calls.lookup(&task);

    if (!is_in_call(c)) {
        note_canary_return(ret);
        return 0;
    }

    u64 now_ns = bpf_ktime_get_ns();

    if (!(c->r.head.flags & PENDING)) {
        c->r.head.latency_ns = now_ns - c->r.head.entry_ns;
        c->r.head.ret = ret;
        count(CALLS_LEFT);
        if (passes_now(&c->r.head, c->generation))
            send_call(&task, c);
    }
    forget_call(&task, c);
    return 0;
}
