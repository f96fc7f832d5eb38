# SPDX-License-Identifier: Apache-2.0
"""Signals as a program expects them, whatever the one that started it had done to them.

What is ignored or blocked is inherited through execve(2). A shell without job control ignores
SIGINT and SIGQUIT for `command &` (POSIX, "Asynchronous Lists"); others ignore SIGCHLD, without
which no child's exit status is known, or block signals in the thread that starts a program.
Standard library only.
"""

from __future__ import annotations

import signal

# All that end, wake or stop us or our children in order. Not SIGHUP, which is ignored under
# nohup, and that is meant; nor SIGPIPE and SIGXFSZ, which Python ignores itself and puts back for
# its children; nor those of job control, with which a shell keeps a background job from reading.
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
    """Put those that are ignored back to what they are by default, and block none.

    For the main thread, before it installs handlers or starts anything.
    """
    for number in RELIED_ON:
        if signal.getsignal(number) == signal.SIG_IGN:
            default = number != signal.SIGINT
            signal.signal(number, signal.SIG_DFL if default else signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
