// SPDX-License-Identifier: GPL-2.0
//
// tracepoint: syscalls:sys_enter_* and sys_exit_* of the calls that delete, and of those that rename,
// which delete when there is a file at the new name: a tracepoint cannot tell. The name is in user
// memory. CPython and gcc call the old unlink, coreutils unlinkat.

#define AT_FDCWD -100

// As in events/syscalls/*/format: the layout is part of the tracepoints' interface.
struct enter_context {
    u64 common;
    s64 number;
    u64 args[6];
};
struct exit_context {
    u64 common;
    s64 number;
    s64 ret;
};

// Read where it is written: the compiler would load from one of several offsets that it chose before,
// and the verifier refuses a context pointer that was added to.
#define ARGUMENT(n) (*(volatile u64 *)&ctx->args[n])

// One program for all entries: the tracer defines the numbers of the calls.
int on_enter_call(struct enter_context *ctx)
{
    u64 first = ARGUMENT(0), second = ARGUMENT(1), third = ARGUMENT(2), fourth = ARGUMENT(3),
        fifth = ARGUMENT(4);
    s32 dfd = AT_FDCWD;
    u32 call, flags = 0;
    u64 name = first;

    switch (ctx->number) {
    case NR_UNLINK:
        call = CALL_UNLINK;
        break;
    case NR_UNLINKAT:
        call = CALL_UNLINKAT;
        dfd = first;
        name = second;
        flags = third;
        break;
    case NR_RMDIR:
        call = CALL_RMDIR;
        break;
    case NR_RENAME:
        call = CALL_RENAME;
        name = second;
        break;
    case NR_RENAMEAT:
        call = CALL_RENAMEAT;
        dfd = third;
        name = fourth;
        break;
    case NR_RENAMEAT2:
        call = CALL_RENAMEAT2;
        dfd = third;
        name = fourth;
        flags = fifth;
        if (flags & (RENAME_NOREPLACE | RENAME_EXCHANGE)) // it replaces nothing
            return 1;
        break;
    default:
        return 1;
    }
    on_enter(dfd, (const char *)name, call, flags);
    return 1;
}

int on_exit(struct exit_context *ctx)
{
    on_leave(ctx->ret);
    return 1;
}
