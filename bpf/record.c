// SPDX-License-Identifier: GPL-2.0
//
// The record that user space reads. app/tracer/records.py repeats its layout and constants.
//
// BCC rewrites map calls in the main file only, so app/tracer/bpf_source.py concatenates the files of
// a mode, in an order in which each uses only what precedes it; it lists them. It also defines
//   RING_PAGES       pages of the ring for short names
//   SEES_RETURN      in modes that emit at a call's return
//   FUNCTION         the traced function, an identifier from the kernel's symbols (not tracepoint)
//   RENAME_FUNCTION  the function that renames, where a mode follows it too
//
// Return values of programs: tracepoints and kprobes return 1, as 0 would hide the event from
// every perf user of the machine (perf_trace_buf_submit is skipped,
// kernel/trace/trace_syscalls.c); trampolines return 0, as the verifier demands
// (check_return_code, kernel/bpf/verifier.c).

#include <linux/types.h>
#include <linux/sched.h> // struct task_struct
#include <uapi/linux/ptrace.h>

// Where a member of struct task_struct is, as the kernel's headers say; a plan has a slot for it.
#define TASK_MEMBER(name, slot) u64 name = __builtin_offsetof(struct task_struct, name)

#define NAME_SHORT 64
#define NAME_MEDIUM 256
#define NAME_LARGE 1024
#define NAME_LONG 4096 // PATH_MAX, with the terminating NUL

struct head {
    u64 entry_ns;   // CLOCK_MONOTONIC at entry
    u64 latency_ns; // entry to return; 0 in entry modes
    s64 ret;        // return value; 0 in entry modes
    u32 pid;
    u32 tid;
    u32 uid;
    s32 dfd;
    s32 name_size;    // bytes of name without its NUL, or NAME_UNREADABLE
    u32 flags;        // a CALL_* number, NAME_CUT, REPLACES, PENDING, NO_FOLDER, FOLDER_OPEN
    u32 call_flags;   // as passed: AT_REMOVEDIR, RENAME_*
    u32 folder_size;  // bytes of the folder before the name, with its last slash; 0 for none
    char comm[16];    // the thread's name
    char process[16]; // the name of its thread group's leader
};

#define NAME_UNREADABLE (-1)

// The system call, where the mode knows it.
#define CALL_UNLINK 1
#define CALL_UNLINKAT 2
#define CALL_RMDIR 3
#define CALL_RENAME 4
#define CALL_RENAMEAT 5
#define CALL_RENAMEAT2 6

#define NAME_CUT 0x100 // the name is longer than NAME_LONG
#define REPLACES 0x200 // a rename whose new name belonged to a file
#define PENDING 0x400  // a rename not yet known to replace a file; such a record is never sent
#define NO_FOLDER 0x800    // a relative name, and its folder could not be found
#define FOLDER_OPEN 0x1000 // the folder's beginning is missing

// In each record, `name` is what is read of the folder, if paths are wanted, then the name.
struct short_record {
    struct head head;
    char name[NAME_SHORT];
};
struct medium_record {
    struct head head;
    char name[NAME_MEDIUM];
};
struct large_record {
    struct head head;
    char name[NAME_LARGE];
};
struct long_record {
    struct head head;
    char name[NAME_LONG];
};

// A call remembered from entry to return. Keyed by task_struct: the kernel's own identity of a
// thread, which is not reused before the thread has ended, and stays when an execve by one of
// several threads changes its id. The traced functions do not call themselves, so a thread is in one
// call at most.
struct call {
    u32 temporary;  // this entry is removed at the call's return
    u32 generation; // of the filter that the call passed at entry
    u64 name;       // its address at entry: read again where NAME_MAY_BE_PAGED_OUT
    struct medium_record r; // r.head.entry_ns is 0 while the thread is in no call
};
#define CALL_KEY u64

// Bytes of the folder and the name.
static __always_inline u32 text_size(struct head *head)
{
    return head->folder_size + (head->name_size > 0 ? head->name_size : 0);
}
