"""The contract as an AsyncAPI 3.0 document: one WebSocket, commands one way, messages the other.

Its schemas are those of `offhook.cti.schema`. They use only keywords that mean the same in JSON Schema draft-07, which
is what AsyncAPI takes a schema for that does not say.
"""

from __future__ import annotations

from offhook.cti.schema import Json, commands, messages

AT = "#/components/schemas/"
CHANNEL = "#/channels/cti"


def asyncapi(version: str) -> Json:
    """The document; `version` is that of this program."""
    sent, told = commands(AT), messages(AT)
    both = {"Command": sent, "Message": told}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Offhook CTI",
            "version": version,
            "description": "A call-centre phone over a WebSocket: JSON commands in, JSON events out. "
            "One JSON object a text frame.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "gateway": {
                "host": "127.0.0.1:8088",
                "protocol": "ws",
                "description": "As `offhook serve` listens without flags; `wss` where it has a certificate.",
            }
        },
        "channels": {
            "cti": {
                "address": "/cti",
                "description": "One connection of a desk. It belongs to the agent that it logs in or resumes.",
                "servers": [{"$ref": "#/servers/gateway"}],
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"}
                    for document in both.values()
                    for name in _names(document)
                },
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {
            "command": {
                "action": "receive",
                "channel": {"$ref": CHANNEL},
                "summary": "The gateway takes a command. One with an `id` is answered by exactly one commandResult.",
                "messages": [{"$ref": f"{CHANNEL}/messages/{name}"} for name in _names(sent)],
                "reply": {
                    "channel": {"$ref": CHANNEL},
                    "messages": [{"$ref": f"{CHANNEL}/messages/CommandResult"}],
                },
            },
            "message": {
                "action": "send",
                "channel": {"$ref": CHANNEL},
                "summary": "The gateway tells the desks of an agent what happens; some messages one desk alone.",
                "messages": [{"$ref": f"{CHANNEL}/messages/{name}"} for name in _names(told)],
            },
        },
        "components": {
            "messages": {name: _message(name, document) for document in both.values() for name in _names(document)},
            "schemas": {name: shape for document in both.values() for name, shape in document["$defs"].items()},
        },
    }


def _names(document: Json) -> list[str]:
    return [str(ref["$ref"].removeprefix(AT)) for ref in document["oneOf"]]


def _message(name: str, document: Json) -> Json:
    shape = document["$defs"][name]
    summary = {"summary": shape["description"]} if "description" in shape else {}
    return {"name": shape["title"], "title": shape["title"], **summary, "payload": {"$ref": AT + name}}
