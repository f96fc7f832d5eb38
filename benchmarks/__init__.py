# SPDX-License-Identifier: Apache-2.0
"""The benchmark: `./bench`, beside bpftrace and the bpf_printk way, in one run.

It watches the real service from outside, as the tests do; of `app` it imports only what finds
the kernel's functions, mounts, include files and programs, and what boots machines. It measures
and prints: nothing here fails because of a time.
"""
