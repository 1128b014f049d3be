"""The Singer SDK's own suite for targets, on every write method, and what it leaves in the tables.

The suite alone asserts that nothing is raised; here every table is read back and compared with the file it came from.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.runners import TargetTestRunner
from target_mysql_replace.target import TargetMySQLReplace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Loading

_SuiteBase: Any = get_target_test_class(TargetMySQLReplace, config={})
#: Files whose load is meant to fail.
_FAILING = {"record_before_schema", "record_missing_key_property", "invalid_schema"}


@pytest.mark.parametrize("write_method", ["load_data", "replace", "upsert"])
class TestSdkSuite(_SuiteBase):  # type: ignore[misc] # made at run time
    """All sixteen tests, three times."""

    @pytest.fixture
    def runner(self, loading: Loading, write_method: str) -> TargetTestRunner:
        """Runs the target on a fresh database."""
        return TargetTestRunner(TargetMySQLReplace, config=loading.config(write_method=write_method))

    @pytest.fixture
    def resource(self, loading: Loading, runner: TargetTestRunner) -> Iterator[None]:
        """Afterwards, compares every table with the file the test fed in."""
        yield
        if runner.target_input is not None:
            # The SDK opens the file and leaves it so.
            runner.target_input.close()
        path = runner.input_filepath
        if path is None or path.name.partition(".")[0] in _FAILING:
            return
        messages = [json.loads(line, parse_float=Decimal) for line in path.read_text("utf-8").splitlines()]
        assert loading.differences(message for message in messages if message["type"] in {"SCHEMA", "RECORD"}) == []
