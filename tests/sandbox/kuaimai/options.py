"""The switches of the gateway: what the documentation leaves open, either way."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass
class Options:
    """Every switch with what it is at the start."""

    #: Calls a second (and at once after a rest) before HTTP 429; None for no limit.
    rate_per_second: float | None = 15
    #: The Retry-After header of a 429 in seconds; None sends none.
    retry_after: float | None = None
    #: The list of an answer without hits: ``documented`` (by API), ``empty`` or ``omit``.
    zero_hits: str = "documented"
    #: Whether a row at the very end of a window belongs to it: ``inclusive`` or ``exclusive``.
    window_end: str = "inclusive"
    #: The order of a list: ``newest_first``, ``oldest_first`` (both by the window's time) or ``by_id``.
    order: str = "newest_first"
    #: Fields without a value: ``omit`` or ``send`` (as null).
    null_keys: str = "omit"
    #: Whether ``total`` is text, as some tables of the documentation have it.
    total_as_text: bool = False
    #: Whether the items of a ticket have an id.
    item_ids: bool = True
    #: The code for an after-sales page above 200, which is not documented.
    oversize_code: str = "20002"
    #: A longest window in days, refused beyond with code 50; none is documented for most APIs.
    max_span_days: float | None = None
    #: The HTTP status of an error in JSON.
    error_status: int = 200
    #: How far the gateway's wall clock is ahead of the machine's.
    skew_seconds: float = 0
    #: Method name to the error code that a call of it gets, as without permission.
    forbidden: dict[str, str] = field(default_factory=dict)

    def change(self, changes: dict[str, object]) -> None:
        """Set switches by name.

        Raises:
            ValueError: A switch, or one of its values, is unknown.
        """
        names = {one.name for one in fields(self)}
        for name, value in changes.items():
            if name not in names:
                raise ValueError(f"unknown switch {name!r}; there are {', '.join(sorted(names))}")
            if name in CHOICES and value not in CHOICES[name]:
                raise ValueError(f"{name} is one of {', '.join(CHOICES[name])}, not {value!r}")
            setattr(self, name, value)


CHOICES = {
    "zero_hits": ("documented", "empty", "omit"),
    "window_end": ("inclusive", "exclusive"),
    "order": ("newest_first", "oldest_first", "by_id"),
    "null_keys": ("omit", "send"),
}
