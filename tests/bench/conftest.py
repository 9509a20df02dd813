"""What the short runs of the benches have in common."""

import pytest

from tests.bench import push, running


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait only for moments where a benchmark waits until a server is at rest, since these tests judge no figures."""
    monkeypatch.setattr(running, "REST_SECONDS", 0.05)
    monkeypatch.setattr(running, "REST_SHARE", 1.0)
    monkeypatch.setattr(push, "PAUSE_SECONDS", 0.0)
