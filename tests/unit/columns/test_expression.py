# SPDX-License-Identifier: Apache-2.0
"""The grammar of columns, and its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.columns.expression import (
    MAX_LENGTH,
    Cast,
    Element,
    Expression,
    ExpressionError,
    Member,
    Name,
    parse,
    parse_value,
    start_of,
)


@pytest.mark.parametrize(
    ("text", "name", "renderer", "size"),
    [
        ("count", "count", None, None),
        ("file->f_inode->i_ino", "file.f_inode.i_ino", None, None),
        ("file.f_inode.i_ino", "file.f_inode.i_ino", None, None),
        (" file . f_inode ", "file.f_inode", None, None),
        ("file->f_flags as flags", "flags", None, None),
        ("path(file)", "path", "path", None),
        ("path(rd->old_dentry) as old", "old", "path", None),
        ("str(name, 16)", "name", "str", 16),
        ("bytes(skb->data,4)", "skb.data", "bytes", 4),
        ("hex(count)", "count", "hex", None),
        ("sock(sk)", "sock", "sock", None),
        ("since(rq->start_time_ns)", "since", "since", None),
        ("cast(struct tcp_sock, sk)->snd_cwnd", "sk.snd_cwnd", None, None),
        ("args[2]", "args.2", None, None),
        ("(file)->f_mode", "file.f_mode", None, None),
        ("path", "path", None, None),  # an argument of a renderer's name
        ("path->dentry", "path.dentry", None, None),
        ("as", "as", None, None),
        ("cast as x", "x", None, None),
    ],
)
def test_columns(text: str, name: str, renderer: str | None, size: int | None) -> None:
    found = parse(text)
    assert (found.name, found.renderer, found.size) == (name, renderer, size)


def test_the_steps() -> None:
    assert parse_value("a->b[3].c") == Member(Element(Member(Name("a", 0), "b", 3), 3, 4), "c", 8)
    assert parse_value("cast(unsigned int **, x)") == Cast(Name("x", 22), "", "unsigned int", 2, 0)
    assert start_of(parse_value("cast(struct t, a.b)[1]")) == Name("a", 15)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "a name is expected here, not the end"),
        ("   ", 0, "a name is expected here, not the end"),
        ("file->", 6, "a field's name must follow '->'"),
        ("file..x", 5, "a field's name must follow '.'"),
        ("file f", 5, "unexpected 'f'"),
        ("a[x]", 2, "a number is expected here, not 'x'"),
        ("a[-1]", 2, "unexpected character '-'"),
        ("a[1", 3, "']' is expected here, not the end"),
        ("a[9999999999999999999999]", 2, "the number is above 1048576"),
        ("path(a, 3)", 6, "path() takes one value only"),
        ("str(a, b)", 7, "a number is expected here, not 'b'"),
        ("hex(path(a))", 4, "path() can only be the outermost part"),
        ("path(a)->b", 7, "unexpected '->'"),
        ("cast(, x)", 5, "cast() needs a type, such as `struct tcp_sock`"),
        ("a as", 4, "`as` needs a name of 1 to 64 letters, digits or '_'"),
        ("a as 5", 5, "`as` needs a name of 1 to 64 letters, digits or '_'"),
        *(
            (
                f"a as {word}",
                5,
                f"`{word}` joins the tests of a filter, so no test could name the column; "
                f"write `... as {word}_2`, for instance",
            )
            for word in ("or", "And", "NOT")
        ),
        ("a; rm", 1, "unexpected character ';'"),
        ("a\u0663", 1, "unexpected character '\u0663'"),
        ("é", 0, "unexpected character 'é'"),
        ("5", 0, "a name is expected here, not '5'"),
    ],
)
def test_faults(text: str, position: int, message: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        parse(text)
    assert (raised.value.message, raised.value.position) == (message, position)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a" * (MAX_LENGTH + 1), "257 characters; at most 256 are accepted"),
        ("a" + ".b" * 25, "more than 24 steps"),
        ("(" * 9 + "a" + ")" * 9, "more than 8 nested brackets"),
        ("a as " + "b" * 65, "`as` needs a name of 1 to 64 letters, digits or '_'"),
    ],
)
def test_bounds(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message.replace("(", r"\(")):
        parse(text)


def test_what_is_just_within_bounds() -> None:
    assert parse("a" * MAX_LENGTH).name == "a" * MAX_LENGTH
    assert parse("a" + ".b" * 24).name == "a" + ".b" * 24
    assert parse("(" * 7 + "a" + ")" * 7).name == "a"


@given(st.text(st.sampled_from(list("ab._->[]()0123456789,* \ncastpthr\0ä")), max_size=80))
def test_any_text_is_parsed_or_refused_at_a_place_in_it(text: str) -> None:
    try:
        found = parse(text)
    except ExpressionError as error:
        assert 0 <= error.position <= len(text)
    else:
        assert isinstance(found, Expression)
        assert found.name
