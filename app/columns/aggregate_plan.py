# SPDX-License-Identifier: Apache-2.0
"""From what a caller asks to count to a plan that counts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.columns.aggregate import (
    AVERAGE,
    CALLS,
    HIGH,
    LOW,
    MAX_BUCKETS,
    MAXIMUM,
    MINIMUM,
    SUM,
    Aggregate,
    AggregateSpec,
    Histogram,
    HistogramSpec,
    Measure,
)
from app.columns.column import Column
from app.columns.expression import ExpressionError, parse
from app.columns.plan import Output, Plan, Text
from app.errors import ProbedeckError

# Most numbers and texts of a key, and bytes of a text (bpf/template/groups.c).
KEY_NUMBERS, KEY_TEXTS, KEY_TEXT_BYTES = 14, 2, 128
# Decoders whose output is one number of the plan.
_NUMBERS = ("number", "hex", "bool", "name")
# Members of a record's head that are numbers, and how many of a key's numbers each takes.
HEAD_NUMBERS = ("pid", "tid", "uid", "cpu", "ret", "latency_ns")
HEAD_KEYS = {**dict.fromkeys((*HEAD_NUMBERS, "errno"), 1), "comm": 2, "process": 2}
_UNFIT = ("time", "since")  # every call has another one


@dataclass(frozen=True)
class Source:
    """Where a number of a record is: a member of its head, or a value of the plan."""

    head: str | None = None
    value: int | None = None
    signed: bool = False
    is_error: bool = False  # it counts as 0 unless it is a negated errno


def number_of(plan: Plan, output: Output) -> Source | None:
    """Return the number that an output is; None if it is anything else."""
    if output.decoder == "head":
        name = output.column.name
        return Source(head=name, signed=name == "ret") if name in HEAD_NUMBERS else None
    if output.decoder in _NUMBERS and len(output.values) == 1:
        signed = plan.values[output.values[0]].signed or output.column.type.startswith("int")
        return Source(value=output.values[0], signed=signed)
    return None


def key_sources(output: Output) -> list[Source] | None:
    """Return the numbers that tell an output's values apart, beside its texts; None if it is no
    key."""
    if output.decoder == "head":
        name = output.column.name
        if name not in HEAD_KEYS:
            return None
        if name == "errno":
            return [Source(head="ret", is_error=True)]
        return [Source(head=name)]
    if output.decoder in _UNFIT:
        return None
    return [Source(value=each, is_error=output.decoder == "error") for each in output.values]


def with_aggregate(plan: Plan, wanted: AggregateSpec) -> Plan:
    """Return the plan with what is counted. Raises ProbedeckError 422 `invalid`."""
    faults: list[dict[str, str]] = []
    by = [_output(plan, text, f"aggregate.by.{n}", faults) for n, text in enumerate(wanted.by)]
    measures = [
        Measure(kind, number, f"{kind}_{plan.outputs[number].column.name}")
        for kind, text in wanted.measures
        if (number := _measured(plan, text, f"aggregate.{kind}", faults)) is not None
    ]
    histogram = _histogram(plan, wanted.histogram, faults)
    if not faults:
        found = [number for number in by if number is not None]
        _check_key(plan, found, faults)
        taken = [CALLS, *([LOW, HIGH] if histogram else []), *(each.name for each in measures)]
        for place, number in enumerate(found):
            name = plan.outputs[number].column.name
            if name in taken or number in found[:place]:
                message = (
                    f"there is a column {name} already; write `... as NAME` to give it another"
                )
                faults.append({"field": f"aggregate.by.{place}", "message": message})
    if faults:
        detail = " ".join(f"{each['field']}: {each['message']}" for each in faults)
        raise ProbedeckError(422, "invalid", detail, errors=faults)
    aggregate = Aggregate(tuple(found), tuple(measures), histogram, wanted.groups, wanted.top)
    return replace(plan, texts=_short_texts(plan), aggregate=aggregate)


def _short_texts(plan: Plan) -> tuple[Text, ...]:
    """Return the texts, of which no more is read than a key has room for, with its NUL."""
    most = KEY_TEXT_BYTES - 1
    if plan.has_own_programs:  # which read what they read
        return plan.texts
    return tuple(replace(text, max_bytes=min(text.max_bytes, most)) for text in plan.texts)


def _output(plan: Plan, text: str, field: str, faults: list[dict[str, str]]) -> int | None:
    """Return which output an expression is, among those of the plan."""
    names = [output.column.name for output in plan.outputs]
    candidates = [text]
    try:
        expression = parse(text)
        candidates += [expression.alias or expression.name, f"arg_{expression.name}"]
    except ExpressionError:
        pass  # the planner has refused it, if it had to
    for name in candidates:
        if name in names:
            return names.index(name)
    shown = ", ".join(names)
    message = f"{text} is not one of the columns: {shown}"
    faults.append({"field": field, "message": message})
    return None


def _measured(plan: Plan, text: str, field: str, faults: list[dict[str, str]]) -> int | None:
    number = _output(plan, text, field, faults)
    if number is not None and number_of(plan, plan.outputs[number]) is None:
        faults.append({"field": field, "message": f"{text} is not a number"})
    return number


def _histogram(
    plan: Plan, wanted: HistogramSpec | None, faults: list[dict[str, str]]
) -> Histogram | None:
    if wanted is None:
        return None
    number = _measured(plan, wanted.of, "aggregate.histogram", faults)
    if number is None:
        return None
    if wanted.step is None:
        return Histogram(number)
    low, high = wanted.low or 0, wanted.high or 0
    buckets = -(-(high - low) // wanted.step)
    if not 1 <= buckets <= MAX_BUCKETS:
        message = f"from, to and step make {buckets} buckets; 1 to {MAX_BUCKETS} are possible"
        faults.append({"field": "aggregate.histogram", "message": message})
    return Histogram(number, low, wanted.step, buckets)


def _check_key(plan: Plan, by: Sequence[int], faults: list[dict[str, str]]) -> None:
    numbers = 0
    texts: set[int] = set()
    for place, number in enumerate(by):
        output = plan.outputs[number]
        sources = key_sources(output)
        if sources is None:
            message = f"{output.column.name} has a value of its own for every call"
            faults.append({"field": f"aggregate.by.{place}", "message": message})
            return
        numbers += sum(HEAD_KEYS.get(each.head or "", 1) for each in sources)
        texts.update(output.texts)
        if numbers > KEY_NUMBERS or len(texts) > KEY_TEXTS:
            message = (
                f"{output.column.name} is too much to group by, with the columns before it: "
                f"{KEY_NUMBERS} numbers and {KEY_TEXTS} texts are possible"
            )
            faults.append({"field": f"aggregate.by.{place}", "message": message})
            return


def aggregate_columns(plan: Plan, aggregate: Aggregate) -> list[Column]:
    """Return the columns of what is counted, in order."""
    columns = [replace(plan.outputs[number].column, nullable=True) for number in aggregate.by]
    if (histogram := aggregate.histogram) is not None:
        of = plan.outputs[histogram.output].column
        is_signed = bool(histogram.step) or _is_signed(plan, histogram.output)
        kind = "int64" if is_signed else "uint64"
        columns += [
            Column(LOW, kind, "From", f"The lowest {of.name} of the bucket", of.unit, True),
            Column(HIGH, kind, "To", f"The highest {of.name} of the bucket", of.unit, True),
        ]
    columns.append(Column(CALLS, "uint64", "Calls", "How many calls"))
    for measure in aggregate.measures:
        of = plan.outputs[measure.output].column
        kind = "int64" if _is_signed(plan, measure.output) else "uint64"
        help_ = f"{_WORDS[measure.kind]} of {of.name}"
        columns.append(Column(measure.name, kind, measure.name, help_, of.unit, True))
    return columns


_WORDS = {SUM: "Sum", MINIMUM: "Minimum", MAXIMUM: "Maximum", AVERAGE: "Average"}


def _is_signed(plan: Plan, output: int) -> bool:
    source = number_of(plan, plan.outputs[output])
    return source is not None and source.signed
