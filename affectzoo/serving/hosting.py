"""Where a service listens: an address of this machine, by default one that no other machine reaches."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from affectzoo.errors import OptionError

LOCAL = "127.0.0.1"
"""The address of this machine that it alone reaches."""


def listen(host: str, port: int) -> socket.socket:
    """Take a port, so that nothing is loaded in vain.

    Args:
        host: A name or an address of this machine.
        port: 0 for any that is free.

    Returns:
        The open socket, to be served on or closed.

    Raises:
        OptionError: There is no such address here, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OptionError(f"--host {host}: {error.strerror or error}") from None
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(128)
    except OSError as error:
        opened.close()
        raise OptionError(
            f"cannot listen at {host}, port {port}: {error.strerror or error}; "
            "another --port may be free, and --port 0 takes any that is"
        ) from None
    return opened


def is_local(host: str) -> bool:
    """Whether nothing but this machine reaches an address or name."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ip_address(address.partition("%")[0]).is_loopback for address in found)


def warning(host: str) -> str | None:
    """Say loudly what it means that others reach an address; ``None`` where none do."""
    if is_local(host):
        return None
    return (
        f"WARNING: listening at {host}: other machines may reach it. There is no password and no encryption; "
        f"whoever connects can send images and see predictions. For this machine alone: --host {LOCAL}"
    )


def url(opened: socket.socket, host: str) -> str:
    """Return where a browser on this machine finds what listens."""
    address, port = opened.getsockname()[:2]
    shown = host if not ip_address(address).is_unspecified else LOCAL
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
