"""What is not known of the platform, or differs between organisations: a reader has to live with every setting."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.sandbox.dingtalk.errors import LAYOUTS, Layout

_CHOICES = {
    "order": ("shuffled", "oldest", "newest"),
    "over_cap": ("truncate", "error"),
    "error_layout": LAYOUTS,
    "missing_old": ("820005", "60121", "400001", "-1"),
    "missing_new": ("processInstanceNotExist", "aflowProcessInstNotExist", "processInstanceIdError"),
}


@dataclass
class Switches:
    """Settings that a test may change at any time.

    Attributes:
        order: Of listed ids: ``shuffled`` (the same for every page of a listing), ``oldest`` or ``newest`` first.
        full_page_cursor: An exactly full last page carries a cursor, and an empty page follows.
        empty_list_key: A listing without hits has its empty list; otherwise the key is missing.
        end_inclusive: A listing includes approvals created in the very ms of its end.
        stuck_cursor: Every page carries its own cursor again (a bug readers must notice).
        over_cap: Beyond 10,000 ids a listing just ends (``truncate``) or is refused (``error``).
        year_rule: A listing may not start more than 365 days ago.
        future_end: A listing may end in the future.
        deleted_listed: Deleted approvals are still listed.
        missing_old: The old API's code for an approval that is deleted or never was.
        missing_new: The new API's code for it.
        error_layout: Where the old API carries the code of an error: ``wrapped``, ``top`` or ``text``.
        lists_as_text: The old API writes lists of ids and user ids as text with commas, as in 2018.
        task_times_ms: The old API writes the instants of tasks as epoch ms.
        success_text: The new API writes ``"true"`` as text, as its documentation says.
        calls_per_second: Per API; 0 is no limit.
        calls_per_month: The quota; 0 is no limit.
        denied: Paths of APIs for which the app has no permission.
    """

    order: str = "shuffled"
    full_page_cursor: bool = True
    empty_list_key: bool = True
    end_inclusive: bool = True
    stuck_cursor: bool = False
    over_cap: str = "truncate"
    year_rule: bool = True
    future_end: bool = True
    deleted_listed: bool = False
    missing_old: str = "820005"
    missing_new: str = "processInstanceNotExist"
    error_layout: Layout = "wrapped"
    lists_as_text: bool = False
    task_times_ms: bool = False
    success_text: bool = False
    calls_per_second: int = 20
    calls_per_month: int = 5000
    denied: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse what no reader could meet.

        Raises:
            ValueError: A switch has a value it cannot have.
        """
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}")
