"""Starting the 钉钉 stand-in from a test, and steering it."""

from __future__ import annotations

from typing import Any

from tests.sandbox.client import SandboxProcess
from tests.sandbox.dingtalk.gateway import APP_KEY, APP_SECRET
from tests.sandbox.dingtalk.robot import KEYWORD_TOKEN, PATH, SIGNED_SECRET, SIGNED_TOKEN
from tests.sandbox.dingtalk.templates import EXPENSE, RECHARGE, REFUND

DETAIL_APIS = ("/topapi/processinstance/get", "/v1.0/workflow/processInstances")
LISTING_APIS = ("/topapi/processinstance/listids", "/v1.0/workflow/processes/instanceIds/query")
#: Faults that leave the answer as it is.
_HARMLESS = (None, "slow")


class DingTalkSandbox(SandboxProcess):
    """A 钉钉 stand-in in a process of its own, for the length of a ``with`` block.

    Args:
        approvals: Approvals of each template in the history.
        days: Days of history before ``now``.
        still_open: How many of them stay open for months; None for one of thirty.
        quota: Calls a month; 0 is no limit.
        qps: Calls a second per API; 0 is no limit.
        seed: The same seed and ``now`` give the same approvals.
        now: Where the clock starts, ISO text in Beijing; None for the present.
        port: 0 for one that is free.
    """

    platform = "dingtalk"
    app_key = APP_KEY
    app_secret = APP_SECRET
    #: Codes of the shipped templates.
    recharge = RECHARGE.code
    expense = EXPENSE.code
    refund = REFUND.code
    #: A robot that wants a signature, and one that wants the keyword 告警.
    robot_token = SIGNED_TOKEN
    robot_secret = SIGNED_SECRET
    keyword_robot_token = KEYWORD_TOKEN

    def __init__(
        self,
        *,
        approvals: int = 60,
        days: int = 30,
        still_open: int | None = None,
        quota: int = 0,
        qps: int = 0,
        seed: int = 1,
        now: str | None = None,
        port: int = 0,
    ) -> None:
        arguments = [f"--approvals={approvals}", f"--days={days}", f"--quota={quota}", f"--qps={qps}"]
        if still_open is not None:
            arguments.append(f"--open={still_open}")
        super().__init__(*arguments, seed=seed, now=now, port=port)

    @property
    def robot_url(self) -> str:
        """Return where robots are spoken to, without token and signature."""
        return self.origin + PATH

    def truth(
        self,
        process_code: str,
        *,
        as_of: int | str | dict[str, int] | None = None,
        api_version: str | None = None,
        since: int | str | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Return approvals in the normal form of `truth.normal_form`, by id.

        Args:
            process_code: The template.
            as_of: An instant: everything readable then (None: now). Or ids with the instant each was read at, as
                `perfect_reader` and `served` return them.
            api_version: ``v1.0`` leaves the seconds out of instants.
            since: Leaves out what was created before.
        """
        order = {"process_code": process_code, "as_of": as_of, "api_version": api_version, "since": since}
        return {one["process_instance_id"]: one for one in self.control("truth", order)}

    def perfect_reader(
        self, process_code: str, runs: list[int | str], *, since: int | str | None = None
    ) -> dict[str, Any]:
        """Return what a perfect reader would hold that ran at these instants.

        Returns:
            ``held``: when each approval was read last (epoch ms), and ``runs``: for each how many ids it ``listed``
            for the first time and how many ``details`` it had to ask for.
        """
        order = {"process_code": process_code, "runs": runs, "since": since}
        found: dict[str, Any] = self.control("perfect-reader", order)
        return found

    def served(self) -> dict[str, int]:
        """Return by id when an approval was last answered whole (the stand-in's clock, epoch ms), from the log."""
        return {
            line["params"].get("process_instance_id") or line["params"]["processInstanceId"]: line["at_ms"]
            for line in self.requests()
            if line["api"] in DETAIL_APIS and line["outcome"] == "ok" and line["fault"] in _HARMLESS
        }

    def listings(self) -> list[dict[str, Any]]:
        """Return the requests for pages of ids."""
        return [line for line in self.requests() if line["api"] in LISTING_APIS]

    def details(self) -> list[dict[str, Any]]:
        """Return the requests for single approvals."""
        return [line for line in self.requests() if line["api"] in DETAIL_APIS]

    def approvals(self, process_code: str) -> list[dict[str, Any]]:
        """Return id, ``created_ms``, ``status`` and ``deleted`` of all approvals of a template, oldest first."""
        return list(self.control(f"approvals?process_code={process_code}"))

    def start(self, process_code: str, *, userid: str | None = None, **values: object) -> str:
        """Start an approval that stays open until a test decides it; returns its id.

        Args:
            process_code: The template.
            userid: The originator.
            **values: By component id or label: the platform's text, ``{"value", "ext"}``, or None for empty; what is
                not named is made up.
        """
        order = {"process_code": process_code, "userid": userid, "values": values}
        return str(self.control("approvals", order)["process_instance_id"])

    def agree(self, instance_id: str) -> None:
        """Agree to an open approval now."""
        self._act(instance_id, "agree")

    def refuse(self, instance_id: str) -> None:
        """Refuse an open approval now."""
        self._act(instance_id, "refuse")

    def withdraw(self, instance_id: str) -> None:
        """Let the originator withdraw an open approval now."""
        self._act(instance_id, "withdraw")

    def delete(self, instance_id: str) -> None:
        """Delete an approval now."""
        self._act(instance_id, "delete")

    def remark(self, instance_id: str, text: str) -> None:
        """Comment on an approval now, also on a final one."""
        self._act(instance_id, "remark", text=text)

    def write(self, instance_id: str, **values: object) -> None:
        """Write into components of an approval, as in `start`."""
        self._act(instance_id, "write", values=values)

    def modify(self, instance_id: str) -> str:
        """Start an approval that modifies this one; returns its id."""
        return self._act(instance_id, "modify")

    def revoke(self, instance_id: str) -> str:
        """Start an approval that revokes this one; returns its id."""
        return self._act(instance_id, "revoke")

    def templates(self) -> list[dict[str, Any]]:
        """Return ``process_code``, ``name`` and the newest ``components`` of every template."""
        return list(self.control("templates"))

    def edit_template(
        self,
        process_code: str,
        *,
        add: list[dict[str, Any]] | None = None,
        rename: dict[str, str] | None = None,
        remove: list[str] | None = None,
    ) -> None:
        """Edit a template from now on; approvals keep the version they were started with.

        Args:
            process_code: The template.
            add: Components as `templates.Component`: ``id``, ``type``, ``label``, and what else it has.
            rename: New labels by id of a component or of a column.
            remove: Ids of components or columns.
        """
        order = {"add": add or [], "rename": rename or {}, "remove": remove or []}
        self.control(f"templates/{process_code}", order)

    def quota_used(self) -> int:
        """Return the calls of this month that count."""
        return int(self.control("quota")["used"])

    def set_quota_used(self, used: int) -> None:
        """Set the calls of this month, as if other apps had called."""
        self.control("quota", {"used": used})

    def expire_tokens(self) -> None:
        """Let every access token end now."""
        self.control("tokens", verb="DELETE")

    def robot_messages(self, token: str = SIGNED_TOKEN) -> list[dict[str, Any]]:
        """Return what a robot delivered."""
        return list(self.control(f"robots/{token}"))

    def set_robot(self, token: str = SIGNED_TOKEN, **settings: object) -> None:
        """Set ``secret``, ``keywords``, ``per_minute`` or ``refusal`` (an errcode for everything) of a robot."""
        self.control(f"robots/{token}", dict(settings))

    def advance_robots(self, seconds: float) -> None:
        """Move the robots' clock ahead, which is real time otherwise."""
        self.control("robots", {"advance_seconds": seconds})

    def _act(self, instance_id: str, act: str, **order: object) -> str:
        return str(self.control(f"approvals/{instance_id}/{act}", dict(order))["process_instance_id"])
