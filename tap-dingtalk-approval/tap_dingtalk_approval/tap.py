"""The tap: settings in, streams out, and what becomes of failures."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import Catalog

from tap_dingtalk_approval import metrics
from tap_dingtalk_approval.budget import CallBudget
from tap_dingtalk_approval.check import diagnose
from tap_dingtalk_approval.client import Client
from tap_dingtalk_approval.describe import describe
from tap_dingtalk_approval.errors import DingTalkError
from tap_dingtalk_approval.redact import redact
from tap_dingtalk_approval.settings import (
    CALLS_BOOKMARK,
    CONFIG_SCHEMA,
    SECRETS,
    Settings,
    find_mistakes,
    read_settings,
)
from tap_dingtalk_approval.streams import ApprovalStream
from tap_dingtalk_approval.values import BEIJING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from singer_sdk import Stream
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.plugin_base import _ConfigInput

    from tap_dingtalk_approval.errors import QuotaExhaustedError


class RunFailedError(Exception):
    """Some streams could not be read; which and why has been logged."""


class TapDingTalkApproval(Tap):
    """Singer tap for 钉钉 (DingTalk) OA approvals."""

    name = "tap-dingtalk-approval"
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG_SCHEMA
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, *, parse_env_config: bool = False, **kwargs: Any) -> None:  # noqa: ANN401 -- the SDK's, passed on
        self._failures: dict[str, DingTalkError] = {}
        self._quota: QuotaExhaustedError | None = None
        self._finished = False
        self._stop = threading.Event()
        try:
            super().__init__(parse_env_config=parse_env_config, **kwargs)
        except ValueError:
            if not parse_env_config:
                raise
            # The SDK reads them before it checks them.
            mistake = "a setting from the environment is not what it should be: processes is JSON, counts are numbers"
            raise ConfigValidationError("Config validation failed", errors=[mistake]) from None

    # Settings and streams

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:  # noqa: ARG002 -- see below
        errors = super()._validate_config(raise_errors=False) or find_mistakes(self.config)
        if errors:
            # Also for discovery, which the SDK lets pass: here the streams are made of the settings.
            secrets = [self.config.get(name) for name in SECRETS]
            errors = [redact(error, secrets) for error in errors]
            raise ConfigValidationError("Config validation failed", errors=errors, schema=self.config_jsonschema)
        return errors

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over the state of earlier runs. A bookmark that is null counts as none.

        Args:
            state: What a run has written, or a person has set.

        Raises:
            ConfigValidationError: It has another form.
        """
        bookmarks = state.get("bookmarks") or {}
        if not isinstance(bookmarks, dict) or any(one and not isinstance(one, dict) for one in bookmarks.values()):
            mistake = 'state: must look like {"bookmarks": {"<stream>": {"replication_key_value": "<date>"}}}'
            raise ConfigValidationError("Bad state", errors=[mistake], schema={})
        super().load_state({**state, "bookmarks": {name: one for name, one in bookmarks.items() if one}})

    def setup_mapper(self) -> None:
        """Map the selected streams only: the SDK would refuse a map of a stream whose key is not selected."""
        super(Tap, self).setup_mapper()
        selected = {name: entry for name, entry in self.catalog.items() if entry.metadata.resolve_selection()[()]}
        self.mapper.register_raw_streams_from_catalog(Catalog(selected))

    @cached_property
    def settings(self) -> Settings:
        """The checked settings."""
        return read_settings(self.config)

    def discover_streams(self) -> Sequence[Stream]:
        """Make the streams of all configured templates.

        Returns:
            For each template its own stream and its siblings.
        """
        found: list[Stream] = []
        for process in self.settings.processes:
            stream = ApprovalStream(self, process)
            found += [stream, *stream.siblings]
        return found

    # What the streams read with

    @cached_property
    def client(self) -> Client:
        """Calls the platform, for all streams."""
        return Client(self.settings.api, self.settings, self._budget, self._stop)

    @cached_property
    def _budget(self) -> CallBudget:
        known = self.state.get("bookmarks", {}).get(CALLS_BOOKMARK, {})
        return CallBudget(
            self.settings.monthly_call_budget, month=known.get("month"), month_total=known.get("calls", 0)
        )

    @cached_property
    def now(self) -> datetime:
        """Where listings end in this run: `end_date`, or the moment of its beginning."""
        return self.settings.end_date or self.present()

    @staticmethod
    def present() -> datetime:
        """This machine's clock, to the second, in Beijing."""
        return datetime.now(BEIJING).replace(microsecond=0)

    # The run

    def report_failure(self, stream: str, error: DingTalkError) -> None:
        """Note that a stream could not be read, and say why, once."""
        if str(self._failures.get(stream)) != str(error):
            self.logger.error("%s: %s", stream, error)
        self._failures[stream] = error

    def report_quota(self, error: QuotaExhaustedError) -> None:
        """Say loudly that no more calls are possible. The run ends well: it has kept what it read."""
        if self._quota is None:
            self._quota = error
            self.logger.warning("STOPPED EARLY, the tables are not complete: %s", error)

    def remember_calls(self) -> None:
        """Put the month's calls into the state."""
        if self._budget.month_total:
            bookmarks = self.state.setdefault("bookmarks", {})
            bookmarks[CALLS_BOOKMARK] = {"month": self._budget.month, "calls": self._budget.month_total}

    def finish(self) -> None:
        """Tell what the run has used, and fail if a stream could not be read. Only the first call does anything.

        Raises:
            RunFailedError: It names the streams.
        """
        if self._finished:
            return
        self._finished = True
        budget = self._budget
        metrics.api_calls(budget.used, month=budget.month, month_total=budget.month_total, budget=budget.limit)
        self.logger.info("%d calls used, %d in %s so far", budget.used, budget.month_total, budget.month)
        self.client.close()
        if self._failures:
            raise RunFailedError(f"Not read to the end: {', '.join(self._failures)}. See above for what to do.")

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """On the first signal, let the message that is being written be finished; the second one ends it at once."""
        if self._stop.is_set():
            super()._handle_termination(signum, frame)
        self._stop.set()

    # The command line

    @classmethod
    def invoke(  # type: ignore[override]  # as the SDK's own Tap does: click passes these and no others
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        """Run the tap from the command line. Failures that are expected to happen end it with one line and status 1.

        Args:
            about: Print what this plugin is, and nothing else.
            about_format: How to print it.
            config: Settings from files or the environment.
            state: Bookmarks of earlier runs.
            catalog: Which streams to read.
        """
        with cls._failures_in_one_line():
            super().invoke(about=about, about_format=about_format, config=config, state=state, catalog=catalog)

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the settings' files.

        Args:
            ctx: Click's context.
            param: The option.
            value: The files' names, or ENV.

        Raises:
            click.BadParameter: A file is no JSON. The message repeats nothing of it.
        """
        try:
            return super().cb_config(ctx, param, value)
        except ValueError as error:
            raise click.BadParameter(f"not a JSON file: {error}") from None

    @classmethod
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:  # noqa: FBT001 -- click's
        """Discover the streams; mistakes in the settings are told in one line each.

        Args:
            ctx: Click's context.
            param: The option.
            value: Whether to discover.
        """
        with cls._failures_in_one_line():
            super().cb_discover(ctx, param, value)

    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Make real calls and say in one line what is wrong, or that nothing is.

        Args:
            ctx: Click's context.
            param: The option.
            value: `all`, `schema` or `disabled`.
        """
        with cls._failures_in_one_line():
            if value != "all":
                super().cb_test(ctx, param, value)
                return
            tap = cls._from_command_line(ctx)
            healthy, line = diagnose(tap.client, tap.settings.processes, tap.now)
            click.echo(line)
            ctx.exit(0 if healthy else 1)

    @classmethod
    def cb_describe(cls, ctx: click.Context, _param: click.Option, value: str | None) -> None:
        """Print an entry for `processes`.

        Args:
            ctx: Click's context.
            value: The template's process code.
        """
        if not value:
            return
        with cls._failures_in_one_line():
            described = [{"process_code": value, "name": "described"}]
            tap = cls._from_command_line(ctx, processes=described, start_date="2015-01-01")
            click.echo(describe(value, tap.client, tap.settings, tap.now), nl=False)
            ctx.exit()

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """The SDK's command line, and `--describe`.

        Returns:
            A click command.
        """
        command = super().get_singer_command()
        command.params.append(
            click.Option(
                ["--describe"],
                metavar="PROC-…",
                help="Print a ready entry of `processes` for an approval template.",
                callback=cls.cb_describe,
                expose_value=False,
            )
        )
        return command

    @classmethod
    def _from_command_line(cls, ctx: click.Context, **overrides: object) -> TapDingTalkApproval:
        given: _ConfigInput = ctx.params["config"]
        return cls(config={**given.config, "max_retries": 1, **overrides}, parse_env_config=given.parse_env)

    @classmethod
    @contextmanager
    def _failures_in_one_line(cls) -> Iterator[None]:
        try:
            yield
        except ConfigValidationError as error:
            for line in error.errors:
                cls.logger.error(line)  # noqa: TRY400 -- a line, not a traceback: the reader is an operator
        except (RunFailedError, DingTalkError) as error:
            cls.logger.error(str(error))  # noqa: TRY400 -- as above
        except BrokenPipeError:
            cls.logger.error("Whoever reads this tap's output has gone away.")  # noqa: TRY400 -- as above
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes nowhere
        else:
            return
        sys.exit(1)
