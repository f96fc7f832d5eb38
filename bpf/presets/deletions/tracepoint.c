// SPDX-License-Identifier: GPL-2.0
//
// tracepoint: syscalls:sys_enter_* and sys_exit_* of the calls that delete, and of those that
// rename, which delete when there is a file at the new name; a tracepoint cannot tell whether
// there is one. CPython and gcc call the old unlink, coreutils unlinkat. Each call has an entry
// program of its own, as one may read only as many arguments as its tracepoint has
// (perf_event_set_bpf_prog). They go on in one that they share, so that the verifier has its work
// once.

// As in tracefs' events/syscalls/*/format: the layout is part of the tracepoints' interface.
struct enter_context {
    u64 common;
    s32 number;
    u32 unused; // not initialised
    u64 args[6];
};
struct exit_context {
    u64 common;
    s64 number;
    s64 ret;
};

#ifndef __x86_64__
#error "numbers of system calls are known for x86-64 only"
#endif

// Which of the calls a number is (arch/x86/entry/syscalls/syscall_64.tbl).
static __always_inline u32 call_of(s32 number)
{
    return number == 87    ? CALL_UNLINK
           : number == 263 ? CALL_UNLINKAT
           : number == 84  ? CALL_RMDIR
           : number == 82  ? CALL_RENAME
           : number == 264 ? CALL_RENAMEAT
                           : CALL_RENAMEAT2;
}

// What the program of each call hands on. They may preempt one another, so each has a place.
BPF_PERCPU_ARRAY(entering, struct deletion, CALL_RENAMEAT2 + 1);
BPF_PROG_ARRAY(entered, 1);

static __always_inline int enter(void *ctx, s32 dfd, u64 name, u32 call, u64 call_flags)
{
    struct deletion *of = entering.lookup(&call);

    if (!of)
        return 1;
    of->name = name;
    of->call_flags = call_flags;
    of->dfd = dfd;
    of->call = call;
    entered.call(ctx, 0);
    return 1;
}

int on_entered(struct enter_context *ctx)
{
    u32 call = call_of(ctx->number);
    struct deletion *of = entering.lookup(&call);

    if (of)
        enter_deletion(of, call);
    return 1;
}

int on_enter_unlink(struct enter_context *ctx)
{
    return enter(ctx, AT_FDCWD, ctx->args[0], CALL_UNLINK, 0);
}

int on_enter_unlinkat(struct enter_context *ctx)
{
    return enter(ctx, ctx->args[0], ctx->args[1], CALL_UNLINKAT, ctx->args[2]);
}

int on_enter_rmdir(struct enter_context *ctx)
{
    return enter(ctx, AT_FDCWD, ctx->args[0], CALL_RMDIR, 0);
}

int on_enter_rename(struct enter_context *ctx)
{
    return enter(ctx, AT_FDCWD, ctx->args[1], CALL_RENAME, 0);
}

int on_enter_renameat(struct enter_context *ctx)
{
    return enter(ctx, ctx->args[2], ctx->args[3], CALL_RENAMEAT, 0);
}

int on_enter_renameat2(struct enter_context *ctx)
{
    if (!may_replace(ctx->args[4]))
        return 1;
    return enter(ctx, ctx->args[2], ctx->args[3], CALL_RENAMEAT2, ctx->args[4]);
}

int on_exit(struct exit_context *ctx)
{
    leave_deletion(ctx->ret);
    return 1;
}
