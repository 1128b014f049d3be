"""Texts in both languages of the page, with places for a row's values."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Text:
    """A text in both languages of the page; `{column}` is replaced by the row's value."""

    zh: str
    en: str

    def filled(self, row: Mapping[str, Any]) -> Text:
        """Return the text for one row; a column that the row lacks stays as it is written."""
        return Text(fill(self.zh, row), fill(self.en, row))


class _RowFormatter(string.Formatter):
    """`{column}` only: no attributes, no indexes."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:  # noqa: ANN401, ARG002 - the base class's signature
        return kwargs.get(field_name, f"{{{field_name}}}"), field_name


def fill(text: str, row: Mapping[str, Any]) -> str:
    """Return `text` with `{column}` replaced by the row's value; a column that the row lacks stays as it is written."""
    shown = {name: "—" if value is None else value for name, value in row.items()}
    return _RowFormatter().vformat(text, (), shown).strip()
