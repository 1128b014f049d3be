"""The tap: settings in, streams out, and what becomes of failures."""

from __future__ import annotations

import gc
import os
import sys
import threading
from contextlib import contextmanager
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import Catalog

from tap_kuaimai.auth import keep_session
from tap_kuaimai.check import diagnose
from tap_kuaimai.client import Client
from tap_kuaimai.limiter import Limiter
from tap_kuaimai.reader import ListReader
from tap_kuaimai.redact import redact
from tap_kuaimai.schema import DeclarationError, declarations
from tap_kuaimai.settings import SECRETS, SETTINGS, mistakes, with_numbers
from tap_kuaimai.signature import Credentials
from tap_kuaimai.streams import ForEachStream, ListStream
from tap_kuaimai.totals import TotalsStream
from tap_kuaimai.values import parse_datetime
from tap_kuaimai.writer import Writer, write_in_blocks

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from types import FrameType

    import click
    from singer_sdk import Stream
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.plugin_base import _ConfigInput

    from tap_kuaimai.base import KuaimaiStream
    from tap_kuaimai.errors import KuaimaiError
    from tap_kuaimai.schema import Declaration

_SESSION_MEMORY = "open_token_refresh"
"""Where in the state the last refresh of the session is remembered, beside the streams' bookmarks."""


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the SDK is worth reading.

    Not those about each stream that is not selected, some fifty in a usual run, nor the one that stands before the
    lines which say what is wrong with the settings.
    """
    return not str(record.msg).startswith(("Skipping deselected stream", "Config validation failed"))


class RunFailedError(Exception):
    """Some streams could not be read; which and why has been logged."""


class TapKuaimai(Tap):
    """Singer tap for the 快麦 (Kuaimai) ERP open platform."""

    name = "tap-kuaimai"
    config_jsonschema: ClassVar[dict[str, Any]] = SETTINGS
    message_writer_class = Writer
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 -- the SDK's arguments, passed on
        self._failures: dict[str, KuaimaiError] = {}
        self._begun = False
        self._terminated = threading.Event()
        self.logger.addFilter(_is_news)
        super().__init__(**kwargs)
        self._refuse_unknown_streams()

    # Settings and streams

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        self._config = with_numbers(self._config)
        errors = super()._validate_config(raise_errors=False) or mistakes(self.config)
        errors = [redact(error, self._secrets()) for error in errors]
        if errors and raise_errors:
            raise ConfigValidationError("Config validation failed", errors=errors, schema=self.config_jsonschema)
        return errors

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over the state of earlier runs. A bookmark that is null counts as none.

        Args:
            state: what a run has written, or a person has set.

        Raises:
            ConfigValidationError: it has another form.
        """
        bookmarks = state.get("bookmarks") or {}
        if not isinstance(bookmarks, dict) or any(one and not isinstance(one, dict) for one in bookmarks.values()):
            error = 'state: must look like {"bookmarks": {"<stream>": {"replication_key_value": "<date>"}}}'
            raise ConfigValidationError("Bad state", errors=[error], schema={})
        super().load_state({**state, "bookmarks": {name: one for name, one in bookmarks.items() if one}})

    def setup_mapper(self) -> None:
        """Map the selected streams only: the SDK would refuse a map of a stream whose key is not selected."""
        super(Tap, self).setup_mapper()
        selected = {name: entry for name, entry in self.catalog.items() if entry.metadata.resolve_selection()[()]}
        self.mapper.register_raw_streams_from_catalog(Catalog(selected))

    def _secrets(self) -> list[object]:
        return [self.config.get(name) for name in SECRETS]

    def _refuse_unknown_streams(self) -> None:
        """A catalog with a stream that does not exist would be read without it, and nobody would notice."""
        if self.input_catalog is None:
            return
        unknown = [
            name
            for name, entry in self.input_catalog.items()
            if name not in self.streams and entry.metadata.root.selected is True
        ]
        if unknown:
            errors = [f"catalog: there is no stream '{name}'; discover again" for name in sorted(unknown)]
            raise ConfigValidationError("Config validation failed", errors=errors, schema=self.config_jsonschema)

    @cached_property
    def declarations(self) -> dict[str, Declaration]:
        """All list APIs, by the names of their streams.

        Raises:
            ConfigValidationError: the setting `custom_streams` has mistakes.
        """
        try:
            return declarations(self.config.get("custom_streams"))
        except DeclarationError as error:
            raise ConfigValidationError(
                "Config validation failed", errors=error.mistakes, schema=self.config_jsonschema
            ) from None

    def discover_streams(self) -> Sequence[Stream]:
        """Make the streams of all list APIs.

        Returns:
            For each API its stream, the streams of its child arrays, and where it can be counted by day its totals.
        """
        found: list[Stream] = []
        for name, declaration in self.declarations.items():
            one_by_one = declaration.for_each
            stream = (
                ForEachStream(self, name, declaration, one_by_one)
                if one_by_one
                else ListStream(self, name, declaration)
            )
            found += [stream, *stream.children]
            if declaration.totals:
                found.append(TotalsStream(self, name, declaration))
        return found

    @cached_property
    def writer(self) -> Writer:
        """Takes the records."""
        writer = self.message_writer
        if not isinstance(writer, Writer):
            raise TypeError(f"{type(writer).__name__} cannot write the records of this tap")
        return writer

    # What the streams read with

    @cached_property
    def client(self) -> Client:
        """Calls the platform, for all streams."""
        config = self.config
        return Client(
            api_url=config["api_url"],
            credentials=Credentials(
                app_key=config["app_key"],
                app_secret=config["app_secret"],
                access_token=config["access_token"],
                sign_method=config["sign_method"],
            ),
            limiter=Limiter(config["max_requests_per_second"]),
            max_retries=config["max_retries"],
            timeout=config["request_timeout_seconds"],
            connections=config["max_concurrency"],
            logger=self.logger,
        )

    def reader(self, stream: str, declaration: Declaration) -> ListReader:
        """A reader of a list API.

        Args:
            stream: for whom it reads.
            declaration: the API.
        """
        return ListReader(
            self.client,
            declaration,
            stream=stream,
            page_size=self.config["page_size"],
            max_concurrency=self.config["max_concurrency"],
            check_interrupt=self._exit_if_terminated,
        )

    @property
    def end_date(self) -> datetime | None:
        """The setting that takes the place of now, None for now."""
        text = self.config.get("end_date")
        return parse_datetime(text) if text else None

    # The run

    def begin(self, stream: KuaimaiStream) -> bool:
        """Called by every stream before it reads; the first one extends the session.

        Args:
            stream: the stream.

        Returns:
            False if the run has failed in a way that this stream would not survive either.
        """
        if any(failure.rule.ends_run for failure in self._failures.values()):
            self.logger.info("Not reading '%s': the run has failed.", stream.name)
            return False
        if not self._begun:
            self._begun = True
            self._keep_session()
        return True

    def _keep_session(self) -> None:
        wanted = self.config["refresh_session"]
        bookmarks = self.state.setdefault("bookmarks", {})
        if not wanted and _SESSION_MEMORY not in bookmarks:
            return
        changed = keep_session(
            self.client,
            bookmarks.setdefault(_SESSION_MEMORY, {}),
            refresh_token=self.config.get("refresh_token") if wanted else None,
            stop=self._terminated,
            logger=self.logger,
        )
        if changed:  # At once: it must be remembered even if nothing else of this run succeeds.
            self.state_writer.write_state(self.state)

    def report_failure(self, stream: KuaimaiStream, error: KuaimaiError) -> None:
        """Note that a stream could not be read, and say why.

        Args:
            stream: the stream.
            error: what happened.
        """
        self._failures[stream.name] = error
        self.logger.error("%s: %s", stream.name, redact(str(error), self._secrets()))

    def raise_failures(self) -> None:
        """End the run as failed if a stream could not be read.

        Raises:
            RunFailedError: it names the streams.
        """
        if self._failures:
            raise RunFailedError(f"Not read: {', '.join(self._failures)}. See above for what to do.")

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """On the first signal, let the row that is being written be finished: half a line is no message."""
        if self._begun and not self._terminated.is_set():
            self._terminated.set()
        else:
            super()._handle_termination(signum, frame)

    def _exit_if_terminated(self) -> None:
        if self._terminated.is_set():
            super()._handle_termination(0, None)

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
            about: print what this plugin is, and nothing else.
            about_format: how to print it.
            config: settings from files or the environment.
            state: bookmarks of earlier runs.
            catalog: which streams to read.
        """
        write_in_blocks()
        # Rows are trees, which need no search for cycles; looking for them took a quarter of the time.
        gc.freeze()
        gc.set_threshold(100_000, 50, 1000)
        with cls._failures_in_one_line():
            if config and config.parse_env:
                cls._refuse_unreadable_environment()
            super().invoke(about=about, about_format=about_format, config=config, state=state, catalog=catalog)

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the settings; a file that cannot be read is told in one line.

        Args:
            ctx: click's context.
            param: the option.
            value: the files, or ENV.
        """
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError) as error:
            cls.logger.error("--config: %s", error)  # noqa: TRY400 -- a line for an operator
            ctx.exit(1)

    @classmethod
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:  # noqa: FBT001 -- click's
        """Discover the streams; mistakes in `custom_streams` are told in one line each.

        Args:
            ctx: click's context.
            param: the option.
            value: whether to discover.
        """
        with cls._failures_in_one_line():
            super().cb_discover(ctx, param, value)

    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Make real calls and say in one line what is wrong, or that nothing is.

        Args:
            ctx: click's context.
            param: the option.
            value: `all`, `schema` or `disabled`.
        """
        with cls._failures_in_one_line():
            if value != "all":
                super().cb_test(ctx, param, value)
                return
            given: _ConfigInput = ctx.params["config"]
            tap = cls(config={**given.config, "max_retries": 1}, parse_env_config=given.parse_env)
            healthy, line = diagnose(tap.client, tap.declarations)
            print(redact(line, tap._secrets()))  # noqa: T201 -- the answer of --test
            ctx.exit(0 if healthy else 1)

    @classmethod
    def _refuse_unreadable_environment(cls) -> None:
        try:
            _ = cls._env_var_config
        except ValueError as error:
            errors = [f"the environment variable named last above is not of its setting's type: {error}"]
            raise ConfigValidationError("Config validation failed", errors=errors, schema={}) from None

    @classmethod
    @contextmanager
    def _failures_in_one_line(cls) -> Iterator[None]:
        try:
            yield
        except ConfigValidationError as error:
            for line in error.errors:
                cls.logger.error(line)  # noqa: TRY400 -- a line, not a traceback: the reader is an operator
        except RunFailedError as error:
            cls.logger.error(str(error))  # noqa: TRY400 -- as above
        except BrokenPipeError:
            cls.logger.error("Whoever reads this tap's output has gone away.")  # noqa: TRY400 -- as above
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # What is left in the buffer goes nowhere.
        else:
            return
        sys.exit(1)
