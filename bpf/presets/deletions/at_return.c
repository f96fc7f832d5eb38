// SPDX-License-Identifier: GPL-2.0
//
// Exit modes: a deletion is sent at its return, with result and latency. The name is copied at entry,
// because before Linux 7.0 do_unlinkat has freed its struct filename by the time it returns. Linux
// kernel commit e50aae1d39ac ("non-consuming variants of do_{unlinkat,rmdir}()") replaced it with
// filename_unlinkat, which leaves that to its caller.

static __always_inline void enter_deletion(struct deletion *of, u32 draft)
{
    if (!is_canary(of->dfd, (const char *)of->name))
        keep_deletion(of, 0, draft);
}

static __always_inline void confirm_rename(u64 *key, struct call *c)
{
    c->pending = 0;
    count(CALLS_ENTERED);
}

static __always_inline void leave_deletion(s64 ret)
{
    u64 now_ns = bpf_ktime_get_ns(), key = bpf_get_current_task();
    struct call *c = entry_of(&key);

    if (!is_in_call(c)) {
        note_canary_return(ret);
        return;
    }
    if (!c->pending) {
        c->kept.r.head.latency_ns = now_ns - c->kept.r.head.entry_ns;
        c->kept.r.head.ret = ret;
        count(CALLS_LEFT);
        send_kept(&key, c, DRAFT_AT_RETURN);
    }
    end_call(&key, c);
}
