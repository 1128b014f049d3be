"""Benchmarks: how long the parts take, beside what a user would otherwise pick."""

from __future__ import annotations
