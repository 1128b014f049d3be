"""From records as JSON bytes to columns of text, compiled once per SCHEMA and table.

The quick way takes a whole batch: msgspec decodes every record into a struct made from the schema (which validates it),
and each column is converted in one pass. Whatever the quick way does not take goes one record at a time through
:meth:`RecordEncoder.examine`, which either finds the texts the slow way or says why the record is bad.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import msgspec
from singer_sdk.exceptions import MissingKeyPropertiesError
from sqlalchemy.dialects import mysql

from target_mysql_replace.column_types import Shape
from target_mysql_replace.convert import NULL, Family, Number, Unstorable, WallClock, exact, to_text
from target_mysql_replace.converters import ABSENT, column_converter
from target_mysql_replace.silent import silent_check
from target_mysql_replace.validate import NotPlainError, Validator, plain_type, record_type

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_mysql_replace.table import Column, Table

Texts: TypeAlias = "list[Sequence[str]]"
"""One sequence a column, one text a record in each; :data:`~target_mysql_replace.convert.NULL` stands for NULL."""

_ABSENTS: dict[Any, Any] = {msgspec.Raw: ABSENT, Any: msgspec.UNSET}
#: Records encoded at a time: few enough that what they become stays in the processor's cache (measured: a third less).
_BLOCK_ROWS = 200


class BadRecord(Exception):  # noqa: N818 what the record is
    """A record that cannot be stored; the message is the reason, without values."""


class Misfit(BadRecord):
    """A value that the column as it is would change, and that a wider one might hold."""


@dataclasses.dataclass
class Sorted:
    """A batch's records, sorted by what can be done with them.

    Attributes:
        records: those that can be sent.
        texts: their texts.
        bad: record and reason of those that cannot be stored.
        misfits: the same of those a wider column might hold.
    """

    records: list[msgspec.Raw | bytes]
    texts: Texts
    bad: list[tuple[bytes, str]] = dataclasses.field(default_factory=list)
    misfits: list[tuple[bytes, str]] = dataclasses.field(default_factory=list)


class RecordEncoder:
    """Turns the records of one stream into texts for one table.

    Args:
        schema: the stream's schema, a valid one (:func:`target_mysql_replace.validate.check_schema`).
        key_properties: the stream's key.
        table: where the records go.
        zone: the zone DATETIME columns are kept in.
        validate: whether records are held against the schema.
        json_digits: how many digits of a number a JSON column keeps; None where it keeps them all, as text.
        unknown: called with the name of a property that is not in the schema, once each.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        key_properties: Sequence[str],
        table: Table,
        zone: dt.timezone,
        *,
        validate: bool,
        json_digits: int | None,
        unknown: Callable[[str], None],
    ) -> None:
        self._table = table
        self._schema = schema
        self._keys = key_properties
        self._zone = zone
        self._clock = WallClock(zone)
        self._json_digits = json_digits
        self._unknown = unknown
        self._known: set[str] = set(schema["properties"])
        self._validator: Validator | None = Validator(schema) if validate else None
        #: Whether decoding a record into the struct proves that the schema allows it.
        self._plain = not validate or self._top_is_plain()
        self._checkers: dict[str, msgspec.json.Decoder[Any]] = {}
        by_source = {column.source: column for column in table.columns}
        self._fields: dict[str, Any] = {}
        self._defaults: dict[str, Any] = {}
        for name, prop_schema in schema["properties"].items():
            column = by_source.get(name)
            self._fields[name] = self._field_type(name, prop_schema, column, validate=validate)
            if name not in key_properties:
                self._defaults[name] = _ABSENTS.get(self._fields[name])
        self._decoder = self._new_decoder(forbid_unknown=True)
        positions = {name: position for position, name in enumerate(self._fields)}
        self._positions = [positions[column.source] for column in table.columns]
        self._checker_positions = [(positions[name], decoder.decode) for name, decoder in self._checkers.items()]
        self._converters: list[Callable[[Sequence[Any]], Sequence[str]]] = []
        self._checks: list[Callable[[str], None] | None] = []
        self.refresh()

    def refresh(self) -> None:
        """Look at the table's column types again, after they were widened."""
        self._converters = [
            column_converter(column, self._clock, self._zone, raw=self._fields[column.source] is msgspec.Raw)
            for column in self._table.columns
        ]
        self._checks = [self._check(column) for column in self._table.columns]
        #: Columns of which the server might make something of a NULL by itself, such as the time of day.
        self._not_null = [
            position for position, column in enumerate(self._table.columns) if not (column.nullable or column.key)
        ]

    def encode(self, records: Sequence[msgspec.Raw | bytes]) -> Texts:
        """Return the texts of a batch, column by column.

        Raises:
            BadRecord: some record is not of the usual kind; :meth:`examine` tells of each.
        """
        texts: list[list[str]] = [[] for _ in self._table.columns]
        for block in self.blocks(records):
            for column, part in zip(texts, block, strict=True):
                column.extend(part)
        return [*texts]

    def blocks(self, records: Sequence[msgspec.Raw | bytes]) -> Iterator[Texts]:
        """Yield the texts of a batch, some rows at a time.

        Raises:
            BadRecord: some record is not of the usual kind; :meth:`examine` tells of each.
        """
        for start in range(0, len(records), _BLOCK_ROWS):
            yield self._encode_block(records[start : start + _BLOCK_ROWS])

    def _encode_block(self, records: Sequence[msgspec.Raw | bytes]) -> Texts:
        if self._decoder is None:
            raise BadRecord
        try:
            structs = map(self._decoder.decode, records)
            fields = list(zip(*map(msgspec.structs.astuple, structs), strict=True))
            for position, check in self._checker_positions:
                _check_all(check, (raw for raw in fields[position] if raw is not ABSENT))
            if not self._plain:
                self._judge_all(records)
            texts = [
                converter(fields[position])
                for converter, position in zip(self._converters, self._positions, strict=True)
            ]
            if any(NULL in texts[position] for position in self._not_null):
                raise BadRecord
            for column, check_text in zip(texts, self._checks, strict=True):
                if check_text is not None:
                    _check_all(check_text, (text for text in column if text != NULL))
        except (KeyError, ValueError, msgspec.MsgspecError, RecursionError) as error:
            raise BadRecord(type(error).__name__) from None
        return texts

    def encode_each(self, records: Sequence[msgspec.Raw | bytes]) -> Sorted:
        """Return the texts of a batch, the records that cannot be stored set aside.

        Raises:
            MissingKeyPropertiesError: a record has no value for a key property at all, which is the tap's mistake.
        """
        try:
            return Sorted(list(records), self.encode(records))
        except BadRecord:
            pass
        found = Sorted([], [])
        rows = []
        for record in records:
            try:
                row = self.examine(record)
            except Misfit as reason:
                found.misfits.append((bytes(record), str(reason)))
            except BadRecord as reason:
                found.bad.append((bytes(record), str(reason)))
            else:
                found.records.append(record)
                rows.append(row)
        found.texts = [list(column) for column in zip(*rows, strict=True)] if rows else []
        return found

    def examine(self, record: msgspec.Raw | bytes) -> list[str]:
        """Return the texts of one record, one a column.

        Raises:
            BadRecord: the record cannot be stored; the message says why, without values.
            Misfit: it could be stored if a column were wider.
            MissingKeyPropertiesError: it has no value for a key property at all, which is the tap's mistake.
        """
        try:
            return [column[0] for column in self.encode([record])]
        except BadRecord:
            value = load_json(record)
        self._require_keys(value)
        if not isinstance(value, dict):
            raise BadRecord("the record is not an object")
        if self._validator is not None and (objection := self._validator.objection(value)):
            raise BadRecord(objection)
        self._notice_unknown(value)
        texts = []
        for column, check in zip(self._table.columns, self._checks, strict=True):
            texts.append(self._examine_value(column, value.get(column.source), check))
        return texts

    def loose_texts(self, records: Iterable[bytes]) -> Texts:
        """Return the texts of records that do not fit, without the checks that say so, to find the types they need."""
        values = [load_json(record) for record in records]
        return [
            [_loose_text(value.get(column.source), column, self._zone) for value in values]
            for column in self._table.columns
        ]

    def _examine_value(self, column: Column, value: Any, check: Callable[[str], None] | None) -> str:  # noqa: ANN401 any JSON value
        if value is None and column.key:
            raise BadRecord(f"the key property '{column.source}' is null")
        if value is None and not column.nullable:
            raise BadRecord(f"'{column.source}' is null, the column is NOT NULL")
        if value is None:
            return NULL
        try:
            text = to_text(value, column.family, self._zone)
            text.encode()
        except UnicodeEncodeError:
            raise BadRecord(
                f"'{column.source}' has something that is no character (a lone surrogate, or bytes that are no UTF-8)"
            ) from None
        except (Unstorable, msgspec.MsgspecError) as error:
            raise Misfit(f"'{column.source}' {error}") from None
        if check is not None:
            try:
                check(text)
            except Unstorable as error:
                raise Misfit(f"'{column.source}' {error}") from None
        return text

    def _require_keys(self, value: Any) -> None:  # noqa: ANN401 any JSON value
        missing = [name for name in self._keys if not isinstance(value, dict) or name not in value]
        if missing:
            raise MissingKeyPropertiesError(
                f"A record of table '{self._table.name}' lacks the key property {', '.join(missing)}. "
                "The tap's key_properties and its records disagree; that has to be mended in the tap."
            )

    def _notice_unknown(self, record: Iterable[str]) -> None:
        """Report properties the schema does not have, and from then on do not stumble over them."""
        unknown = [name for name in record if name not in self._known]
        for name in unknown:
            self._known.add(name)
            self._unknown(name)
        if unknown:
            self._decoder = self._new_decoder(forbid_unknown=False)

    def _judge_all(self, records: Sequence[msgspec.Raw | bytes]) -> None:
        for record in records:
            if self._validator is not None and self._validator.objection(load_json(record)):
                raise BadRecord

    def _top_is_plain(self) -> bool:
        try:
            plain_type({**self._schema, "properties": {}, "required": []}, self._schema)
        except NotPlainError:
            return False
        return "object" in str(self._schema.get("type", ""))

    def _new_decoder(self, *, forbid_unknown: bool) -> msgspec.json.Decoder[Any] | None:
        """A decoder for whole records; None where a property's name is nothing msgspec takes (a quote, a backslash)."""
        try:
            kind = record_type(self._schema, self._fields, self._defaults, forbid_unknown=forbid_unknown)
        except NotPlainError:
            return None
        return msgspec.json.Decoder(kind, float_hook=Number)

    def _field_type(self, name: str, schema: Any, column: Column | None, *, validate: bool) -> Any:  # noqa: ANN401 a type
        """The type a property is decoded to; one that is not plain makes the whole schema so."""
        shape = Shape.ANY if column is None else column.prop.shape
        try:
            plain = plain_type(schema, self._schema) if validate else Any
        except (NotPlainError, RecursionError):
            # The second is a schema that refers to itself.
            self._plain, plain = False, Any
        if shape is Shape.NUMBER:
            return Any
        if shape in {Shape.TEXT, Shape.INTEGER, Shape.BOOLEAN} and plain is not Any:
            return _without_null(plain) if column is not None and column.key else plain
        if plain is not Any:
            self._checkers[name] = msgspec.json.Decoder(plain)
        return msgspec.Raw

    def _check(self, column: Column) -> Callable[[str], None] | None:
        whole = column.prop.shape in {Shape.INTEGER, Shape.BOOLEAN}
        if whole and column.family is Family.INTEGER and not isinstance(column.sql_type, mysql.BIT):
            return None
        return silent_check(
            column.sql_type,
            json_digits=self._json_digits,
            padded=column.padded and column.key,
        )


