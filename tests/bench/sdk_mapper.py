"""An inline mapper made of nothing but the Singer SDK's parts: what map-explode is compared with."""

from __future__ import annotations

import copy
import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import InlineMapper, singerlib
from singer_sdk import typing as th
from singer_sdk.mapper import PluginMapper

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class SdkMapper(InlineMapper):
    """The SDK's stream maps on the elements of one array of objects, or on the records as they are."""

    name = "sdk-mapper"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("array", th.StringType, description="Array to make rows of, in every stream.")
    ).to_dict()

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 those of the SDK's class
        """Take what the SDK's class takes."""
        super().__init__(**kwargs)
        self.mapper = PluginMapper(plugin_config=dict(self.config), logger=self.logger)
        self._array: str | None = self.config.get("array")

    def map_schema_message(self, message_dict: dict[str, Any]) -> Iterable[singerlib.Message]:
        """Return the SCHEMA of the rows."""
        schema, keys = copy.deepcopy(message_dict["schema"]), message_dict["key_properties"]
        if self._array:
            element = schema["properties"].pop(self._array)["items"]
            schema["properties"] |= {f"{self._array}_{name}": each for name, each in element["properties"].items()}
            keys = [*keys, f"{self._array}_id"]
        self.mapper.register_raw_stream_schema(message_dict["stream"], schema, keys)
        for stream_map in self.mapper.stream_maps[message_dict["stream"]]:
            yield singerlib.SchemaMessage(
                stream_map.stream_alias, stream_map.transformed_schema, stream_map.transformed_key_properties
            )

    def map_record_message(self, message_dict: dict[str, Any]) -> Iterable[singerlib.Message]:
        """Return the rows of a record."""
        extracted = dt.datetime.fromisoformat(message_dict["time_extracted"])
        for row in self._rows(message_dict["record"]):
            for stream_map in self.mapper.stream_maps[message_dict["stream"]]:
                mapped = stream_map.transform(row)
                if mapped is not None:
                    yield singerlib.RecordMessage(stream_map.stream_alias, mapped, time_extracted=extracted)

    def _rows(self, record: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if self._array is None:
            yield record
            return
        elements = record.pop(self._array)
        for element in elements:
            yield {**record, **{f"{self._array}_{name}": value for name, value in element.items()}}

    def map_state_message(self, message_dict: dict[str, Any]) -> Iterable[singerlib.Message]:
        """Return the STATE as it is."""
        yield singerlib.StateMessage(message_dict["value"])

    def map_activate_version_message(self, message_dict: dict[str, Any]) -> Iterable[singerlib.Message]:
        """Return the ACTIVATE_VERSION as it is."""
        yield singerlib.ActivateVersionMessage(message_dict["stream"], message_dict["version"])


if __name__ == "__main__":
    SdkMapper.cli()
