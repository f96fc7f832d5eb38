# SPDX-License-Identifier: Apache-2.0
"""Records of any plan to Arrow: which decoder makes which column is all in the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.columns.column import Column
from app.columns.plan import Output, Plan
from app.tracer.any_records import Batch, Records, WallOffset
from app.tracer.arrow import Stream
from app.tracer.decoders import DECODERS


class PlanEncoder:
    """Encodes records of one run of a probe as self-contained Arrow IPC streams.

    Raises ValueError for a plan with a decoder that does not exist.
    """

    def __init__(self, probe: str, run: int, plan: Plan) -> None:
        unknown = {output.decoder for output in plan.outputs} - DECODERS.keys()
        if unknown:
            raise ValueError(f"the plan has unknown decoders: {', '.join(sorted(unknown))}")
        self._plan = plan
        self._stream = Stream(
            {"probe": probe, "mode": plan.mode, "run": str(run)},
            [_column(output) for output in plan.outputs],
        )

    def encode(self, parts: Sequence[Records], wall_offset_ns: WallOffset) -> bytes:
        """Return the rows of all parts, ordered by entry time, as one Arrow IPC stream.

        Each part has the records of one ring (`any_records.slots`). Raises ValueError for records
        that the plan's programs cannot have written.
        """
        batch = Batch(self._plan, parts, wall_offset_ns)
        columns = [DECODERS[output.decoder](batch, output) for output in self._plan.outputs]
        return self._stream.write(batch.rows, columns)


def _column(output: Output) -> Column:
    """Return the column of an output. What is read may be unreadable, whatever its type says."""
    if output.values or output.texts:
        return replace(output.column, nullable=True)
    return output.column
