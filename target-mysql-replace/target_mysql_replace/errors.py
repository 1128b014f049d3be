"""What the server's errors mean for a load: data, not code.

Codes are those of the MySQL Server Error Message Reference and of MariaDB's list of error codes, OceanBase's from its
own; what each means here was tried on the servers.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from typing import TYPE_CHECKING, Any

import pymysql
import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Action(enum.Enum):
    """What to do about an error of the server."""

    #: Connect again and repeat the batch; the trouble passes.
    RETRY = "retry"
    #: Some record does not fit: widen, else find it and set it aside.
    BAD_ROW = "bad row"
    #: LOAD DATA LOCAL is not allowed; another method does the same.
    REFUSED = "refused"
    #: Nothing but a person can help.
    FATAL = "fatal"


@dataclasses.dataclass(frozen=True)
class Advice:
    """What an error means: what to do, and what to tell the operator (or, for a bad row, what is wrong with it)."""

    action: Action
    message: str


class OperatorError(Exception):
    """The load cannot go on. The message is one line: what is wrong and what to do, without secrets and values."""


def _table(action: Action, entries: Mapping[str, Collection[int]]) -> dict[int, Advice]:
    return {code: Advice(action, message) for message, codes in entries.items() for code in codes}


#: Nobody answers at the address.
UNREACHABLE = (2002, 2003, 2005)
TLS_FAILED = 2026
SERVER_ERRORS: Mapping[int, Advice] = {
    **_table(
        Action.RETRY,
        {
            "The connection to the server was lost.": (
                2006, 2013, 2014, 2055, 1053, 1077, 1079, 1080, 1158, 1159, 1160, 1161, 1184, 1317, 1927, 3169, 4031
            ),
            "The server cannot be reached.": UNREACHABLE,
            "Another transaction holds the rows.": (1205, 1213, 1020, 3572, 1479, 1614),
            "The server has no room for another connection.": (1040, 1203, 1226),
            "The server is read-only (a failover?).": (1290, 1792, 1836, 3100, 3101, 1207, 1209),
            "A query took longer than the server allows.": (1969, 3024, 4012, 6213),
            "A distributed transaction collided with another.": (8002, 8022, 8028, 9007, 6001, 6002, 6005, 6210, 6211),
            "The table is being changed.": (1412,),
        },
    ),
    **_table(
        Action.BAD_ROW,
        {
            "is null, the column is NOT NULL": (1048, 1263, 1364),
            "is too long for the column": (1406, 1301),
            "is out of the column's range": (1264, 1690, 1441),
            "would be rounded or cut": (1265,),
            "is not of the column's type": (1292, 1366, 1411, 1525, 1416, 3037, 1300, 4096),
            "does not have as many fields as the table": (1136, 1261, 1262),
            "is not valid JSON for the column": (3140, 3141, 3143, 3144, 3150, 3151, 3156, 3157, 3158, 4038),
            "breaks a foreign key": (1216, 1217, 1451, 1452),
            "breaks a CHECK constraint or a trigger refused it": (1644, 3819, 4025),
            "belongs to no partition": (1526, 1748),
            "makes the row larger than the storage engine allows": (1118, 1713, 139),
            "is larger than max_allowed_packet": (1153,),
            "repeats a unique value": (1062, 1586),
        },
    ),
    **_table(
        Action.REFUSED,
        {
            "LOAD DATA LOCAL is switched off (local_infile).": (1148, 3948, 4166, 3950, 1235, 1295),
        },
    ),
    **_table(
        Action.FATAL,
        {
            "The server refused the user or the password. Check user, password and the host it may connect from.": (
                1045, 1698, 1862, 1820, 3118, 3955
            ),
            "The user may not use this database. Grant it, or check the setting database.": (1044,),
            "The database does not exist. Create it, or check the setting database.": (1049, 1046),
            "The user may not do this. Grant it SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP and INDEX.": (
                1142, 1143, 1227, 1370
            ),
            "The server does not allow this host. Grant the user access from it.": (1130, 1129),
            "The disk of the server, or the table, is full. Make room and run again; the batch was not written.": (
                1021, 1114, 1041, 1037, 1038, 1026, 3675
            ),
            "The server has an error in its storage. See the server's own log.": (1030, 1034, 1194, 1195, 1696),
            "A table or a column is gone that was there when the run started. Run again.": (1146, 1054, 1051),
            "Two columns would have names this server takes for one. Rename a property with stream_maps.": (1060,),
            "The server does not take this time_zone (MariaDB: from -12:59 to +13:00).": (1298,),
            "The server wants a primary key in every table (sql_require_primary_key), the stream has none.": (3750,),
            "TLS failed. Check ssl_ca, ssl_cert, ssl_key, and that the certificate names the host.": (TLS_FAILED, 3159),
            "The user's authentication plugin is not supported by PyMySQL.": (2059, 1251, 1524),
        },
    ),
}  # fmt: skip

#: Warnings that tell of no changed value: deprecations, notes about duplicates and about what was not there.
HARMLESS_WARNINGS = frozenset(
    {1050, 1051, 1091, 1287, 1681, 1831, 3719, 3778, 4095, 1060, 1061, 1008, 1007, 1618, 1642}
)
_COLUMN = re.compile(r"[Cc]olumn (?:`[^`]*`\.`[^`]*`\.)?[`']([^`']+)[`']")


def server_error(error: BaseException) -> tuple[int, str] | None:
    """Return code and text of an error of the server or the driver, however wrapped; None for any other exception."""
    if isinstance(error, sa.exc.DBAPIError) and error.orig is not None:
        error = error.orig
    if not isinstance(error, pymysql.err.MySQLError):
        return None
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    if isinstance(error, pymysql.err.InterfaceError) and code == 0:
        # PyMySQL says so when a statement is sent on a connection that it has closed after an error.
        return 2006, "The connection is closed"
    if code == 0 and isinstance(error, pymysql.err.InternalError):
        return 2013, "The connection is out of step"
    return code, text


def advice(code: int) -> Advice:
    """Return what to do about a server error; an unknown one is fatal rather than a reason to drop rows."""
    found = SERVER_ERRORS.get(code)
    return found or Advice(Action.FATAL, f"The server answered with error {code}; its manual tells what it means.")


def bad_row_reason(code: int, text: str, columns: Collection[str]) -> str:
    """Return what is wrong with a record, without its values.

    Args:
        code: the server's error or warning code.
        text: the server's message, of which only the column's name is taken.
        columns: the table's columns; a name that is not among them comes from the data.
    """
    names = [name for name in _COLUMN.findall(text) if name in columns]
    place = f"'{names[-1]}'" if names else "a value"
    return f"{place} {advice(code).message} (server error {code})"


def explain(error: BaseException) -> str:
    """Return the one line an operator needs for a server error, without the server's own text (it quotes values)."""
    found = server_error(error)
    if found is None:
        return f"{type(error).__name__} in the target; this is a fault of the program."
    code, _ = found
    return f"{advice(code).message} (server error {code})"


def tells_host(error: Any) -> str:  # noqa: ANN401 any exception
    """Return the reason of a failed connection in the operating system's words, which quote no data."""
    original = getattr(getattr(error, "orig", error), "original_exception", None)
    return f"{original}" if original is not None else ""
