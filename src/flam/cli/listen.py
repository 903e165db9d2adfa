"""``flam listen``: find sounds while they happen."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from flam.cli.detect_options import Events, Find, Running

if TYPE_CHECKING:
    from collections.abc import Callable

    from flam.audio.downmix import Channel
    from flam.audio.live import LiveInput
    from flam.live import LiveConfig
    from flam.live.sinks import Sink

FLAT = Parameter(name="*")
SOUND = Group("The sound", sort_key=5)
OUT = Group("Where events go", sort_key=6)


def _option(group: Group, metavar: str | None, help: str, *names: str) -> Parameter:
    return Parameter(name=names or None, help=help, metavar=metavar, group=group, negative=(), show_default=False)


@dataclass(frozen=True)
class Sound:
    """How the sound comes in."""

    rate: Annotated[int, _option(SOUND, "HZ", "Sample rate of standard input; 48000.")] = 48_000
    channels: Annotated[int, _option(SOUND, "N", "Channels of standard input; 1.")] = 1
    pcm: Annotated[Literal["s16le", "f32le"], _option(SOUND, None, "Samples of standard input; s16le.")] = "s16le"
    latency: Annotated[float | None, _option(SOUND, "SECONDS", "Longest wait for a score, seconds; 2.")] = None
    gate: Annotated[float | None, _option(SOUND, "DB", "Rest while it is quieter than this, such as -60.")] = None
    schedule: Annotated[str | None, _option(SOUND, "HOURS", "When to listen, such as 06:00-22:00; always.")] = None


@dataclass(frozen=True)
class Out:
    """Where events go."""

    webhook: Annotated[str | None, _option(OUT, "URL", "POST each event as JSON to this address.")] = None
    mqtt: Annotated[str | None, _option(OUT, "HOST", "Publish to this broker, with sensors for Home Assistant.")] = None
    node: Annotated[str, _option(OUT, "NAME", "Name of this listener at the broker; listener.")] = "listener"
    clips: Annotated[Path | None, _option(OUT, "FOLDER", "Write a clip of each event into this folder.")] = None
    pre: Annotated[float, _option(OUT, "SECONDS", "Sound before an event in its clip, seconds; 2.")] = 2.0
    post: Annotated[float, _option(OUT, "SECONDS", "Sound after it, seconds; 2.")] = 2.0
    clips_cap: Annotated[float, _option(OUT, "MB", "Remove the oldest clips beyond this size; 1000.")] = 1000.0
    clips_a_day: Annotated[float | None, _option(OUT, "MB", "Write no more clips of a day beyond this size.")] = None
    quiet: Annotated[bool, _option(OUT, None, "Only errors and notes on stderr.", "--quiet", "-q")] = False


def listen(
    source: Annotated[
        str,
        Parameter(help="Part of a microphone's name, - for standard input, a URL, a file.", allow_leading_hyphen=True),
    ] = "",
    /,
    *,
    find: Annotated[Find, FLAT] = Find(),  # noqa: B008 - frozen
    events: Annotated[Events, FLAT] = Events(),  # noqa: B008
    sound: Annotated[Sound, FLAT] = Sound(),
    out: Annotated[Out, FLAT] = Out(),
    running: Annotated[Running, FLAT] = Running(),  # noqa: B008
) -> int:
    """Find sounds while they happen: a line of JSON when one begins and when it ends."""
    from flam.audio.downmix import parse_channel
    from flam.cli.detect import choose_settings, load_detector
    from flam.core import AudioError
    from flam.core.progress import Reporter
    from flam.live import LiveMonitor

    reporter = Reporter(out.quiet)
    settings = choose_settings((source or "microphone",), find, events, running)
    channel, track = parse_channel(settings.channel), settings.track
    live_input = choose_input(source, sound, channel, track, lambda note: reporter.say(f"note: {note}"))
    config = _config(sound, out)
    settings, detector = load_detector(settings, reporter)
    prompts = settings.prompt_list

    def begin(sample_rate: int) -> Any:
        return detector.session(prompts, settings.suppress, sample_rate, sound.latency)

    sinks = _sinks(out, prompts.names)
    monitor = LiveMonitor(live_input, begin, config, stop := threading.Event())
    latency_s = begin(48_000).latency_s
    if not out.quiet:
        reporter.say(f"{live_input.name}: listening, scores follow within {latency_s:.1f} s; Ctrl-C ends")
    try:
        stop_on_signals(stop)
        for notice in monitor.run():
            sys.stdout.write(notice.json_line())
            sys.stdout.flush()
            for sink in sinks:
                sink.send(notice)
    except AudioError as error:
        reporter.error(str(error))
        return 1
    finally:
        for sink in sinks:
            sink.close()
    return 0


def stop_on_signals(stop: threading.Event) -> None:
    """End the loop at the first Ctrl-C or termination, after reporting events in progress; the next one interrupts."""

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handle)
        signal.signal(signal.SIGTERM, handle)


def choose_input(
    source: str, sound: Sound, channel: Channel, track: int | None, on_note: Callable[[str], None]
) -> LiveInput:
    """Standard input, an address, a file, or else a microphone by a part of its name.

    Raises
    ------
    ConfigError, MissingExtraError
        If the source can't be used with what is installed.
    """
    from flam.audio.live import MicrophoneInput, NetworkInput, PcmInput
    from flam.core import ConfigError

    if "://" in source or Path(source).is_file():
        return NetworkInput(source, channel, on_note, track)
    if track is not None:
        raise ConfigError(f"--track {track}: only addresses and files have tracks; choose a channel with --channel")
    if source == "-":
        rate, channels = sound.rate, sound.channels
        return PcmInput(sys.stdin.buffer, rate, channels, sound.pcm, channel=channel, on_note=on_note)
    return MicrophoneInput(source, channel, on_note)


def _config(sound: Sound, out: Out) -> LiveConfig:
    from flam.live import LiveConfig
    from flam.live.clips import ClipConfig
    from flam.live.schedule import Schedule

    return LiveConfig(
        gate_db=sound.gate,
        schedule=None if sound.schedule is None else Schedule.parse(sound.schedule),
        clips=None if out.clips is None else ClipConfig(out.clips, out.pre, out.post, out.clips_cap, out.clips_a_day),
    )


def _sinks(out: Out, prompts: tuple[str, ...]) -> list[Sink]:
    from flam.live.mqtt import Mqtt
    from flam.live.sinks import Webhook

    sinks: list[Sink] = []
    if out.webhook is not None:
        sinks.append(Webhook(out.webhook))
    if out.mqtt is not None:
        sinks.append(Mqtt(out.mqtt, prompts, out.node))
    return sinks
