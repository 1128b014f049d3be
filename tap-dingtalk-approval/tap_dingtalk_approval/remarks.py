"""What is worth knowing about the forms of a run, said once and without values."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

    from tap_dingtalk_approval.forms import Form


class Remarks:
    """Collects what did not fit between forms and configuration.

    A template may be edited at any time: components come, go and are renamed. No value is lost, all are in
    `form_component_values`; but somebody should look at the configuration.

    Args:
        logger: Of the stream.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._missing: Counter[str] = Counter()
        self._unconverted: Counter[str] = Counter()
        self._unmapped: Counter[str] = Counter()
        self._forms = 0

    def add(self, form: Form) -> None:
        """Note what one form showed."""
        self._forms += 1
        self._missing.update(form.missing)
        self._unconverted.update(form.unconverted)
        self._unmapped.update(form.unmapped)

    def sum_up(self) -> None:
        """Write one line for everything that was noted since the last time."""
        for where, count in sorted(self._missing.items()):
            self._logger.warning(
                "%d of %d forms have no component for %s: renamed or removed in the template? NULL there.",
                count,
                self._forms,
                where,
            )
        for where, count in sorted(self._unconverted.items()):
            self._logger.warning(
                "%d values of %s: the column is NULL there, the text is in form_component_values.", count, where
            )
        if self._unmapped:
            self._logger.info("Without a column, only in form_component_values: %s", ", ".join(sorted(self._unmapped)))
        self._missing.clear()
        self._unconverted.clear()
        self._unmapped.clear()
        self._forms = 0
