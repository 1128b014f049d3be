"""Calling the 钉钉 stand-in in both generations, as plainly as HTTP allows."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from tests.sandbox.dingtalk.client import DingTalkSandbox

TOPAPI, V1 = "topapi", "v1.0"
GENERATIONS = (TOPAPI, V1)
NOW = "2026-11-01 12:00:00"
DAY = 86_400_000


@dataclass(frozen=True)
class Reply:
    """An answer: HTTP status and JSON content."""

    status: int
    content: dict[str, Any]

    @property
    def code(self) -> str:
        """Return the error code, wherever a generation put it; ``ok`` for none."""
        if "errcode" in self.content and self.content["errcode"] != 0:
            return str(self.content.get("sub_code", self.content["errcode"]))
        return str(self.content.get("code", "ok"))


class Caller(AbstractContextManager["Caller"]):
    """A client with a token of each generation."""

    def __init__(self, sandbox: DingTalkSandbox) -> None:
        self.sandbox = sandbox
        self.http = requests.Session()
        self.tokens = {TOPAPI: "", V1: ""}

    def __enter__(self) -> Self:
        """Fetch both tokens."""
        self.tokens = {TOPAPI: self.gettoken().content["access_token"], V1: self.access_token().content["accessToken"]}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.http.close()

    def gettoken(self, **query: str) -> Reply:
        """Ask the old API for a token."""
        good = {"appkey": self.sandbox.app_key, "appsecret": self.sandbox.app_secret}
        response = self.http.get(f"{self.sandbox.origin}/gettoken", params=query or good)
        return Reply(response.status_code, response.json())

    def access_token(self, **body: str) -> Reply:
        """Ask the new API for a token."""
        good = {"appKey": self.sandbox.app_key, "appSecret": self.sandbox.app_secret}
        response = self.http.post(f"{self.sandbox.origin}/v1.0/oauth2/accessToken", json=body or good)
        return Reply(response.status_code, response.json())

    def old(self, path: str, **body: object) -> Reply:
        """Call the old API."""
        return self.raw_old(path, json.dumps(body).encode())

    def raw_old(
        self, path: str, body: bytes, content_type: str = "application/json", token: str | None = None
    ) -> Reply:
        """Call the old API with any body."""
        query = {"access_token": self.tokens[TOPAPI] if token is None else token}
        response = self.http.post(
            f"{self.sandbox.origin}/topapi/{path}", params=query, data=body, headers={"content-type": content_type}
        )
        return Reply(response.status_code, response.json())

    def new(self, verb: str, path: str, **params: object) -> Reply:
        """Call the new API."""
        return self.new_with(self.tokens[V1], verb, path, **params)

    def new_with(self, text: str, verb: str, path: str, **params: object) -> Reply:
        """Call the new API with any token; an empty one sends no header."""
        headers = {"x-acs-dingtalk-access-token": text} if text else {}
        url = f"{self.sandbox.origin}/v1.0/workflow/{path}"
        if verb == "GET":
            query = {name: str(value) for name, value in params.items()}
            response = self.http.get(url, params=query, headers=headers)
        else:
            response = self.http.request(verb, url, json=params, headers=headers)
        return Reply(response.status_code, response.json())

    def list_page(self, generation: str, code: str, first: int, last: int, *, cursor: int = 0, size: int = 20) -> Reply:
        """Ask for one page of ids."""
        if generation == TOPAPI:
            return self.old(
                "processinstance/listids", process_code=code, start_time=first, end_time=last, cursor=cursor, size=size
            )
        return self.new(
            "POST",
            "processes/instanceIds/query",
            processCode=code,
            startTime=first,
            endTime=last,
            nextToken=cursor,
            maxResults=size,
        )

    def list_pages(self, generation: str, code: str, first: int, last: int, size: int = 20) -> list[list[str]]:
        """Return the ids of a window, page by page."""
        pages: list[list[str]] = []
        following: Any = 0
        while following is not None:
            reply = self.list_page(generation, code, first, last, cursor=int(following), size=size)
            assert reply.code == "ok", reply
            pages.append(reply.content["result"].get("list", []))
            following = reply.content["result"].get("next_cursor", reply.content["result"].get("nextToken"))
        return pages

    def list_ids(self, generation: str, code: str, first: int, last: int) -> list[str]:
        """Return the ids of a window."""
        return [one for page in self.list_pages(generation, code, first, last) for one in page]

    def get(self, generation: str, instance_id: str) -> Reply:
        """Ask for one approval."""
        if generation == TOPAPI:
            return self.old("processinstance/get", process_instance_id=instance_id)
        return self.new("GET", "processInstances", processInstanceId=instance_id)

    def read(self, generation: str, instance_id: str) -> dict[str, Any]:
        """Return one approval as its generation shows it."""
        reply = self.get(generation, instance_id)
        assert reply.code == "ok", reply
        shown: dict[str, Any] = reply.content["process_instance" if generation == TOPAPI else "result"]
        return shown


def form(shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the components of an approval of either generation by id."""
    components = shown.get("form_component_values", shown.get("formComponentValues", []))
    return {one["id"]: one for one in components if "id" in one}