def _loose_text(value: Any, column: Column, zone: dt.timezone) -> str:  # noqa: ANN401 any JSON value
    """The text of a value for a column as wide as it takes; NULL where no column of the family takes it."""
    family = Family.DATETIME if column.family is Family.DATE and column.prop.form == "date-time" else column.family
    family = Family.DECIMAL if family is Family.INTEGER else family
    try:
        return to_text(value, family, zone)
    except (Unstorable, msgspec.MsgspecError):
        return NULL


def load_json(record: msgspec.Raw | bytes) -> Any:  # noqa: ANN401 any JSON value
    """Return a record as Python values, numbers with a fraction as Decimal.

    More lenient than msgspec: a lone surrogate is let through and found later, with a reason.

    Raises:
        BadRecord: ``NaN`` or ``Infinity``, deeper than Python can follow, or no JSON in UTF-8 at all.
    """
    try:
        return json.loads(bytes(record), parse_float=exact, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadRecord("the record is nested too deeply") from None
    except Unstorable as error:
        raise BadRecord(f"something in the record {error}") from None
    except ValueError:
        raise BadRecord("the record is not valid UTF-8 or JSON") from None


def _refuse_constant(name: str) -> None:
    raise BadRecord(f"the record has {name}, which is no JSON and no number MySQL knows")


def _check_all(check: Callable[[Any], Any], values: Iterable[Any]) -> None:
    for value in values:
        check(value)


def _without_null(kind: Any) -> Any:  # noqa: ANN401 a type in typing's sense
    members = getattr(kind, "__args__", None)
    if members is None or not hasattr(kind, "__origin__") or kind.__origin__ is not Union:
        return kind
    return Union[tuple(member for member in members if member is not type(None))]  # noqa: UP007 known at run time only
