from tests.support.fixtures import (  # noqa: F401  fixtures
    cache,
    mode,
    modes,
    service,
    session_service,
    workload,
)
