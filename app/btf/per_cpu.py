# SPDX-License-Identifier: Apache-2.0
"""Which members of structs are per-CPU pointers, where no type tag says it.

Such a pointer is an offset that each CPU adds to the address of its own area. The sources mark it
by `__percpu`, which is in BTF as a type tag only if the compiler writes those: clang, and gcc from
16 on. Otherwise only names tell: those of members, and the tables here, which are not complete.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"(?:^|_)(?:pcpu|percpu|per_cpu)(?:_|$)")
# Of things that are about all CPUs, such as `percpu_affinity` of an irq_desc, and have an address.
_ORDINARY = ("cpumask", "dentry")

# What members by DEFINE_SNMP_STAT point to; those by DEFINE_SNMP_STAT_ATOMIC, such as icmpmsg_mib,
# are ordinary. include/net/netns/mib.h, include/net/netns/sctp.h, include/net/if_inet6.h.
_COUNTERS = frozenset(
    {
        *("icmp_mib", "icmpv6_mib", "ipstats_mib", "linux_mib", "linux_tls_mib", "linux_xfrm_mib"),
        *("mptcp_mib", "sctp_mib", "tcp_mib", "udp_mib"),
    }
)

# Members that are declared `__percpu`, by their struct, with the file of v6.12 or where said
# otherwise.
MEMBERS: dict[str, tuple[str, ...]] = {
    "Qdisc": ("cpu_bstats", "cpu_qstats"),  # include/net/sch_generic.h
    "array_buffer": ("data",),  # kernel/trace/trace.h
    "bio_set": ("cache",),  # include/linux/bio.h
    "blk_trace": ("msg_data", "sequence"),  # include/linux/blktrace_api.h
    "block_device": ("bd_stats",),  # include/linux/blk_types.h
    "bpf_array": ("pptrs",),  # include/linux/bpf.h
    "bpf_map": ("elem_count",),  # include/linux/bpf.h
    "bpf_mem_alloc": ("cache", "caches"),  # include/linux/bpf_mem_alloc.h
    "bpf_prog": ("active", "stats"),  # include/linux/bpf.h
    "cgroup": ("rstat_base_cpu", "rstat_cpu"),  # include/linux/cgroup-defs.h, v6.16 and v6.12
    "cgroup_subsys": ("lhead",),  # include/linux/cgroup-defs.h, v6.17
    "cgroup_subsys_state": ("rstat_cpu",),  # include/linux/cgroup-defs.h, v6.16
    "cpuacct": ("cpustat", "cpuusage"),  # kernel/sched/cpuacct.c
    "dma_chan": ("local",),  # include/linux/dmaengine.h
    "dst_cache": ("cache",),  # include/net/dst_cache.h
    "gen_cookie": ("local",),  # include/linux/cookie.h
    "gro_cells": ("cells",),  # include/net/gro_cells.h
    "hd_struct": ("dkstats",),  # include/linux/genhd.h, until v5.10
    "ip_vs_stats": ("cpustats",),  # include/net/ip_vs.h
    "irq_desc": ("kstat_irqs",),  # include/linux/irqdesc.h
    "kmem_cache": ("cpu_sheaves", "cpu_slab"),  # mm/slab.h, v6.18
    "mini_Qdisc": ("cpu_bstats", "cpu_qstats"),  # include/net/sch_generic.h
    "mount": ("mnt_pcp",),  # fs/mount.h
    "neigh_table": ("stats",),  # include/net/neighbour.h
    # include/linux/netdevice.h
    "net_device": ("core_stats", "dstats", "lstats", "tstats", "xdp_bulkq"),
    "netns_core": ("prot_inuse", "sock_inuse"),  # include/net/netns/core.h, v6.12 and v5.10
    "netns_ct": ("stat",),  # include/net/netns/conntrack.h
    "netns_ft": ("stat",),  # include/net/netns/flow_table.h
    "netns_smc": ("smc_stats",),  # include/net/netns/smc.h
    "netns_xfrm": ("state_cache_input",),  # include/net/netns/xfrm.h
    "nfs_server": ("io_stats",),  # include/linux/nfs_fs_sb.h
    "nft_base_chain": ("stats",),  # include/net/netfilter/nf_tables.h
    "nh_grp_entry": ("stats",),  # include/net/nexthop.h
    "page_pool": ("recycle_stats",),  # include/net/page_pool/types.h
    "parallel_data": ("reorder_list", "squeue"),  # include/linux/padata.h
    "percpu_counter": ("counters",),  # include/linux/percpu_counter.h
    "percpu_rw_semaphore": ("read_count",),  # include/linux/percpu-rwsem.h
    "perf_cgroup": ("info",),  # include/linux/perf_event.h
    "pmu": ("cpu_pmu_context", "pmu_disable_count"),  # include/linux/perf_event.h
    "proto": ("orphan_count",),  # include/net/sock.h
    "rchan": ("buf",),  # include/linux/relay.h
    "request_queue": ("queue_ctx",),  # include/linux/blkdev.h
    "sbitmap": ("alloc_hint",),  # include/linux/sbitmap.h
    "sd_data": ("sd", "sds", "sg", "sgc"),  # include/linux/sched/topology.h
    "shmem_sb_info": ("ino_batch",),  # include/linux/shmem_fs.h
    "smp_hotplug_thread": ("store",),  # include/linux/smpboot.h
    "srcu_struct": ("sda",),  # include/linux/srcutree.h
    "svc_version": ("vs_count",),  # include/linux/sunrpc/svc.h
    "swap_info_struct": ("cluster_next_cpu",),  # include/linux/swap.h
    "tc_action": ("cpu_bstats", "cpu_bstats_hw", "cpu_qstats"),  # include/net/act_api.h
    "trace_array": ("last_func_repeats",),  # kernel/trace/trace.h
    "trace_event_call": ("perf_events",),  # include/linux/trace_events.h
    "workqueue_struct": ("cpu_pwq", "cpu_pwqs"),  # kernel/workqueue.c, v6.12 and v5.10
    "zone": ("pageset",),  # include/linux/mmzone.h, until v5.13
}


def is_named_per_cpu(name: str, target: str) -> bool:
    """Return whether a member of this name that points to a `struct target` is one by its name."""
    return target not in _ORDINARY and _NAME.search(name) is not None


def is_per_cpu(record: str, name: str, target: str) -> bool:
    """Return whether a pointer is per CPU: the member `name` of a `struct record`.

    `target` is the struct that it points to; empty for other types.
    """
    is_listed = name in MEMBERS.get(record, ()) or target in _COUNTERS
    return is_listed or is_named_per_cpu(name, target)
