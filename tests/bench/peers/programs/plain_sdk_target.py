"""The least that makes the SDK's SQL target store the right content: the key decides, JSON is written as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib.json import serialize_json
from singer_sdk.sql import SQLConnector, SQLSink, SQLTarget
from sqlalchemy.dialects import mysql

if TYPE_CHECKING:
    from singer_sdk.sql.connector import FullyQualifiedName
    from sqlalchemy import Executable


class Connector(SQLConnector):
    """Connects; the table is there already."""

    def get_sqlalchemy_url(self, config: dict[str, Any]) -> str:
        """Return the setting as it is."""
        return str(config["sqlalchemy_url"])

    def prepare_table(self, *_args: Any, **_options: Any) -> None:  # noqa: ANN401 nothing is done with them
        """Leave the table alone: the SDK's own types do not compile on MySQL."""


class Sink(SQLSink[Connector]):
    """Inserts as the SDK does."""

    connector_class = Connector

    def preprocess_record(self, record: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 the SDK's signature
        """Write objects and arrays as JSON, since the driver takes no others."""
        return {
            name: serialize_json(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value
            for name, value in record.items()
        }

    def generate_insert_statement(
        self, full_table_name: str | FullyQualifiedName, schema: dict[str, Any]
    ) -> Executable:
        """Return the SDK's insert with a clause for keys that exist."""
        table = super().generate_insert_statement(full_table_name, schema).table  # type: ignore[union-attr] # an Insert
        statement = mysql.insert(table)
        return statement.on_duplicate_key_update({column.name: statement.inserted[column.name] for column in table.c})


class Target(SQLTarget):
    """The target; its settings are the SDK's."""

    name = "target-plain"
    default_sink_class = Sink
    config_jsonschema = {"type": "object", "properties": {"sqlalchemy_url": {"type": "string"}}}  # noqa: RUF012 declared so by the SDK


if __name__ == "__main__":
    Target.cli()
