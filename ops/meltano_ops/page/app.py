"""The page's routes. Only GET is answered, every query reads a connection that cannot write."""

from __future__ import annotations

import base64
import binascii
import secrets
import sqlite3
import time
from contextlib import closing
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jinja2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from meltano_ops import __version__, overview, store, words
from meltano_ops.causes import cause_of
from meltano_ops.collect import unreadable
from meltano_ops.page import flow, rows
from meltano_ops.problems import open_problems
from meltano_ops.project import load_project
from meltano_ops.settings import OpsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from meltano_ops.project import Project
    from meltano_ops.settings import Settings
    from meltano_ops.texts import Text

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ERRORS_SHOWN = 8
WINDOWS_SHOWN = 8
DAYS_OF_COMPLETENESS = 31
# A pipeline that nobody has planned leaves the first screen after this time.
OLD_SECONDS = 30 * 86400
QUERY_SECONDS = 10
_STEPS_BETWEEN_LOOKS = 100_000
STALE_CHECK_SECONDS = 900
_SECURITY = {
    # No script runs here, and nothing is loaded from elsewhere.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class PasswordMiddleware:
    """HTTP Basic authentication with one password and any name."""

    def __init__(self, app: ASGIApp, password: str) -> None:
        self._app = app
        self._password = password.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request with the password through, answer 401 to any other."""
        if scope["type"] != "http" or self._known(dict(scope["headers"]).get(b"authorization", b"")):
            await self._app(scope, receive, send)
            return
        headers = {"WWW-Authenticate": 'Basic realm="meltano-ops", charset="UTF-8"'}
        await PlainTextResponse("需要密码 / password needed", 401, headers)(scope, receive, send)

    def _known(self, header: bytes) -> bool:
        kind, _, encoded = header.partition(b" ")
        try:
            password = base64.b64decode(encoded).partition(b":")[2]
        except binascii.Error:
            return False
        return kind.lower() == b"basic" and secrets.compare_digest(password, self._password)


class Page:
    """The page of one project.

    Args:
        settings: The project.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("meltano_ops.page"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )

        self._known: tuple[tuple[int, int, int], Project] | None = None
        style = resources.files("meltano_ops.page") / "templates" / "style.css"
        self._stylesheet = style.read_text(encoding="utf-8")

    def app(self, *, loopback_only: bool) -> Starlette:
        """Return the ASGI application.

        Args:
            loopback_only: Answer to local host names only, so that no foreign site can point a name of its own here.
        """
        middleware = []
        if loopback_only:
            middleware.append(
                Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]", "testserver"])
            )
        if self._settings.page_password:
            middleware.append(Middleware(PasswordMiddleware, password=self._settings.page_password))
        return Starlette(
            routes=[
                Route("/", self._home),
                Route("/rows/{view}", self._rows),
                Route("/run/{run_id}", self._run),
                Route("/check/{name}", self._check),
                Route("/style.css", self._style),
            ],
            middleware=middleware,
            exception_handlers={
                OpsError: self._mistake,
                sqlite3.DatabaseError: self._mistake,
                404: self._missing,
                Exception: self._broken,
            },
        )

    def _project(self) -> Project:
        """Return the project, read again when `meltano.yml` has changed, and twice a minute for what it includes."""
        status = (self._settings.root / "meltano.yml").stat()
        key = (status.st_mtime_ns, status.st_size, int(time.time() / 30))
        if self._known is None or self._known[0] != key:
            self._known = (key, load_project(self._settings.root, self._settings.environment))
        return self._known[1]

    def _environment(self) -> str | None:
        try:
            return self._project().environment
        except (OpsError, OSError):
            return None

    def _open(self) -> closing[sqlite3.Connection]:
        connection = store.connect(self._settings.database, self._settings.timezone, read_only=True)
        # A filter that finds nothing in millions of rows must not keep the page busy.
        deadline = time.monotonic() + QUERY_SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
        return closing(connection)

    def _home(self, request: Request) -> Response:
        now = time.time()
        zone = self._settings.timezone
        with self._open() as connection:
            checks = overview.check_states(connection)
            lines = overview.pipelines(connection, zone, now)
            old = [line for line in lines if not line.schedule and (line.started_at or 0) < now - OLD_SECONDS]
            context = {
                "pipelines": [line for line in lines if line not in old] or lines,
                "old_pipelines": old if len(old) < len(lines) else [],
                "titles": {check.name: check.title for check in checks},
                "refresh": True,
                "unreadable": unreadable(connection),
                "problems": open_problems(connection),
                "days": overview.days(connection, zone, now),
                "completeness": [
                    (check, overview.complete_days(check, DAYS_OF_COMPLETENESS))
                    for check in checks
                    if check.name.startswith(overview.COMPLETENESS_PREFIX)
                ],
                "checks": checks,
                "checked_at": overview.meta(connection, "checked_at"),
                "collected_at": overview.meta(connection, "collected_at"),
                "repeated": _repeated(connection),
                "quarantine": _quarantine(connection, checks),
                "calls": _calls(
                    connection, datetime.fromtimestamp(now, zone).replace(day=1, hour=0, minute=0, second=0)
                ),
                "errors": _recent_errors(connection),
                "drawing": flow.draw(self._project(), connection),
                "undelivered": _undelivered(connection),
                "stale_seconds": STALE_CHECK_SECONDS,
                "box_height": flow.BOX_HEIGHT,
            }
        return self._answer(request, "home.html", context)

    def _rows(self, request: Request) -> Response:
        name = request.path_params["view"]
        view = rows.VIEWS.get(name)
        if view is None:
            raise HTTPException(404)
        with self._open() as connection:
            found = rows.read_rows(connection, view, request.query_params, self._settings.timezone)
        return self._answer(request, "rows.html", {"found": found, "name": name, "count_limit": rows.COUNT_LIMIT})

    def _run(self, request: Request) -> Response:
        run_id = request.path_params["run_id"]
        with self._open() as connection:
            runs = connection.execute("SELECT * FROM runs WHERE run_id = ? ORDER BY id", (run_id,)).fetchall()
            if not runs:
                raise HTTPException(404)
            context = {
                "run_id": run_id,
                "runs": runs,
                "errors": connection.execute("SELECT * FROM errors WHERE run_id = ? ORDER BY id", (run_id,)).fetchall(),
                "windows": connection.execute(
                    "SELECT * FROM windows WHERE run_id = ? ORDER BY id DESC LIMIT 200", (run_id,)
                ).fetchall(),
                "metrics": connection.execute(
                    "SELECT * FROM metrics WHERE run_id = ? ORDER BY pipeline, plugin, metric, stream LIMIT 500",
                    (run_id,),
                ).fetchall(),
            }
        return self._answer(request, "run.html", context)

    def _check(self, request: Request) -> Response:
        name = request.path_params["name"]
        with self._open() as connection:
            check = next((state for state in overview.check_states(connection) if state.name == name), None)
            if check is None:
                raise HTTPException(404)
            history = connection.execute(
                "SELECT * FROM check_history WHERE name = ? ORDER BY id DESC LIMIT 50", (name,)
            ).fetchall()
        return self._answer(request, "check.html", {"check": check, "history": history})

    def _style(self, _request: Request) -> Response:
        return Response(self._stylesheet, media_type="text/css", headers={**_SECURITY, "Cache-Control": "max-age=3600"})

    def _mistake(self, request: Request, error: Exception) -> Response:
        return self._answer(request, "mistake.html", {"message": str(error), "refresh": True}, 503)

    def _broken(self, request: Request, error: Exception) -> Response:
        return self._answer(request, "mistake.html", {"message": f"{type(error).__name__}: {error}"}, 500)

    def _missing(self, request: Request, _error: Exception) -> Response:
        message = "没有这一页，或它的数据已过保留期 / no such page, or its facts are older than the retention"
        return self._answer(request, "mistake.html", {"message": message}, 404)

    def _answer(
        self, request: Request, template: str, context: Mapping[str, object], status_code: int = 200
    ) -> Response:
        asked = request.query_params.get("lang")
        language = asked if asked in {"zh", "en"} else request.cookies.get("lang", "zh")
        zone, environment = self._settings.timezone, self._environment()
        query = {key: value for key, value in request.query_params.items() if key != "lang"}
        other = "en" if language != "en" else "zh"

        def pick(text: Text) -> str:
            return text.en if language == "en" else text.zh

        def at(seconds: float | str | None, pattern: str = "%m-%d %H:%M") -> str:
            # A warehouse gives its times as text.
            return seconds if isinstance(seconds, str) else store.local_text(seconds, zone, pattern) or "—"

        html = self._templates.get_template(template).render(
            _=lambda zh, en: en if language == "en" else zh,
            pick=pick,
            at=at,
            span=lambda seconds: pick(overview.span(seconds)),
            number=_number,
            title=lambda name: pick(words.column_title(name)),
            word=words.value_word,
            short=lambda name: words.short_pipeline(name, environment),
            plain=lambda text: words.with_short_names(text, environment),
            lead=words.lead,
            version=__version__,
            link=lambda path, **filters: f"{path}?{urlencode(filters)}" if filters else path,
            query=query,
            language=language,
            other_language=f"?{urlencode({**query, 'lang': other})}",
            project=self._settings.root.name,
            zone=str(zone),
            now=time.time(),
            **{"refresh": False, **context},
        )
        response = HTMLResponse(html, status_code, headers=_SECURITY)
        if asked == language:
            response.set_cookie("lang", language, max_age=365 * 86400, samesite="lax", httponly=True)
        return response


