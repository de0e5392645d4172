"""Errors as responses: the status, a line that shows none of the server's paths, and whether to try again."""

from __future__ import annotations

import errno

from pellucid import saving
from pellucid.errors import PellucidError
from pellucid.web.pool import Busy, Failed
from pellucid.web.uploads import Refused

STATUSES = {
    "SizeError": 413,
    "MemoryShort": 413,
    "MissingExtra": 415,
    "storage": 503,
    "DiskFull": 503,
    "cancelled": 503,
    "killed": 503,
    "EngineError": 500,
    "ModelError": 500,
    "unexpected": 500,
}
"""Kind of a failed job -> status of the response; 422 for all others: the picture or a setting is to blame."""

AGAIN = {"Retry-After": "5"}
"""The header of a response to what may work in a moment."""

FAILED = "the service failed; its log says why"


def refused_by(error: PellucidError) -> Refused:
    """The response to this error: the picture's or a setting's, of a full queue, or of a worker."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, Busy):
        return Refused(429, str(error), {"Retry-After": str(error.retry)})
    if isinstance(error, Failed):
        status = STATUSES.get(error.kind, 422)
        return Refused(status, FAILED if error.kind == "unexpected" else str(error), AGAIN if status == 503 else None)
    return Refused(422, str(error))


def shortage(error: OSError | MemoryError) -> Refused:
    """The refusal of a request for which this machine has not what it needs; its path is not shown."""
    number = error.errno if isinstance(error, OSError) else errno.ENOMEM
    if number == errno.ENOMEM:
        reason = "this machine has no memory left for the request"
    elif number in (errno.EMFILE, errno.ENFILE):
        reason = "too many files are open on this machine"
    elif isinstance(error, OSError) and saving.is_full(error):
        reason = "the disk has no room for the picture"
    else:
        reason = f"the folder of the uploads cannot be used ({getattr(error, 'strerror', None) or type(error).__name__})"
    return Refused(503, reason, AGAIN)
