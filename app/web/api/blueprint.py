# SPDX-License-Identifier: Apache-2.0
"""flask-smorest's blueprint, typed and with strict parsing: routes and their documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from flask_smorest import Blueprint as SmorestBlueprint

from app.web.api.body import StrictParser
from app.web.api.problem import CONTENT_TYPE, ProblemSchema
from app.web.api.target import takes_body, takes_query

View = TypeVar("View", bound=Callable[..., Any])


class Blueprint(SmorestBlueprint):  # type: ignore[misc]  # flask-smorest carries no types
    """Each route's declaration validates its requests and documents it, problems included."""

    ARGUMENTS_PARSER = StrictParser()

    def arguments(
        self, schema: type, *, location: str = "json", required: bool = True, **more: Any
    ) -> Callable[[View], View]:
        """Declare a request's arguments; a query with parameters not in the schema is refused."""
        if location != "query":
            parse = super().arguments(schema, location=location, required=required, **more)
            return lambda view: takes_body(parse(view))
        declare = super().arguments(schema, location=location, **{"unknown": "raise", **more})
        return lambda view: takes_query(schema)(declare(view))

    def problems(self, codes: dict[int, str]) -> Callable[[View], View]:
        """Document the problems of a route: each status with its codes."""

        def decorate(view: View) -> View:
            for status, code in codes.items():
                view = self.alt_response(
                    status, schema=ProblemSchema, content_type=CONTENT_TYPE, description=code
                )(view)
            return view

        return decorate

    if TYPE_CHECKING:

        def route(self, rule: str, *, methods: list[str] = ...) -> Callable[[View], View]: ...

        def doc(self, **kwargs: Any) -> Callable[[View], View]: ...

        def response(
            self,
            status_code: int,
            schema: type | None = None,
            *,
            content_type: str = ...,
            description: str = ...,
        ) -> Callable[[View], View]: ...

        def alt_response(
            self, status_code: int, *, schema: type, content_type: str = ..., description: str
        ) -> Callable[[View], View]: ...
