"""The command that serves the page and HTTP: serve."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pellucid import __version__
from pellucid.cli.arguments import Commands, add, add_engine, count, number, requiring

__all__ = ["add_serve"]


def add_serve(commands: Commands) -> None:
    """Adds `serve`."""
    command = add(commands, "serve", _serve, "serve the web page and the HTTP interface on this computer")
    command.set_defaults(endless=True)
    command.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on; any but this computer's own needs --token (default: 127.0.0.1)",
    )
    command.add_argument("--port", type=_port, default=7860, help="the port to listen on; 0 takes any free one (default: 7860)")
    command.add_argument("--token", help="the secret that clients must send (default: the environment's PELLUCID_TOKEN, or none)")
    command.add_argument("--no-browser", dest="open", action="store_false", help="do not open the page")
    command.add_argument(
        "--model", action="append", type=Path, default=[], metavar="FILE.onnx", help="another model to offer; may be repeated"
    )
    command.add_argument(
        "--workers",
        type=count,
        help="the number of pictures restored at the same time (default: by the processor; see docs/web.md)",
    )
    command.add_argument("--queue", type=number(0, 100_000), default=64, help="the number of requests that may wait (default: 64)")
    command.add_argument(
        "--max-megabytes", type=number(0.001, 1e5), default=100, help="the largest upload, in 10^6 bytes (default: 100)"
    )
    command.add_argument(
        "--max-megapixels", type=number(0.001, 1000), default=64, help="the largest picture, in 10^6 pixels (default: 64)"
    )
    command.add_argument(
        "--timeout", type=number(1, 1e6), default=120, help="the time limit for one picture, in seconds (default: 120)"
    )
    command.add_argument("--memory", metavar="SIZE", help="the most memory that the workers may use together, such as 4GiB")
    add_engine(command)


def _port(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 65535")
    return value


def _serve(options: argparse.Namespace) -> int:
    from pellucid import memory

    with requiring("web"):
        from pellucid.web import limits, server

    configuration = server.Configuration(
        host=options.host,
        port=options.port,
        token=options.token or os.environ.get("PELLUCID_TOKEN") or None,
        models=tuple(options.model),
        device=options.device,
        engine=options.engine,
        memory=memory.parse_size(options.memory) if options.memory is not None else None,
        limits=limits.Limits(
            bytes=round(options.max_megabytes * 1e6),
            pixels=round(options.max_megapixels * 1e6),
            seconds=options.timeout,
            queue=int(options.queue),
            workers=options.workers or limits.workers(),
        ),
    )

    def announce(address: str) -> None:
        print(f"pellucid {__version__} at {address} (Ctrl-C ends it)", flush=True)
        if options.open and sys.stdout.isatty() and _has_screen():
            import webbrowser

            # Behind the sign: it is never sent, not even to this server.
            webbrowser.open(address + (f"#token={configuration.token}" if configuration.token else ""))

    server.serve(configuration, announce)
    return 0


def _has_screen() -> bool:
    """Whether a browser can open a window; without one, a text browser would take the terminal."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
