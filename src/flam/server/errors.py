"""Refusals of the server, each with its HTTP status."""

from __future__ import annotations

from flam.core import FlamError


class Refused(FlamError):
    """A request that is not carried out."""

    status = 400


class Forbidden(Refused):
    """The client may not have this."""

    status = 403


class NotFound(Refused):
    """There is no such thing here."""

    status = 404


class NotReady(Refused):
    """The analysis has not come so far, or was cancelled."""

    status = 409


class TooLarge(Refused):
    """More bytes or seconds than the server takes."""

    status = 413


class TooBusy(Refused):
    """Too much at once: the client may try again later."""

    status = 503
