"""A webhook that fails at first, one that refuses, and a broker that goes away, all on this machine."""

import http.server
import json
import socketserver
import threading
import time

import numpy as np
import pytest

from flam.audio.live import MicrophoneInput
from flam.core import AudioError, ConfigError
from flam.live.mqtt import Mqtt
from flam.live.notices import LiveNotice
from flam.live.sinks import Webhook


def notice(kind="onset", prompt="dog barking", **values):
    return LiveNotice(kind, "mic", "2026-05-01T06:00:00.000+02:00", prompt=prompt, **values)


@pytest.fixture
def server():
    """A web server on this machine that answers with the codes of a list, then 200."""
    codes, bodies = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(codes.pop(0) if codes else 200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.codes, server.bodies = codes, bodies
    server.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield server
    server.shutdown()
    server.server_close()


def test_webhook_tries_again_until_it_is_heard(server):
    server.codes[:] = [500, 503]
    waits = []
    hook = Webhook(server.url, sleep=waits.append)
    hook.send(notice(id="1"))
    hook.send(notice(id="2"))
    hook.close()
    assert [body["id"] for body in server.bodies] == ["1", "1", "1", "2"]
    assert waits == [1.0, 2.0]


def test_webhook_gives_up_what_is_refused_and_goes_on(server, caplog):
    server.codes[:] = [404]
    hook = Webhook(server.url, sleep=lambda seconds: None)
    hook.send(notice(id="1"))
    hook.send(notice(id="2"))
    hook.close()
    assert [body["id"] for body in server.bodies] == ["1", "2"]
    assert "answered 404; a notice was given up" in caplog.text


def test_webhook_without_anybody_there_gives_up_with_a_warning(caplog):
    hook = Webhook("http://127.0.0.1:1/hook", attempts=3, sleep=lambda seconds: None)
    hook.send(notice())
    hook.close()
    assert "given up" in caplog.text


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "hook"])
def test_webhook_of_another_kind_is_refused(url):
    with pytest.raises(ConfigError, match="http"):
        Webhook(url)


class FakeBroker:
    """A paho client that keeps what is published."""

    def __init__(self):
        self.published, self.calls = [], []

    def publish(self, topic, payload, retain=False):
        self.published.append((topic, payload, retain))

    def connect(self, host, port):
        self.calls.append((host, port))
        self.on_connect(self, None)

    def __getattr__(self, name):
        return lambda *arguments, **options: self.calls.append((name, *arguments))


def test_mqtt_announces_sensors_and_turns_them_on_and_off():
    broker = FakeBroker()
    sink = Mqtt("user:secret@broker:1884", ["dog barking"], "garden", client=broker)
    assert ("username_pw_set", "user", "secret") in broker.calls
    assert ("broker", 1884) in broker.calls
    [(topic, payload, retain)] = [item for item in broker.published if item[0].startswith("homeassistant/")]
    assert topic == "homeassistant/binary_sensor/flam_garden/dog_barking/config"
    assert retain
    sensor = json.loads(payload)
    for kind in ("onset", "onset", "offset", "offset"):
        sink.send(notice(kind))
    states = [payload for topic, payload, _ in broker.published if topic == sensor["state_topic"]]
    assert states == ["OFF", "ON", "ON", "ON", "OFF"]
    assert sum(topic == "flam/garden/events" for topic, _, _ in broker.published) == 4
    sink.close()
    assert broker.published[-1] == (sensor["availability_topic"], "OFF", True)


def test_mqtt_address_of_another_form_is_refused():
    with pytest.raises(ConfigError, match="host:port"):
        Mqtt("mqtt://a:b:c", [], client=FakeBroker())


def test_mqtt_speaks_to_a_broker_on_this_machine():
    pytest.importorskip("paho.mqtt")
    received = bytearray()

    class Broker(socketserver.BaseRequestHandler):
        def handle(self):
            received.extend(self.request.recv(4096))
            self.request.sendall(b"\x20\x02\x00\x00")  # CONNACK: accepted
            while data := self.request.recv(4096):
                received.extend(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Broker) as broker:
        threading.Thread(target=broker.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        sink = Mqtt(f"127.0.0.1:{broker.server_address[1]}", ["dog barking"], "garden")
        sink.send(notice())
        deadline = time.monotonic() + 60
        while not (b'"kind": "onset"' in received and b"binary_sensor" in received) and time.monotonic() < deadline:
            time.sleep(0.01)
        sink.close()
        broker.shutdown()
    assert b"homeassistant/binary_sensor/flam_garden/dog_barking/config" in received
    assert b"flam/garden/events" in received


def test_mqtt_without_a_broker_is_refused():
    pytest.importorskip("paho.mqtt")
    with pytest.raises(ConfigError, match="can't be reached"):
        Mqtt("127.0.0.1:1", [])


class FakeSound:
    """A sounddevice module with two inputs, whose stream calls back three times."""

    PortAudioError = RuntimeError
    devices = (
        {"name": "HDMI", "index": 0, "max_input_channels": 0, "default_samplerate": 48_000.0},
        {"name": "USB Mic", "index": 1, "max_input_channels": 2, "default_samplerate": 16_000.0},
        {"name": "USB Line", "index": 2, "max_input_channels": 1, "default_samplerate": 44_100.0},
    )

    def query_devices(self, kind=None):
        return self.devices[1] if kind else list(self.devices)

    def InputStream(self, callback, channels, **options):
        self.options = options

        class Stream:
            def __enter__(self):
                for value in (0.1, 0.2, 0.3):
                    callback(np.full((4, channels), value, np.float32), 4, None, None)

            def __exit__(self, *exception):
                pass

        return Stream()


def test_microphone_is_found_by_a_part_of_its_name(monkeypatch):
    sound = FakeSound()
    monkeypatch.setitem(__import__("sys").modules, "sounddevice", sound)
    monkeypatch.setattr("flam.audio.live.require_extra", lambda *arguments: None)
    monkeypatch.setattr("flam.audio.live.TIMEOUT_S", 0.01)
    opened = MicrophoneInput("usb mic").open()
    assert (opened.sample_rate, sound.options["device"]) == (16_000, 1)
    assert [round(float(next(opened.blocks)[0]), 1) for _ in range(3)] == [0.1, 0.2, 0.3]
    with pytest.raises(AudioError, match="gives no more sound"):
        next(opened.blocks)
    with pytest.raises(AudioError, match="several inputs are called 'USB'; name one of: 'USB Mic', 'USB Line'"):
        MicrophoneInput("USB").open()
    with pytest.raises(AudioError, match="no input is called 'HDMI'"):
        MicrophoneInput("HDMI").open()
