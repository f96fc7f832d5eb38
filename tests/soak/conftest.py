# SPDX-License-Identifier: Apache-2.0
from tests.support.fixtures import (  # noqa: F401  fixtures
    cache,
    idle,
    mode,
    modes,
    session_service,
    strict,
    tracing,
    workload,
)
