"""Whether a port can be had; as a program, with nothing installed, before a first build."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path


def why_not(host: str, port: int) -> str:
    """Why nobody can listen there now, and what to do; empty if somebody can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return (
                f"Port {port} on {host} cannot be had ({error.strerror}): "
                "set TRADEPLATFORM_HTTP_PORT and TRADEPLATFORM_WS_PORT to free ones."
            )
    return ""


def main() -> int:
    """Look at the ports of the environment; a configuration file is for `manage.py up` to read."""
    if "TRADEPLATFORM_CONFIG" in os.environ or Path("config.yaml").exists():
        return 0
    host = os.environ.get("TRADEPLATFORM_BIND_HOST", "127.0.0.1")
    for name, usual in (("TRADEPLATFORM_HTTP_PORT", "8000"), ("TRADEPLATFORM_WS_PORT", "8001")):
        port = os.environ.get(name, usual)
        if port.isdigit() and (message := why_not(host, int(port))):
            sys.stderr.write(message + "\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
