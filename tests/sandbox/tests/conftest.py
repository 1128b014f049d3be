"""The gateway these tests talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.client import KuaimaiSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def gateway_process() -> Iterator[KuaimaiSandbox]:
    """One process for all tests that leave the data as they are."""
    with KuaimaiSandbox(tickets=450, trades=130, days=3) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(gateway_process: KuaimaiSandbox) -> KuaimaiSandbox:
    """The gateway with switches, session, faults and log as at the start, and no rate limit."""
    gateway_process.reset()
    gateway_process.set_options(rate_per_second=None)
    return gateway_process


@pytest.fixture
def fresh() -> Iterator[KuaimaiSandbox]:
    """A gateway whose data this test may change."""
    with KuaimaiSandbox(tickets=60, trades=30, days=2) as sandbox:
        sandbox.set_options(rate_per_second=None)
        yield sandbox
