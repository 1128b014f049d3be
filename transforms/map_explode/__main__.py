"""`python -m map_explode`."""

from __future__ import annotations

from map_explode.mapper import MapExplode

MapExplode.cli()
