# SPDX-License-Identifier: Apache-2.0
"""Linux interfaces: system calls, bpf(2), perf events, tracefs, capabilities, sockets, signals."""
