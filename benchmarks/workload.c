// SPDX-License-Identifier: Apache-2.0

// The traced process: makes the same call again and again and reports how long it took.
// benchmarks/workload.py compiles and commands it: it answers each line on standard input with
// one line of JSON, after a first line that says that it is ready.
//
//   loop CALL CALLS THREADS NAME_BYTES PASS_EVERY   CALLS calls by each thread, as fast as possible
//   paced CALLS RATE FILE   CALLS deletions, RATE per second; FILE gets their times
//
// CALL is `unlinkat` or `openat`, of a missing file, or `pread`, of 16 bytes from a file of that size
// whose name has NAME_BYTES bytes. With PASS_EVERY, one of so many calls is made under the thread name "pass", for filters.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 64
#define MAX_NAME_BYTES 4095
#define NS_PER_S 1000000000ull
#define READ_BYTES 16

enum call { UNLINKAT, OPENAT, PREAD, CALLS };
static const char *const call_names[CALLS] = {"unlinkat", "openat", "pread"};

struct work {
    pthread_t thread;
    uint64_t calls;
    uint64_t pass_every;
    uint64_t cpu_ns;
    uint64_t failures; // calls that ended otherwise than they should
    enum call call;
    int file; // what `pread` reads
    char name[MAX_NAME_BYTES + 1];
};

static struct work works[MAX_THREADS];
static pthread_barrier_t barrier;

static uint64_t now_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

// A name of this many bytes. Its first component is missing, so path lookup costs the same for all.
static void make_name(char *name, size_t bytes)
{
    memset(name, 'x', bytes);
    memcpy(name, "no", bytes < 2 ? bytes : 2);
    for (size_t at = 8; at + 1 < bytes; at += 100)
        name[at] = '/';
    name[bytes] = '\0';
}

// Make one call and return whether it ended as it should.
static inline int ends_well(const struct work *work)
{
    char data[READ_BYTES];

    switch (work->call) {
    case OPENAT:
        return openat(AT_FDCWD, work->name, O_RDONLY) == -1 && errno == ENOENT;
    case PREAD:
        return pread(work->file, data, sizeof(data), 0) == sizeof(data);
    default:
        return unlinkat(AT_FDCWD, work->name, 0) == -1 && errno == ENOENT;
    }
}

static void *loop(void *argument)
{
    struct work *work = argument;

    pthread_barrier_wait(&barrier);
    uint64_t start_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (uint64_t call = 0; call < work->calls; call++) {
        int passes = work->pass_every && call % work->pass_every == 0;

        if (passes)
            prctl(PR_SET_NAME, "pass");
        if (!ends_well(work))
            work->failures++;
        if (passes)
            prctl(PR_SET_NAME, "workload");
    }
    work->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns;
    return NULL;
}

// Create the file that is read, in this folder, and return its descriptor.
static int make_file(char *name)
{
    static const char data[READ_BYTES];

    for (char *at = name; (at = strchr(at, '/'));)
        *at = '-';
    int file = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

    if (file < 0 || write(file, data, sizeof(data)) != sizeof(data))
        exit(2);
    return file;
}

static void run_loop(enum call call, uint64_t calls, int threads, size_t name_bytes, uint64_t pass_every)
{
    uint64_t cpu_ns = 0, failures = 0;
    char name[MAX_NAME_BYTES + 1];
    int file = -1;

    if (threads < 1 || threads > MAX_THREADS || !name_bytes || name_bytes > MAX_NAME_BYTES)
        exit(2);
    make_name(name, name_bytes);
    if (call == PREAD)
        file = make_file(name);
    pthread_barrier_init(&barrier, NULL, threads + 1);
    for (int i = 0; i < threads; i++) {
        works[i].calls = calls;
        works[i].pass_every = pass_every;
        works[i].failures = 0;
        works[i].call = call;
        works[i].file = file;
        strcpy(works[i].name, name);
        pthread_create(&works[i].thread, NULL, loop, &works[i]);
    }
    uint64_t start_ns = now_ns(CLOCK_MONOTONIC);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < threads; i++) {
        pthread_join(works[i].thread, NULL);
        cpu_ns += works[i].cpu_ns;
        failures += works[i].failures;
    }
    uint64_t elapsed_ns = now_ns(CLOCK_MONOTONIC) - start_ns;
    pthread_barrier_destroy(&barrier);
    if (file >= 0) {
        close(file);
        unlink(name);
    }
    printf("{\"calls\": %llu, \"elapsed_ns\": %llu, \"cpu_ns\": %llu, \"failures\": %llu}\n",
           (unsigned long long)calls * threads, (unsigned long long)elapsed_ns,
           (unsigned long long)cpu_ns, (unsigned long long)failures);
}

// A call's number is its name, and the index of its time in the file.
static void run_paced(uint64_t calls, double rate, const char *path)
{
    uint64_t *stamps = calloc(calls, sizeof(*stamps));
    uint64_t start_ns = now_ns(CLOCK_MONOTONIC) + 1000000;
    FILE *file = fopen(path, "wb");
    char name[32];

    if (!stamps || !file)
        exit(2);
    prctl(PR_SET_TIMERSLACK, 1ul);
    for (uint64_t call = 0; call < calls; call++) {
        uint64_t due_ns = start_ns + (uint64_t)(call * (NS_PER_S / rate));
        struct timespec due = {due_ns / NS_PER_S, due_ns % NS_PER_S};

        snprintf(name, sizeof(name), "no-%llu", (unsigned long long)call);
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
            ;
        stamps[call] = now_ns(CLOCK_MONOTONIC);
        unlinkat(AT_FDCWD, name, 0);
    }
    uint64_t elapsed_ns = now_ns(CLOCK_MONOTONIC) - start_ns;
    size_t written = fwrite(stamps, sizeof(*stamps), calls, file);

    if (fclose(file) || written != calls)
        exit(2);
    free(stamps);
    printf("{\"calls\": %llu, \"elapsed_ns\": %llu}\n", (unsigned long long)calls,
           (unsigned long long)elapsed_ns);
}

static enum call call_number(const char *name)
{
    for (int call = 0; call < CALLS; call++)
        if (!strcmp(name, call_names[call]))
            return call;
    exit(2);
}

int main(void)
{
    char line[4352], path[4096], name[16];
    unsigned long long calls, pass_every;
    size_t name_bytes;
    double rate;
    int threads;

    prctl(PR_SET_NAME, "workload");
    printf("{\"pid\": %d}\n", getpid());
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "loop %15s %llu %d %zu %llu", name, &calls, &threads, &name_bytes,
                   &pass_every) == 5)
            run_loop(call_number(name), calls, threads, name_bytes, pass_every);
        else if (sscanf(line, "paced %llu %lf %4095s", &calls, &rate, path) == 3)
            run_paced(calls, rate, path);
        else
            return 2;
        fflush(stdout);
    }
    return 0;
}
