"""The log of a process as text for people, or as one JSON object on each line for programs."""

from __future__ import annotations

import datetime
import json
import logging

TEXT = "%(asctime)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """Writes time (UTC, ISO 8601), level, logger and message, and the traceback of an error.

    Nothing else of a record is written, so what calls carry along never gets into the log.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        said = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said)


def formatter(kind: str) -> logging.Formatter:
    """Return the formatter of a `kind`, "text" or "json"."""
    return JsonFormatter() if kind == "json" else logging.Formatter(TEXT)
