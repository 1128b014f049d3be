"""The files of a BATCH message: records, one a line, that come beside the stream of messages."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Any

from singer_sdk.helpers._batch import StorageTarget

from target_mysql_replace.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def file_records(stream: str, message: Mapping[str, Any], storage: StorageTarget | None) -> Iterator[bytes]:
    """Yield the records of a BATCH message's files as they are, JSON in UTF-8.

    Args:
        stream: the stream's name, for messages.
        message: the BATCH message.
        storage: where the files are, if the settings say so; the message's own addresses otherwise.

    Raises:
        OperatorError: a file cannot be read, or is of another kind than JSON lines, plain or gzip.
    """
    encoding, manifest = message.get("encoding"), message.get("manifest")
    if not isinstance(encoding, dict) or not isinstance(manifest, list):
        raise OperatorError(f"A BATCH message of stream '{stream}' has no encoding or no manifest.")
    if encoding.get("format") != "jsonl" or encoding.get("compression") not in {None, "none", "gzip"}:
        raise OperatorError(
            f"The files of stream '{stream}' are {encoding.get('format')} with compression "
            f"{encoding.get('compression')}. Let the tap write jsonl, with gzip or none."
        )
    for number, path in enumerate(manifest, 1):
        try:
            head, tail = StorageTarget.split_url(path)
            with (storage or StorageTarget.from_url(head)).open(tail, mode="rb") as file:
                lines = gzip.GzipFile(fileobj=file) if encoding.get("compression") == "gzip" else file
                for line in lines:
                    if line.strip():
                        yield line
        except (OSError, EOFError, zlib.error, ValueError, ImportError) as error:
            raise OperatorError(
                f"File {number} of a BATCH message of stream '{stream}' cannot be read: {type(error).__name__}. The "
                "target has to see the files the tap wrote."
            ) from None
