"""Notices by MQTT, with a sensor in Home Assistant for each prompt."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from typing import Any

from flam.core import ConfigError
from flam.core.errors import require_extra
from flam.live.notices import LiveNotice

PORT = 1883
TOPIC = "flam"
DISCOVERY = "homeassistant"

logger = logging.getLogger(__name__)


class Mqtt:
    """Publish notices to a broker.

    ``flam/NODE/events`` gets every notice as JSON, ``flam/NODE/PROMPT`` is ON from onset to offset, and
    ``flam/NODE/online`` says whether the program runs. Home Assistant finds a binary sensor for each prompt by its
    discovery topics.

    Parameters
    ----------
    address : str
        ``host``, ``host:port`` or ``user:password@host:port``.
    prompts : sequence of str
        What is listened for.
    node : str
        Name of this listener among others at the broker.
    client : object, optional
        In place of a paho-mqtt client.

    Raises
    ------
    ConfigError
        If the address can't be read, or the broker does not answer.
    """

    def __init__(self, address: str, prompts: Sequence[str], node: str = "listener", client: Any = None):
        match = re.fullmatch(r"(?:([^:@]+):([^@]*)@)?([^:@/]+)(?::(\d+))?", address)
        if match is None:
            raise ConfigError(f"mqtt {address!r} is not of the form host, host:port or user:password@host:port")
        user, password, host, port = match.groups()
        self._node, self._open = slug(node), dict.fromkeys(prompts, 0)
        if client is None:
            require_extra("paho", "live", "to publish by MQTT")
            import paho.mqtt.client as paho

            client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client = client
        if user is not None:
            client.username_pw_set(user, password)
        client.will_set(self._topic("online"), "OFF", retain=True)
        client.on_connect = self._announce  # also after a connection that was lost
        try:
            client.connect(host, int(port or PORT))
        except OSError as error:
            raise ConfigError(f"mqtt {host}: can't be reached ({error}); check address and broker") from error
        client.loop_start()

    def send(self, notice: LiveNotice) -> None:
        """Publish a notice; while the broker is away, paho keeps some and tries again."""
        self._client.publish(self._topic("events"), notice.json_line().strip())
        if notice.prompt in self._open and notice.kind in ("onset", "offset"):
            self._open[notice.prompt] += 1 if notice.kind == "onset" else -1
            state = "ON" if self._open[notice.prompt] > 0 else "OFF"
            self._client.publish(self._topic(slug(notice.prompt)), state, retain=True)

    def close(self) -> None:
        """Say good-bye."""
        self._client.publish(self._topic("online"), "OFF", retain=True)
        self._client.disconnect()
        self._client.loop_stop()

    def _announce(self, client: Any, *details: Any) -> None:
        client.publish(self._topic("online"), "ON", retain=True)
        for prompt, n_open in self._open.items():
            topic = f"{DISCOVERY}/binary_sensor/flam_{self._node}/{slug(prompt)}/config"
            client.publish(topic, json.dumps(self._sensor(prompt)), retain=True)
            client.publish(self._topic(slug(prompt)), "ON" if n_open > 0 else "OFF", retain=True)

    def _sensor(self, prompt: str) -> dict[str, Any]:
        return {
            "name": prompt,
            "unique_id": f"flam_{self._node}_{slug(prompt)}",
            "state_topic": self._topic(slug(prompt)),
            "availability_topic": self._topic("online"),
            "payload_available": "ON",
            "payload_not_available": "OFF",
            "device_class": "sound",
            "device": {"identifiers": [f"flam_{self._node}"], "name": f"FLAM {self._node}", "model": "FLAM"},
        }

    def _topic(self, name: str) -> str:
        return f"{TOPIC}/{self._node}/{name}"


def slug(text: str) -> str:
    """A text as a part of a topic.

    Examples
    --------
    >>> slug("Dog barking/+#"), slug("\\u96e8")
    ('dog_barking', 'u96e8')
    """
    plain = "".join(character if character.isascii() else f"u{ord(character):x}" for character in text.lower())
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "prompt"
