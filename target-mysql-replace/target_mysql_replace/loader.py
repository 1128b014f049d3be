"""The writing side: one thread, one connection, jobs in the order they came.

The reading thread decodes and encodes; this one only waits for the server, with Python's lock released while data is on
its way. Doing everything on one connection in one order is what makes the promises simple: a STATE behind a batch is
passed on after the batch is committed, a new SCHEMA's ALTER TABLE comes after the old one's rows.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import threading
import time
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, TypeVar

from target_mysql_replace import ledger, quarantine
from target_mysql_replace.errors import UNREACHABLE, Action, OperatorError, advice, explain, server_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_mysql_replace.connector import MySQLConnector
    from target_mysql_replace.session import Server, Session

_LOGGER = logging.getLogger("target-mysql-replace")
_T = TypeVar("_T")
#: Seconds between tries; together a bit more than a minute, longer than a server's restart or failover.
PAUSES = (0.2, 1, 2, 4, 8, 15, 30)
#: Batches that wait for the writer; with the open and the written one they are what the target keeps in memory.
_QUEUED_JOBS = 1
_LOOK_SECONDS = 0.2


class LoaderFailed(Exception):  # noqa: N818 not an error of its own: the reason is its cause
    """The writing thread stopped; the reason is the exception's cause."""


class Loader:
    """Runs jobs against the server, one after the other, in a thread of its own.

    Args:
        connector: makes the connections.
        on_failure: called from the writing thread when a job failed for good, to wake the reading one.
    """

    def __init__(self, connector: MySQLConnector, on_failure: Callable[[], None]) -> None:
        self._connector = connector
        self._on_failure = on_failure
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(_QUEUED_JOBS)
        self._thread: threading.Thread | None = None
        self._session: Session | None = None
        self._former_id: int | None = None
        self._failure: BaseException | None = None
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        """What the server is; connects at the first time.

        Raises:
            OperatorError: it cannot be reached.
        """
        if self._server is None:
            self._server = self.call(lambda session, _: session.server)
        return self._server

    def submit(self, job: Callable[[], None]) -> None:
        """Hand over a job; waits while the writer is busy.

        Raises:
            LoaderFailed: an earlier job failed for good.
        """
        self.raise_failure()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
            self._thread.start()
        while True:
            try:
                self._jobs.put(job, timeout=_LOOK_SECONDS)
            except queue.Full:
                self.raise_failure()
            else:
                return

    def call(self, work: Callable[[Session, int], _T]) -> _T:
        """Run ``work`` behind everything handed over before, and wait for its result.

        Args:
            work: takes the session and the number of tries before this one.

        Raises:
            LoaderFailed: an earlier job failed for good.
            OperatorError: this one did.
        """
        answer: Future[_T] = Future()

        def job() -> None:
            try:
                answer.set_result(self.with_retries(work))
            except BaseException as error:
                answer.set_exception(error)
                raise

        self.submit(job)
        while not wait([answer], timeout=_LOOK_SECONDS).done:
            self.raise_failure()
        return answer.result()

    def finish(self) -> None:
        """Wait until everything handed over is done, and end the thread.

        Raises:
            LoaderFailed: a job failed for good.
        """
        if self._thread is not None:
            while self._thread.is_alive():
                try:
                    self._jobs.put(None, timeout=_LOOK_SECONDS)
                except queue.Full:
                    continue
                break
            self._thread.join()
            self._thread = None
        self.raise_failure()

    def abandon(self) -> None:
        """End the thread as soon as it can, whatever is left or went wrong."""
        with contextlib.suppress(LoaderFailed):
            self.finish()

    def raise_failure(self) -> None:
        """Raise what stopped the writer, if anything did.

        Raises:
            LoaderFailed: with the reason as its cause.
        """
        if self._failure is not None:
            raise LoaderFailed from self._failure

    def with_retries(self, work: Callable[[Session, int], _T]) -> _T:
        """Run ``work`` in the writing thread; connect again and repeat it where the server's trouble passes.

        Raises:
            OperatorError: the trouble does not pass, or took longer than a minute.
        """
        for attempt, pause in enumerate((*PAUSES, None)):
            connecting = self._session is None
            try:
                if self._session is None:
                    self._session = self._open()
                return work(self._session, attempt)
            except BaseException as error:
                self._drop_session()
                found = server_error(error)
                if found is None:
                    raise
                code, _ = found
                # At the start a person is watching: an address where nobody answers is a wrong one.
                hopeless = code in UNREACHABLE and self._server is None
                if hopeless or advice(code).action is not Action.RETRY or pause is None:
                    raise (
                        self._connector.connect_error(error) if connecting else OperatorError(explain(error))
                    ) from error
                _LOGGER.warning("%s (server error %d) Trying again in %.1f s.", advice(code).message, code, pause)
                time.sleep(pause * random.uniform(0.8, 1.2))
        raise AssertionError  # pragma: no cover the last pause is None

    def _open(self) -> Session:
        session = self._connector.open_session(self._former_id)
        if self._server is None:
            ledger.prepare(session)
            quarantine.prepare(session)
        return session

    def _drop_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._former_id = session.connection_id
            # The connection may be broken in any way; all that matters is that the server ends its transaction.
            with contextlib.suppress(Exception):
                session.close()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            except BaseException as error:  # noqa: BLE001 handed to the reading thread, which raises it
                self._failure = error
                self._on_failure()
                break
        self._drop_session()

    def _next(self) -> Callable[[], None] | None:
        return self._jobs.get()
