# SPDX-License-Identifier: Apache-2.0
"""Default signal dispositions and an empty mask, whatever the parent process has left.

Ignored and blocked signals are inherited through execve(2). A shell without job control ignores
SIGINT and SIGQUIT for `command &` (POSIX, "Asynchronous Lists"); other parents ignore SIGCHLD,
which loses the exit status of children, or block signals in the thread that starts a program.
"""

from __future__ import annotations

import signal

# Every signal that ends, wakes or stops us or our children in order. Not SIGHUP, which nohup
# ignores on purpose; nor SIGPIPE and SIGXFSZ, which Python ignores itself and restores for its
# children; nor the job control signals, with which a shell keeps background jobs from reading.
RELIED_ON = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGCHLD,
    signal.SIGALRM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)


def restore() -> None:
    """Restore the default action of those that are ignored, and unblock all signals.

    Call it in the main thread, before it installs handlers or starts anything.
    """
    for number in RELIED_ON:
        if signal.getsignal(number) == signal.SIG_IGN:
            default = number != signal.SIGINT
            signal.signal(number, signal.SIG_DFL if default else signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
