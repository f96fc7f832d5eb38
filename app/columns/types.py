# SPDX-License-Identifier: Apache-2.0
"""From BTF type to column: the one table of how values are shown without a renderer.

Decoders, by name, and what each takes. A value is a 64-bit word, already narrowed by its Read,
signed if the Read is; a column is null in a row where one of its values or texts is unreadable.

| decoder | column type | values | texts | a cell |
|---|---|---|---|---|
| head | by name | - | - | the head's number or text of the column's own name: time, pid, tid, uid, process, comm, cpu, latency_ns |
| number | int32, uint32, int64, uint64 | 1 | - | the number |
| hex | uint64 (`render` hex) | 1 | - | the number |
| bool | bool | 1 | - | whether it is not 0 |
| name | int32, uint32, int64, uint64 (`render` name) | 1 | - | the number; `Output.names` has its names |
| text | text | - | 1 | the text |
| bytes | text | - | 1 | two hexadecimal digits a byte: `0a1b` |
| error | text | 1 | - | the error's name if the number, as a signed one, is from -4095 to -1; else null |
| device | text | 1 | - | `major:minor` of a dev_t: major is the number >> 20, minor the lower 20 bits |
| inode | text | 2: i_ino, s_dev | - | `ino on major:minor` |
| task | text | 1: tgid | 1: comm | `comm (tgid)` |
| sock | text | 3 or 7 | - | `address:port -> address:port`, ours first; `[v6]:port`; `family N` for others |
| sockaddr | text | - | 1: its first 28 bytes | `address:port`; `family N` for others |
| list | text | 1 to 16 | - | `1, 2, 3`, each signed if its Read is |
| since | int64 (unit ns) | 1: a time of CLOCK_MONOTONIC | - | the head's entry_ns less the number |

The values of `sock`: family; ports (the lower 16 bits the remote port in network order, bits 16 to
31 the local one in host order); IPv4 addresses (the lower 32 bits the remote one, the upper ones
ours, bytes in network order); then, where the kernel has IPv6, our address (2 words) and the remote
one (2 words), bytes in network order. Family 2 is AF_INET, 10 AF_INET6. All numbers are as loaded
from memory by a little-endian machine.
"""  # noqa: E501 - a table
