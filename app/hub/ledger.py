# SPDX-License-Identifier: Apache-2.0
"""Counters that add up: where the rows of a run went, for its probe and for each client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class Ledger:
    """Where the rows of one run of one probe went. All counts are rows.

    `received = delivered + dropped_client` and `produced = received + dropped_kernel +
    dropped_pipe` hold by construction. `app.probes.run` checks, as the tracer's reports arrive,
    that the kernel counted as many produced rows.
    """

    probe: str
    is_over: bool = False  # the probe has a later run, or is forgotten: there will be no more rows
    received: int = 0
    dropped_kernel: int = 0
    dropped_pipe: int = 0
    dropped_client: int = 0

    def count_lost(self, where: str, rows: int) -> None:
        """Count rows that were lost before the hub: in the kernel or in the pipe."""
        if where == "kernel":
            self.dropped_kernel += rows
        else:
            self.dropped_pipe += rows

    def counters(self) -> dict[str, int]:
        return {
            "produced": self.received + self.dropped_kernel + self.dropped_pipe,
            "delivered": self.received - self.dropped_client,
            "dropped_kernel": self.dropped_kernel,
            "dropped_pipe": self.dropped_pipe,
            "dropped_client": self.dropped_client,
        }


class ClientLedger:
    """One client's share of a run, in rows; losses before it connected do not count."""

    def __init__(self, run: Ledger) -> None:
        self.queued = 0
        self._run = run
        self._kernel_before = run.dropped_kernel
        self._pipe_before = run.dropped_pipe
        self._delivered = 0
        self._dropped = 0

    def deliver(self, rows: int) -> None:
        """Count queued rows as delivered."""
        self.queued -= rows
        self._delivered += rows

    def drop(self, rows: int) -> None:
        """Count queued rows as dropped."""
        self.queued -= rows
        self._dropped += rows

    def counters(self) -> dict[str, int]:
        kernel = self._run.dropped_kernel - self._kernel_before
        pipe = self._run.dropped_pipe - self._pipe_before
        return {
            "produced": self._delivered + self._dropped + kernel + pipe,
            "delivered": self._delivered,
            "dropped_kernel": kernel,
            "dropped_pipe": pipe,
            "dropped_client": self._dropped,
        }


class ClientLedgers:
    """One client's ledgers by run.

    That of a run that is over is kept only while rows of it are queued, so that many runs of many
    probes take no room.
    """

    def __init__(self) -> None:
        self._by_run: dict[Ledger, ClientLedger] = {}

    def of(self, run: Ledger) -> ClientLedger:
        """Return the client's ledger of this run; it begins with the first call."""
        ledger = self._by_run.get(run)
        if ledger is None:
            ledger = self._by_run[run] = ClientLedger(run)
        return ledger

    def deliver(self, run: Ledger, rows: int) -> None:
        """Count queued rows of this run as delivered."""
        self.of(run).deliver(rows)
        self.tidy(run)

    def drop(self, run: Ledger, rows: int) -> None:
        """Count queued rows of this run as dropped."""
        self.of(run).drop(rows)
        self.tidy(run)

    def tidy(self, run: Ledger) -> None:
        """Forget the ledger of this run if nothing more happens to it."""
        ledger = self._by_run.get(run)
        if ledger is not None and run.is_over and not ledger.queued:
            del self._by_run[run]
