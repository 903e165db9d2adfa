"""Where notices go besides the screen: a web address, with patience."""

from __future__ import annotations

import logging
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Protocol

from flam.core import ConfigError
from flam.live.notices import LiveNotice

MOST_WAITING = 1000
ATTEMPTS = 6
FIRST_WAIT_S = 1.0
TIMEOUT_S = 10.0

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """Something that notices are sent to; sending never blocks the one who listens."""

    def send(self, notice: LiveNotice) -> None: ...

    def close(self) -> None: ...


class Webhook:
    """POST each notice as JSON to an address, from a thread of its own; what fails is tried again, longer each time.

    Parameters
    ----------
    url : str
        http or https.
    attempts : int
        After so many, a notice is given up with a warning; answers of 400 to 499 are given up at once, but for 408 and
        429.
    sleep : callable
        Waits for seconds between attempts.

    Raises
    ------
    ConfigError
        If the address is of another kind.
    """

    def __init__(self, url: str, attempts: int = ATTEMPTS, sleep: Callable[[float], object] = time.sleep):
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"webhook {url!r} must begin with http:// or https://; correct it")
        self._url, self._attempts, self._sleep = url, attempts, sleep
        self._waiting: queue.Queue[LiveNotice | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="flam-webhook", daemon=True)
        self._thread.start()

    def send(self, notice: LiveNotice) -> None:
        """Queue a notice; when a thousand wait, the oldest is lost with a warning."""
        while True:
            try:
                self._waiting.put_nowait(notice)
                return
            except queue.Full:
                self._waiting.get_nowait()
                logger.warning("webhook %s: 1,000 notices wait; the oldest was dropped", self._url)

    def close(self, timeout_s: float = TIMEOUT_S) -> None:
        """Send what waits, for so many seconds at most."""
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (notice := self._waiting.get()) is not None:
            wait_s = FIRST_WAIT_S
            for attempt in range(1, self._attempts + 1):
                problem = self._post(notice)
                if problem is None:
                    break
                reason, is_final = problem
                if is_final or attempt == self._attempts:
                    logger.warning("webhook %s: %s; a notice was given up", self._url, reason)
                    break
                self._sleep(wait_s)
                wait_s *= 2

    def _post(self, notice: LiveNotice) -> tuple[str, bool] | None:
        """None, or what went wrong and whether trying again is useless."""
        body = notice.json_line().encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S):
                return None
        except urllib.error.HTTPError as error:
            return f"answered {error.code}", 400 <= error.code < 500 and error.code not in (408, 429)
        except (OSError, ValueError) as error:
            return str(error), False
