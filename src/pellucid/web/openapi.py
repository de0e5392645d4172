"""The service's description (OpenAPI 3.1), made from the same tables as the service: tasks, settings, formats, models, limits."""

from __future__ import annotations

from typing import Any

from pellucid import __version__, files
from pellucid.diagnosis import KINDS
from pellucid.options import Option, of_task
from pellucid.tasks import TASKS
from pellucid.web.limits import Limits
from pellucid.web.uploads import BINARY, FIELD, media_types

__all__ = ["TICKET", "document"]

TICKET = "^[A-Za-z0-9_-]{8,64}$"
"""What a client may call a request whose progress it wants to see."""

ERRORS = {
    400: "The request or its form cannot be read.",
    401: "A token is needed.",
    403: "The request comes from another site's page.",
    406: "None of the media types in Accept can be answered.",
    408: "The picture did not come in time.",
    409: "A request of this name is at work.",
    413: "The picture or its answer has too many bytes or pixels.",
    415: "No known picture, or not the one that its Content-Type says.",
    421: "The service does not answer to this host's name.",
    422: "A setting is wrong, or the picture is damaged or takes too long.",
    429: "All places in the queue are taken.",
    503: "The service is starting or ending.",
}

STRING: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}
INTEGER: dict[str, Any] = {"type": "integer"}
LEVEL: dict[str, Any] = {
    "type": ["number", "null"],
    "description": "standard deviation in 8-bit levels; null: the model takes none",
}

DESCRIPTION: dict[str, Any] = {
    "format": STRING,
    "media_type": STRING,
    "width": INTEGER,
    "height": INTEGER,
    "channels": INTEGER,
    "depth": {**STRING, "description": "the dtype of the file's samples"},
    "alpha": {"type": "boolean"},
    "pages": INTEGER,
    "diagnosis": {
        "type": "object",
        "properties": {
            "kind": {**STRING, "enum": list(KINDS)},
            "summary": {**STRING, "description": "what was found, in a line for people"},
            "sigma": {**NUMBER, "description": "standard deviation of all noise but impulses at middle intensity, in 8-bit levels"},
        },
        "required": ["kind", "summary", "sigma"],
    },
}


def _settings(models: tuple[str, ...]) -> list[dict[str, Any]]:
    """Every task's settings, a parameter for each name; what is not of all tasks says so, and where defaults differ by task."""
    of_name: dict[str, dict[str, Option]] = {}
    for task in TASKS:
        for option in of_task(task):
            of_name.setdefault(option.name, {})[task] = option
    found = []
    for name, by_task in of_name.items():
        schema = _schema(next(iter(by_task.values())), models)
        if len({option.default for option in by_task.values()}) > 1:
            del schema["default"]
            defaults = ", ".join(f"{option.default} for {task}" for task, option in by_task.items())
            schema["description"] += f" (default: {defaults})"
        if len(by_task) < len(TASKS):
            schema["description"] = f"of {' and '.join(by_task)}: {schema['description']}"
        found.append(_parameter(name, schema))
    return found


