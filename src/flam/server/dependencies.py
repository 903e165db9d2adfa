"""What every route is given."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from flam.server.service import Service


def get_service(connection: HTTPConnection) -> Service:
    """The service of the application that received the request."""
    return connection.app.state.service


ServiceDep = Annotated[Service, Depends(get_service)]
