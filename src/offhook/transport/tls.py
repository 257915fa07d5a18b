"""TLS of clients: what they demand of a server's certificate, and what they say where it is refused."""

from __future__ import annotations

import ssl

from offhook.errors import ConfigError

NAME_MISMATCH = (62, 64)
"""OpenSSL: the certificate is for another host name or address."""


def client_tls(insecure_tls: bool, ca_file: str | None) -> ssl.SSLContext:
    """The TLS context of all flows. Raises ConfigError where `ca_file` cannot be read."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        problem = f"{ca_file} cannot be read ({error})"
        raise ConfigError("ca_file", problem, "Give a PEM file of certificates") from error
    if insecure_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def refusal(where: str, code: int, detail: str) -> str:
    """Why the certificate of a server was refused, by OpenSSL's code and words, and the remedy."""
    remedy = "Give the certificate of its authority with --ca-file FILE"
    if code in NAME_MISMATCH:
        remedy = "Connect by the name that the certificate is for"
    return f"the certificate of {where} is refused: {detail}. {remedy}, or accept any with --insecure-tls"