def _schema(option: Option, models: tuple[str, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": option.help}
    if option.name == "model":
        schema |= {"type": "string", "enum": list(models), "description": "a model's name"}
    elif option.name == "format":
        names = [name for kind in files.WRITTEN for name in (kind.name.lower(), *(e[1:] for e in kind.endings))]
        schema |= {"type": "string", "enum": list(dict.fromkeys(names))}
    elif option.kind == "number":
        schema |= {"type": "number", "minimum": option.low, "maximum": option.high}
        if option.marks:
            schema["examples"] = list(option.marks)
    elif option.kind == "flag":
        schema |= {"type": "boolean"}
    elif option.kind == "choice":
        schema |= {"type": "string", "enum": list(option.choices)}
    else:
        schema |= {"type": "string"}
    if option.default is not None:
        schema["default"] = option.default
    return schema


def _parameter(name: str, schema: dict[str, Any], *, place: str = "query", required: bool = False) -> dict[str, Any]:
    about = schema.pop("description", "")
    return {"name": name, "in": place, "required": required, "description": about, "schema": schema}


def _errors(*statuses: int) -> dict[str, Any]:
    found = {}
    for status in statuses:
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        found[str(status)] = {"description": ERRORS[status], "content": content}
        if status == 429:
            found["429"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return found


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def document(limits: Limits, models: tuple[str, ...], *, token: bool) -> dict[str, Any]:
    """The description, as JSON holds it."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    readable = list(media_types())
    writable = [kind.media[0] for kind in files.WRITTEN]
    body = {
        "required": True,
        "description": "The picture itself, or a form with it as its one field. "
        f"At most {limits.bytes} bytes, and {limits.pixels} pixels, as it is and as it is answered.",
        "content": {
            **dict.fromkeys((BINARY, *readable), binary),
            "multipart/form-data": {
                "schema": _object({FIELD: {"type": "string", "format": "binary"}}, [FIELD]) | {"additionalProperties": False}
            },
        },
    }
    task = _parameter("task", {"type": "string", "enum": list(TASKS), "default": next(iter(TASKS)), "description": "what is done"})
    preview = _parameter(
        "preview",
        {"type": "boolean", "default": False, "description": "answer a form: details, and PNGs that any browser shows"},
    )
    ticket = _parameter(
        "ticket",
        {"type": "string", "pattern": TICKET, "description": "a name of the client's for this request; see /v1/progress"},
    )
    settings = _settings(models)
    reading = [parameter for parameter in settings if parameter["name"] in ("range", "axes")]
    refused = (400, 401, 403, 406, 408, 409, 413, 415, 421, 422, 429, 503)
    restored = {
        **DESCRIPTION,
        "model": STRING,
        "sigma": LEVEL,
        "estimated": {"type": "boolean"},
        "saw": {"type": ["string", "null"], "description": "what was found, where the level was not given"},
        "expected_gain": {"type": ["number", "null"], "description": "in dB, where it was asked for and can be told"},
        "seconds": NUMBER,
        "image": {"type": "string", "contentEncoding": "base64"},
    }
    option = _object({"name": STRING, "kind": STRING, "label": STRING, "help": STRING}, ["name", "kind", "label", "help"])
    catalogue = {
        "version": STRING,
        "tasks": {
            "type": "array",
            "items": _object(
                {
                    "name": STRING,
                    "summary": STRING,
                    "keeps_size": {"type": "boolean", "description": "whether the answer is as large as the picture"},
                    "mark": {**STRING, "description": "what names of answers bear before their ending"},
                    "options": {"type": "array", "items": option},
                },
                ["name", "options"],
            ),
        },
        "models": {
            "type": "array",
            "items": _object(
                {
                    "name": STRING,
                    "task": STRING,
                    "takes_sigma": {"type": "boolean", "description": "whether it can be told the noise's level"},
                    "takes_noise": {"type": "boolean", "description": "whether it learnt from noisy pictures"},
                },
                ["name"],
            ),
        },
        "formats": {"type": "array", "items": _object({"name": STRING, "endings": {"type": "array", "items": STRING}}, ["name"])},
        "limits": _object({"bytes": INTEGER, "pixels": INTEGER, "seconds": NUMBER}, ["bytes", "pixels", "seconds"]),
    }
    progress = {
        "state": {**STRING, "enum": ["receiving", "waiting", "working", "sending", "unknown"]},
        "ahead": INTEGER,
        "done": NUMBER,
    }

    def answers(media: str, schema: dict[str, Any], about: str, **more: Any) -> dict[str, Any]:
        return {"200": {"description": about, "content": {media: {"schema": schema}}, **more}}

    text_headers = {
        "X-Pellucid-Model": {"schema": STRING, "description": "the file that served"},
        "X-Pellucid-Size": {"schema": STRING, "description": "the answer's width and height in pixels, such as 640x480"},
        "X-Pellucid-Sigma": {"schema": STRING, "description": "the level that was used, in 8-bit levels"},
        "X-Pellucid-Estimated": {"schema": STRING, "description": "whether it was measured from the picture"},
        "X-Pellucid-Noise": {"schema": STRING, "description": "what was found, where the level was not given"},
        "X-Pellucid-Expected-Gain": {"schema": STRING, "description": "in dB, where it was asked for and can be told"},
        "X-Pellucid-Seconds": {"schema": STRING, "description": "the restoration's time"},
    }
    form = {"multipart/form-data": {"schema": {"type": "object"}}}
    paths: dict[str, Any] = {
        "/v1/restore": {
            "post": {
                "operationId": "restore",
                "summary": "The picture, restored",
                "description": "Answers the picture in its own format with its metadata, or in JSON (Accept: application/json).",
                "parameters": [task, *settings, preview, ticket],
                "requestBody": body,
                "responses": {
                    "200": {
                        "description": "The restored picture.",
                        "headers": text_headers,
                        "content": {
                            **dict.fromkeys(writable, binary),
                            "application/json": {"schema": _object(restored, [name for name in restored if name != "diagnosis"])},
                            **form,
                        },
                    },
                    **_errors(*refused),
                },
            }
        },
        "/v1/inspect": {
            "post": {
                "operationId": "inspect",
                "summary": "What is in the file, and which noise",
                "parameters": [*reading, preview, ticket],
                "requestBody": body,
                "responses": {
                    "200": {
                        "description": "The file's first page, described.",
                        "content": {"application/json": {"schema": _object(DESCRIPTION, list(DESCRIPTION))}, **form},
                    },
                    **_errors(*refused),
                },
            }
        },
        "/v1/models": {
            "get": {
                "operationId": "models",
                "summary": "Tasks, their settings, models, formats and limits",
                "responses": {
                    **answers("application/json", _object(catalogue, list(catalogue)), "What there is."),
                    **_errors(401, 421),
                },
            }
        },
        "/v1/progress/{ticket}": {
            "get": {
                "operationId": "progress",
                "summary": "How far a request is that is being worked on",
                "parameters": [_parameter("ticket", {"type": "string", "pattern": TICKET}, place="path", required=True)],
                "responses": {
                    **answers("application/json", _object(progress, list(progress)), "Its state, and the share that is done."),
                    **_errors(401, 421, 422),
                },
            }
        },
        "/healthz": {
            "get": {
                "operationId": "health",
                "summary": "Whether the service can work",
                "security": [],
                "responses": {
                    **answers("application/json", _object({"status": STRING, "version": STRING}, ["status"]), "It can."),
                    **_errors(421, 503),
                },
            }
        },
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Counters for Prometheus",
                "responses": {**answers("text/plain", STRING, "Prometheus' text format."), **_errors(401, 421)},
            }
        },
    }
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "pellucid",
            "version": __version__,
            "description": "Takes the noise out of images, and makes them larger. Nothing that is sent is kept.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": {"Error": _object({"error": STRING}, ["error"])}},
    }
    if token:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described
