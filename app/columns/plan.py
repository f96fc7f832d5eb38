# SPDX-License-Identifier: Apache-2.0
"""The plan of a probe: what its programs read, and how that becomes columns.

A plan is made from a target, a mode and the kernel's BTF (app/columns/planner.py), fills in a
template of byte code (app/tracer/template.py) and says how to decode its records
(app/tracer/decode_plan.py). It is the only layout there is: no later step knows a column
by name. It travels from the service to the tracer as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.columns.aggregate import Aggregate
from app.columns.column import Column

MAX_VALUES = 16
MAX_TEXTS = 4
MAX_DEREFS = 5
MAX_TEXT_BYTES = 4096  # of one text; PATH_MAX

# Bases: where a read begins. 0 to 11 are the words of the arguments: argument n, unless a struct
# by value precedes it, which takes a word for each 8 bytes.
MAX_ARGUMENT_WORDS = 12
RESULT = 12  # the return value
CONTEXT = 13  # the address of the program's context: the fields of a tracepoint's record
TASK = 14  # the address of the current task_struct
CGROUP = 15  # the number of the current task's cgroup (version 2)

# The kind of a hook with programs of its own, which are written for one question: of where values
# and texts come from they know themselves, but all else is as of a template.
PROGRAMS = "programs"
# The kind of a hook that is several functions. In place of the first word of their arguments, which
# have nothing in common, is the number of the function.
FUNCTIONS = "functions"
NUMBER_OF_FUNCTION = 0

# How a program is attached to several functions (app/tracer/several_functions.py).
SINGLE, MULTI, SESSION = "single", "kprobe.multi", "kprobe.session"

# Moments
ENTRY, RETURN = "entry", "return"

# Kinds of texts
STRING = "string"  # ends with a NUL, in kernel or user memory: the address decides
BYTES = "bytes"  # of a fixed size
PATH = "path"  # of a struct path
DENTRY = "dentry"  # the path of a struct dentry
DATA_LOC = "data_loc"  # a tracepoint's __data_loc: the address of its word in the record
PATH_AT = "path_at"  # a name, with the path of the folder that it begins at before it


@dataclass(frozen=True)
class Read:
    """How a program obtains a number: a pointer is loaded at each of `derefs`, then `size` bytes
    at `offset`.

    All offsets are in bytes, each added to the number obtained so far, which is `base` at first.
    With size 0 nothing is loaded at the end: the result is the sum. Then the number is shifted
    left and right by bits, arithmetically if `signed`, which cuts out a bit-field or narrows an
    argument's word to its type.
    """

    at: str  # ENTRY or RETURN
    base: int
    derefs: tuple[int, ...] = ()
    offset: int = 0
    size: int = 8  # 0, 1, 2, 4 or 8
    left: int = 0
    right: int = 0
    signed: bool = False


@dataclass(frozen=True)
class Text:
    """A text, or bytes: `address` obtains its address (of a `path`, the address of the struct).

    Of more than `max_bytes` the rest is cut off, and the record says so.
    """

    kind: str
    address: Read
    max_bytes: int = MAX_TEXT_BYTES


@dataclass(frozen=True)
class Output:
    """A column, and the decoder that makes it from numbers of values and texts of the plan.

    The decoders are those of `app.tracer.decode_plan.DECODERS`. `names` are the decoder's names for
    numbers, such as an enum's.
    """

    column: Column
    decoder: str
    values: tuple[int, ...] = ()
    texts: tuple[int, ...] = ()
    names: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Hook:
    """What the programs are attached to.

    `kind` is function, syscall or tracepoint; or PROGRAMS, and `name` is the preset's that the
    programs are written for. `function_id` is a function's number in the BTF of the kernel, or of
    `module`; 0 where the mode does not need it. `argument_words` is the number of words of its
    arguments. `category` is a tracepoint's. `user_words` is a mask of the words that are pointers
    of a process: what they lead to is read from its memory only. `functions` are the names of
    several, and `way` is how they are attached; the tracer finds out which is possible.
    """

    kind: str
    name: str
    function_id: int = 0
    module: str | None = None
    category: str | None = None
    argument_words: int = 0
    user_words: int = 0
    functions: tuple[str, ...] = ()
    way: str | None = None


@dataclass(frozen=True)
class Plan:
    """Everything that a tracer needs to know of a target.

    Texts that are read at entry come before those read at return. `kernel_offsets` are in bytes:
    TASK_OFFSETS always, and those that walking a path needs
    (app/columns/kernel_offsets.py) where a text is a path.
    """

    hook: Hook
    mode: str
    sees_return: bool
    values: tuple[Read, ...]
    texts: tuple[Text, ...]
    outputs: tuple[Output, ...]
    kernel_offsets: Mapping[str, int]
    aggregate: Aggregate | None = None  # what is counted instead of sent

    @property
    def has_own_programs(self) -> bool:
        """Whether its programs are written for one question."""
        return self.hook.kind == PROGRAMS

    @property
    def template(self) -> str:
        """The name of the template that it fills in (app/tracer/template_source.py)."""
        if self.has_own_programs:
            return f"{self.hook.name}-{self.mode}"
        if self.hook.way == SESSION:
            return "session"
        return self.mode if self.hook.kind in ("function", FUNCTIONS) else self.hook.kind

    def as_json(self) -> dict[str, Any]:
        """Return the plan for `from_json`. The names of several functions are in it once."""
        members = asdict(self)
        for output in members["outputs"]:
            if _names_functions(output["decoder"], self.hook.functions):
                output["names"] = []
        return members

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Plan:
        """Return the plan of `as_json`; raises KeyError, TypeError or ValueError for others."""
        aggregate, hook = members["aggregate"], members["hook"]
        functions = tuple(hook["functions"])
        return cls(
            hook=Hook(**{**hook, "functions": functions}),
            mode=members["mode"],
            sees_return=members["sees_return"],
            values=tuple(_read(each) for each in members["values"]),
            texts=tuple(
                Text(each["kind"], _read(each["address"]), each["max_bytes"])
                for each in members["texts"]
            ),
            outputs=tuple(
                Output(
                    Column(**each["column"]),
                    each["decoder"],
                    tuple(each["values"]),
                    tuple(each["texts"]),
                    tuple(enumerate(functions))
                    if _names_functions(each["decoder"], functions)
                    else tuple((int(value), str(name)) for value, name in each["names"]),
                )
                for each in members["outputs"]
            ),
            kernel_offsets=dict(members["kernel_offsets"]),
            aggregate=None if aggregate is None else Aggregate.from_json(aggregate),
        )


def _names_functions(decoder: str, functions: Sequence[str]) -> bool:
    """Return whether an output's names are those of a plan's functions; no other label is there."""
    return decoder == "label" and bool(functions)


def _read(members: Mapping[str, Any]) -> Read:
    return Read(**{**members, "derefs": tuple(members["derefs"])})