def _number(value: object) -> str:
    if value is None:
        return "—"
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _repeated(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT * FROM windows WHERE repeats > 0 ORDER BY logged_at DESC LIMIT ?", (WINDOWS_SHOWN,)
    ).fetchall()


def _quarantine(connection: sqlite3.Connection, checks: Sequence[overview.CheckState]) -> list[dict[str, Any]]:
    """Return what is in quarantine: as the check found it, else what runs of the last week have put there."""
    for check in checks:
        if check.name == overview.QUARANTINE_CHECK and check.status in {"ok", "failing"}:
            return check.rows
    found = connection.execute(
        """SELECT stream, tag AS reason, CAST(sum(total) AS INTEGER) AS n FROM metrics
           WHERE metric = 'quarantined' AND at > strftime('%s', 'now') - 7 * 86400 GROUP BY stream, tag"""
    )
    return [dict(row) for row in found]


def _calls(connection: sqlite3.Connection, month: datetime) -> list[sqlite3.Row]:
    """Return this month's requests per pipeline, and the quota where the tap knows it."""
    return connection.execute(
        """SELECT r.pipeline, sum(r.requests) AS requests, sum(r.retries) AS retries, c.month_total, c.budget
           FROM runs r LEFT JOIN api_calls c ON c.pipeline = r.pipeline AND c.month = ?
           WHERE r.started_at >= ? GROUP BY r.pipeline HAVING sum(r.requests) > 0 OR c.month_total IS NOT NULL
           ORDER BY r.pipeline""",
        (month.strftime("%Y-%m"), month.timestamp()),
    ).fetchall()


def _recent_errors(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return the last runs with errors, each with its lines in the order in which they were logged."""
    runs = connection.execute(
        """SELECT run_id, max(pipeline) AS pipeline, max(logged_at) AS logged_at FROM
             (SELECT run_id, pipeline, logged_at FROM errors ORDER BY logged_at DESC LIMIT 400)
           GROUP BY run_id ORDER BY logged_at DESC LIMIT ?""",
        (ERRORS_SHOWN,),
    ).fetchall()
    found = []
    for run in runs:
        lines = connection.execute(
            "SELECT plugin, message FROM errors WHERE run_id = ? ORDER BY id", (run["run_id"],)
        ).fetchall()
        text = "\n".join(f"{line['plugin']}: {line['message']}" for line in lines)
        cause = cause_of(line["message"] for line in lines)
        found.append({**dict(run), "text": text, "cause": cause or text.partition("\n")[0]})
    return found


def _undelivered(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    """Return the addresses whose last message was not taken."""
    return connection.execute(
        """SELECT address, sent_at, detail FROM
             (SELECT address, accepted, detail, max(id) AS id, sent_at FROM deliveries GROUP BY address)
           WHERE accepted = 0"""
    ).fetchall()
