"""The status page: Starlette and Jinja, no scripts, nothing from outside, nothing that writes."""

from __future__ import annotations
