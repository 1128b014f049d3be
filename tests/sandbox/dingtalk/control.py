"""The part of the control interface that only 钉钉 has."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.sandbox.clock import to_ms
from tests.sandbox.dingtalk.office import filled_from
from tests.sandbox.dingtalk.templates import Component
from tests.sandbox.dingtalk.truth import normal_form, perfect_reader, readable

if TYPE_CHECKING:
    from starlette.requests import Request

    from tests.sandbox.dingtalk.gateway import DingTalk


class Control:
    """Calls under ``/_control/``; each is told in README.md and has a method in `client.DingTalkSandbox`."""

    def __init__(self, platform: DingTalk) -> None:
        self._platform = platform

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [
            Route("/truth", self._truth, methods=["POST"]),
            Route("/perfect-reader", self._perfect_reader, methods=["POST"]),
            Route("/approvals", self._approvals, methods=["GET", "POST"]),
            Route("/approvals/{id}/{act}", self._act, methods=["POST"]),
            Route("/templates", self._templates, methods=["GET"]),
            Route("/templates/{code}", self._edit_template, methods=["POST"]),
            Route("/quota", self._quota, methods=["GET", "POST"]),
            Route("/tokens", self._tokens, methods=["DELETE"]),
            Route("/robots", self._robots, methods=["POST"]),
            Route("/robots/{token}", self._robot, methods=["GET", "POST", "DELETE"]),
        ]

    def _now_ms(self) -> int:
        return self._platform.clock.now_ms()

    async def _truth(self, request: Request) -> Response:
        order = await request.json()
        office, generation = self._platform.office, order.get("api_version")
        as_of = order.get("as_of")
        if isinstance(as_of, dict):
            return JSONResponse([self._one(one, at_ms, generation) for one, at_ms in as_of.items()])
        at_ms = self._now_ms() if as_of is None else to_ms(as_of)
        since_ms = to_ms(order.get("since") or 0)
        found = readable(office, order["process_code"], at_ms, since_ms=since_ms)
        return JSONResponse([normal_form(office, one, at_ms, generation) for one in found])

    def _one(self, instance_id: str, at_ms: int, generation: str | None) -> dict[str, Any]:
        approval = self._platform.office.find(instance_id, self._now_ms())
        if approval is None:
            raise KeyError(f"no approval {instance_id!r}")
        return normal_form(self._platform.office, approval, at_ms, generation)

    async def _perfect_reader(self, request: Request) -> Response:
        order = await request.json()
        held, runs = perfect_reader(
            self._platform.office,
            order["process_code"],
            [to_ms(run) for run in order["runs"]],
            since_ms=to_ms(order.get("since") or 0),
            deleted_listed=self._platform.switches.deleted_listed,
        )
        return JSONResponse({"held": held, "runs": [asdict(run) for run in runs]})

    async def _approvals(self, request: Request) -> Response:
        now_ms, office = self._now_ms(), self._platform.office
        if request.method == "POST":
            order = await request.json()
            values = {name: filled_from(one) for name, one in order.get("values", {}).items()}
            approval = office.make(order["process_code"], now_ms, values=values, userid=order.get("userid"))
            return JSONResponse({"process_instance_id": approval.id})
        found = office.between(request.query_params["process_code"], 0, now_ms)
        return JSONResponse(
            [
                {
                    "process_instance_id": one.id,
                    "created_ms": one.life.created_ms,
                    "status": one.life.status_at(now_ms),
                    "deleted": one.life.deleted_at(now_ms),
                }
                for one in found
            ]
        )

    async def _act(self, request: Request) -> Response:
        now_ms, office = self._now_ms(), self._platform.office
        instance_id, act = request.path_params["id"], request.path_params["act"]
        order = await request.json()
        if act in {"agree", "refuse", "withdraw"}:
            office.decide(instance_id, "withdrawn" if act == "withdraw" else act, now_ms)
        elif act == "delete":
            office.delete(instance_id, now_ms)
        elif act == "remark":
            office.remark(instance_id, str(order["text"]), now_ms)
        elif act == "write":
            office.write(instance_id, {name: filled_from(one) for name, one in order["values"].items()}, now_ms)
        elif act in {"modify", "revoke"}:
            main = office.find(instance_id, now_ms)
            if main is None:
                raise KeyError(f"no approval {instance_id!r}")
            made = office.make(main.code, now_ms, values={}, main_id=main.id, biz_action=act.upper())
            return JSONResponse({"process_instance_id": made.id})
        else:
            raise ValueError(f"nothing is known of {act!r}")
        return JSONResponse({"process_instance_id": instance_id})

    async def _templates(self, _request: Request) -> Response:
        templates = self._platform.office.templates.values()
        return JSONResponse(
            [
                {
                    "process_code": template.code,
                    "name": template.name,
                    "components": [asdict(component) for component in template.components],
                }
                for template in templates
            ]
        )

    async def _edit_template(self, request: Request) -> Response:
        order, code = await request.json(), request.path_params["code"]
        templates = self._platform.office.templates
        added = tuple(_component(one) for one in order.get("add", []))
        templates[code] = templates[code].edited(
            self._now_ms(), add=added, rename=order.get("rename", {}), remove=tuple(order.get("remove", []))
        )
        return JSONResponse({"components": [asdict(component) for component in templates[code].components]})

    async def _quota(self, request: Request) -> Response:
        quota = self._platform.quota
        if request.method == "POST":
            quota.set(self._now_ms(), int((await request.json())["used"]))
        return JSONResponse({"used": quota.used(self._now_ms()), "months": quota.months()})

    async def _tokens(self, _request: Request) -> Response:
        self._platform.tokens.expire()
        return JSONResponse({})

    async def _robots(self, request: Request) -> Response:
        self._platform.robots.advance(float((await request.json())["advance_seconds"]))
        return JSONResponse({})

    async def _robot(self, request: Request) -> Response:
        robot = self._platform.robots.robots[request.path_params["token"]]
        if request.method == "POST":
            for name, value in (await request.json()).items():
                if name not in {"secret", "keywords", "per_minute", "refusal"}:
                    raise ValueError(f"a robot has no {name!r}")
                setattr(robot, name, value)
        elif request.method == "DELETE":
            robot.delivered.clear()
        return JSONResponse(robot.delivered)


def _component(order: dict[str, Any]) -> Component:
    columns = tuple(_component(column) for column in order.get("columns", []))
    return Component(**{**order, "options": tuple(order.get("options", [])), "columns": columns})
