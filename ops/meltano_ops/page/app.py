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

from meltano_ops import overview, store
from meltano_ops.page import flow, rows
from meltano_ops.problems import open_problems
from meltano_ops.project import load_project
from meltano_ops.settings import OpsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from meltano_ops.settings import Settings
    from meltano_ops.texts import Text

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ERRORS_SHOWN = 8
WINDOWS_SHOWN = 12
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
            exception_handlers={OpsError: self._mistake, sqlite3.OperationalError: self._mistake},
        )

    def _open(self) -> closing[sqlite3.Connection]:
        return closing(store.connect(self._settings.database, self._settings.timezone, read_only=True))

    def _home(self, request: Request) -> Response:
        now = time.time()
        zone = self._settings.timezone
        with self._open() as connection:
            checks = overview.check_states(connection)
            context = {
                "pipelines": overview.pipelines(connection, zone, now),
                "problems": open_problems(connection),
                "days": overview.days(connection, zone, now),
                "completeness": [check for check in checks if check.name.startswith(overview.COMPLETENESS_PREFIX)],
                "checks": checks,
                "checked_at": overview.meta(connection, "checked_at"),
                "collected_at": overview.meta(connection, "collected_at"),
                "repeated": _repeated(connection),
                "quarantine": _quarantine(connection, checks),
                "calls": _calls(
                    connection, datetime.fromtimestamp(now, zone).replace(day=1, hour=0, minute=0, second=0)
                ),
                "errors": _recent_errors(connection),
                "drawing": flow.draw(load_project(self._settings.root, self._settings.environment), connection),
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
        return self._answer(request, "mistake.html", {"message": str(error)}, 503)

    def _answer(
        self, request: Request, template: str, context: Mapping[str, object], status_code: int = 200
    ) -> Response:
        asked = request.query_params.get("lang")
        language = asked if asked in {"zh", "en"} else request.cookies.get("lang", "zh")
        zone = self._settings.timezone
        query = {key: value for key, value in request.query_params.items() if key != "lang"}
        other = "en" if language != "en" else "zh"

        def pick(text: Text) -> str:
            return text.en if language == "en" else text.zh

        def at(seconds: float | None, pattern: str = "%m-%d %H:%M") -> str:
            return store.local_text(seconds, zone, pattern) or "—"

        html = self._templates.get_template(template).render(
            _=lambda zh, en: en if language == "en" else zh,
            pick=pick,
            at=at,
            span=lambda seconds: pick(overview.span(seconds)),
            number=lambda value: "—" if value is None else f"{value:,}",
            link=lambda path, **filters: f"{path}?{urlencode(filters)}" if filters else path,
            query=query,
            language=language,
            other_language=f"?{urlencode({**query, 'lang': other})}",
            project=self._settings.root.name,
            zone=str(zone),
            now=time.time(),
            **context,
        )
        response = HTMLResponse(html, status_code, headers=_SECURITY)
        if asked == language:
            response.set_cookie("lang", language, max_age=365 * 86400, samesite="lax", httponly=True)
        return response


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
        found.append(
            {"run_id": run["run_id"], "pipeline": run["pipeline"], "logged_at": run["logged_at"], "text": text}
        )
    return found


def _undelivered(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    """Return the addresses whose last message was not taken."""
    return connection.execute(
        """SELECT address, sent_at, detail FROM
             (SELECT address, accepted, detail, max(id) AS id, sent_at FROM deliveries GROUP BY address)
           WHERE accepted = 0"""
    ).fetchall()
