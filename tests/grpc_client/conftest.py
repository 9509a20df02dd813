"""Three instances of a service, shared by the tests that do not stop them."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.grpc_client.mesh import NAMES, start_instance


@pytest.fixture(scope="session")
def addresses() -> Iterator[list[str]]:
    """Run api-1, api-2 and api-3. Return their addresses."""
    with ExitStack() as stack:
        yield [stack.enter_context(start_instance(name)) for name in NAMES]
