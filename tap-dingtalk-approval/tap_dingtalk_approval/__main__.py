"""`python -m tap_dingtalk_approval`."""

from __future__ import annotations

from tap_dingtalk_approval.tap import TapDingTalkApproval

TapDingTalkApproval.cli()
