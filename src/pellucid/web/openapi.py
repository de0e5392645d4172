"""The service's description (OpenAPI 3.1), made from the tables that the service itself is made from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args

from pellucid import __version__, files, steps
from pellucid.diagnosis import KINDS
from pellucid.tasks import Fact
from pellucid.tasks.kinds import COLOURS, Kind
from pellucid.tasks.settings import FileSettings, Setting
from pellucid.web.catalogue import FILES, READING, Catalogue
from pellucid.web.limits import Limits
from pellucid.web.uploads import BINARY, FIELD, clip_types, media_types

__all__ = ["TICKET", "document"]

TICKET = "^[A-Za-z0-9_-]{8,64}$"
"""The pattern of the name that a client gives a request whose progress it wants to see."""

BOX = "^[0-9]{1,9}(,[0-9]{1,9}){3}$"
"""The pattern of a part of a picture."""

ERRORS = {
    400: "The request or its form cannot be read.",
    401: "The request needs a token.",
    403: "The request comes from another site's page.",
    406: "The service can send none of the media types in Accept.",
    408: "The upload took too long.",
    409: "Another request with this ticket is in progress.",
    413: "The picture or its output has too many bytes or pixels.",
    415: "The content is not a known picture, or not what its Content-Type says.",
    421: "The service has another host name.",
    422: "A setting is wrong, or the picture is damaged or takes too long.",
    429: "All places in the queue are taken.",
    503: "The machine lacks what the request needs: a worker, room, memory, open files.",
}

STRING: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}
INTEGER: dict[str, Any] = {"type": "integer"}
WORDS: dict[str, Any] = {"type": "array", "items": STRING}
DESCRIPTION: dict[str, Any] = {
    "format": STRING,
    "media_type": STRING,
    "width": INTEGER,
    "height": INTEGER,
    "channels": INTEGER,
    "depth": {**STRING, "description": "the dtype of the file's samples"},
    "alpha": {"type": "boolean"},
    "pages": INTEGER,
    "remarks": {**WORDS, "description": "how the file was read and what was left out, a line each"},
    "diagnosis": {
        "type": "object",
        "properties": {
            "kind": {**STRING, "enum": list(KINDS)},
            "summary": {**STRING, "description": "the noise in a line for people"},
            "sigma": {**NUMBER, "description": "standard deviation of all noise but impulses at middle intensity, in 8-bit levels"},
        },
        "required": ["kind", "summary", "sigma"],
    },
}


def _settings(catalogue: Catalogue) -> list[dict[str, Any]]:
    """A parameter for each name of a setting, with every task that has it; not for those that are always files."""
    by_name: dict[str, dict[str, Setting]] = {}
    for task, offer in catalogue.offers.items():
        for row in offer.settings:
            by_name.setdefault(row.name, {})[task] = row
    parameters = []
    for name, rows in by_name.items():
        if any(row.kinds != ("file",) for row in rows.values()):
            schema = _schema_of_all(rows)
            helps = dict.fromkeys(row.help for row in rows.values())
            about = (
                rows[next(iter(rows))].help if len(helps) == 1 else "; ".join(f"{task}: {row.help}" for task, row in rows.items())
            )
            if len({repr(row.default) for row in rows.values()}) > 1:
                about += f" (default: {', '.join(f'{row.default} for {task}' for task, row in rows.items())})"
            if len(rows) < len(catalogue.offers):
                about = f"for {' and '.join(rows)}: {about}"
            parameters.append(_parameter(name, {"description": about, **schema}))
    return parameters


def _schema_of_all(rows: dict[str, Setting]) -> dict[str, Any]:
    """One schema for the tasks' settings of one name, with the default where they agree in it."""
    schemas: list[dict[str, Any]] = []
    for row in rows.values():
        schema = _schema(row)
        if schema not in schemas:
            schemas.append(schema)
    defaults = [default for row in rows.values() if (default := list(row.default) if row.many else row.default) is not None]
    agreed = {"default": defaults[0]} if len(defaults) == len(rows) and all(each == defaults[0] for each in defaults) else {}
    if len(schemas) == 1:
        return schemas[0] | agreed
    if all(schema.keys() == {"type", "enum"} for schema in schemas):
        values = dict.fromkeys(value for schema in schemas for value in schema["enum"])
        return {"type": "string", "enum": list(values)} | agreed
    return {"anyOf": schemas} | agreed


def _schema(row: Setting) -> dict[str, Any]:
    """The values of a setting that text stands for: not files."""
    if row.name == "format":
        names = [name for kind in files.WRITTEN for name in (kind.name.lower(), *(ending[1:] for ending in kind.endings))]
        return {"type": "string", "enum": list(dict.fromkeys(names))}
    schemas = [SCHEMAS[kind](row) for kind in row.kinds if kind != "file"]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"type": "array", "items": schema} if row.many else schema


def _number(row: Setting) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer" if row.whole else "number"}
    if math.isfinite(row.low):
        schema["exclusiveMinimum" if row.above else "minimum"] = row.low
    if math.isfinite(row.high):
        schema["maximum"] = row.high
    if row.marks:
        schema["examples"] = list(row.marks)
    return schema


COLOUR = f"#[0-9A-Fa-f]{{3}}|#[0-9A-Fa-f]{{6}}|{'|'.join(COLOURS)}"
"""The pattern of a colour."""

SCHEMAS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "number": _number,
    "flag": lambda row: {"type": "boolean"},
    "choice": lambda row: {"type": "string", "enum": list(row.choices)},
    "text": lambda row: {"type": "string"},
    "colour": lambda row: {"type": "string", "pattern": f"^({COLOUR})$"},
    "point": lambda row: {"type": "string", "pattern": "^[0-9]{1,9},[0-9]{1,9}$"},
    "box": lambda row: {"type": "string", "pattern": BOX},
    "hint": lambda row: {"type": "string", "pattern": f"^[0-9]{{1,9}},[0-9]{{1,9}}=({COLOUR})$"},
    "palette": lambda row: {"type": "string", "pattern": f"^({COLOUR})( *, *({COLOUR}))*$"},
}
"""Kind of a setting -> the schema of its text; a file has none."""
assert {*SCHEMAS, "file"} == set(get_args(Kind))


def _parameter(name: str, schema: dict[str, Any], *, place: str = "query", required: bool = False) -> dict[str, Any]:
    about = schema.pop("description", "")
    parameter = {"name": name, "in": place, "required": required, "description": about, "schema": schema}
    # The name comes once for each value.
    return parameter | ({"style": "form", "explode": True} if schema.get("type") == "array" else {})


def _errors(*statuses: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    responses: dict[str, Any] = {str(status): {"description": ERRORS[status], "content": content} for status in statuses}
    if "429" in responses:
        responses["429"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return responses


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _facts(catalogue: Catalogue) -> dict[str, Fact]:
    """The facts of all tasks by name, in the order of their rows; of two with one name the first."""
    facts: dict[str, Fact] = {}
    for offer in catalogue.offers.values():
        for fact in offer.task.facts:
            facts.setdefault(fact.name, fact)
    return facts


FRAMES = ", of all frames of a clip together"


def _body(limits: Limits, parts: tuple[str, ...], *, clips: bool = False) -> dict[str, Any]:
    """The body of a request with a picture, or a clip where ``clips`` are taken; ``parts`` are the fields that a form may have
    beside it."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    fields = {name: {"type": "string", "format": "binary"} for name in (FIELD, *parts)}
    form = _object(fields, [FIELD]) | {"additionalProperties": False}
    return {
        "required": True,
        "description": f"The picture{' or clip' if clips else ''} itself, or a form with it as the field {FIELD}. "
        f"At most {limits.bytes} bytes, and {limits.pixels} pixels of the picture and of its output{FRAMES if clips else ''}.",
        "content": {
            **dict.fromkeys((BINARY, *media_types(), *(clip_types() if clips else ())), binary),
            "multipart/form-data": {"schema": form},
        },
    }


def document(limits: Limits, catalogue: Catalogue, *, token: bool) -> dict[str, Any]:
    """The description, as JSON holds it."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    writable = [kind.media[0] for kind in files.WRITTEN]
    tasks = list(catalogue.offers)
    summaries = [f"{name}: {offer.task.summary}" for name, offer in catalogue.offers.items()]
    task = _parameter("task", {"type": "string", "enum": tasks, "default": tasks[0], "description": "; ".join(summaries)})
    preview = _parameter(
        "preview",
        {
            "type": "boolean",
            "default": False,
            "description": "send a form: details, the output, and PNG previews that any browser shows",
        },
    )
    confidence = _parameter(
        "confidence",
        {
            "type": "boolean",
            "default": False,
            "description": "with preview: one more PNG, confidence, of the error's standard deviation at each pixel (black none, "
            "white 32 levels of 255; hatched what may be invented)",
        },
    )
    part = _parameter(
        "part",
        {
            "type": "string",
            "pattern": BOX,
            "description": "X0,Y0,X1,Y1 in pixels: send only these pixels of the output, as a PNG of 8 bits; all of the picture is "
            "looked at, so they are as they will be in the whole",
        },
    )
    ticket = _parameter(
        "ticket",
        {"type": "string", "pattern": TICKET, "description": "the client's own name for this request; see /v1/progress"},
    )
    settings = _settings(catalogue)
    reading = [parameter for parameter in settings if parameter["name"] in READING]
    facts = _facts(catalogue)
    parts = tuple(dict.fromkeys([*(part for offer in catalogue.offers.values() for part in offer.parts), *FILES]))
    of_steps = tuple(f"{name}.{part}" for name, offer in catalogue.offers.items() for part in offer.parts)
    own = [parameter for parameter in settings if parameter["name"] in FileSettings.names()]
    chosen = _parameter(
        "steps",
        {
            "type": "string",
            "description": "tasks joined by +, each with its settings: denoise+upscale:scale=2; inside a value write : as %3A, "
            "+ as %2B and % as %25, and these as a query has them",
        },
    )
    preset = _parameter(
        "preset", {"type": "string", "enum": list(catalogue.presets), "description": "steps with a name, in the place of steps"}
    )
    described_steps = {"steps": {**steps.FACTS[0].schema, "description": steps.FACTS[0].help}}
    refused = (400, 401, 403, 406, 408, 409, 413, 415, 421, 422, 429, 503)
    restored = {
        **{name: {**fact.schema, "description": fact.help} for name, fact in facts.items()},
        **DESCRIPTION,
        "model": STRING,
        "seconds": NUMBER,
        "image": {"type": "string", "contentEncoding": "base64"},
    }
    # Facts that only some tasks have are not required.
    common = [name for name in facts if all(name in {f.name for f in offer.task.facts} for offer in catalogue.offers.values())]
    always = [*common, *(name for name in restored if name not in facts)]
    option = _object({"name": STRING, "kind": STRING, "label": STRING, "help": STRING}, ["name", "kind", "label", "help"])
    listed = {
        "version": STRING,
        "tasks": {
            "type": "array",
            "items": _object(
                {
                    "name": STRING,
                    "summary": STRING,
                    "keeps_size": {"type": "boolean", "description": "whether the output is as large as the picture"},
                    "mark": {**STRING, "description": "the word in the output's name before its ending"},
                    "verbs": {**WORDS, "description": "the task's button, its work and its result"},
                    "headline": {**STRING, "description": "ends 'Drop an image and ...'"},
                    "after": {**STRING, "description": "what the user gets"},
                    "facts": {"type": "array", "items": _object({"name": STRING, "help": STRING}, ["name", "help"])},
                    "options": {"type": "array", "items": option},
                    "pixels": {
                        **INTEGER,
                        "description": "the most pixels of a picture for this task, by its first model's speed if it was measured",
                    },
                    "words": {**STRING, "description": "that limit as the end of a sentence, and how to get around it"},
                },
                ["name", "options"],
            ),
        },
        "presets": {
            "type": "array",
            "items": _object({"name": STRING, "summary": STRING, "steps": STRING}, ["name", "summary", "steps"]),
        },
        "models": {
            "type": "array",
            "items": _object(
                {
                    "name": STRING,
                    "task": STRING,
                    "takes": {**WORDS, "description": "the names of the task's settings that it takes"},
                    "takes_sigma": {"type": "boolean", "description": "whether it takes a noise level"},
                    "takes_noise": {"type": "boolean", "description": "whether it was trained on noisy pictures"},
                },
                ["name"],
            ),
        },
        "formats": {"type": "array", "items": _object({"name": STRING, "endings": {"type": "array", "items": STRING}}, ["name"])},
        "clips": {**WORDS, "description": "the endings of clips that are read and written"},
        "limits": _object(
            {
                "bytes": INTEGER,
                "pixels": {
                    **INTEGER,
                    "description": "the most pixels of a picture and of its output, for the first task; fewer on a computer "
                    "that is too slow for more",
                },
                "seconds": NUMBER,
                "preview": {**INTEGER, "description": "the most pixels of a part that this computer shows in less than a second"},
                "words": {**STRING, "description": "the limit of pixels as the end of a sentence, and how to get around it"},
            },
            ["bytes", "pixels", "seconds", "preview", "words"],
        ),
    }
    progress = {
        "state": {**STRING, "enum": ["receiving", "waiting", "working", "sending", "unknown"]},
        "ahead": INTEGER,
        "done": NUMBER,
    }

    def answers(media: str, schema: dict[str, Any], about: str, **more: Any) -> dict[str, Any]:
        return {"200": {"description": about, "content": {media: {"schema": schema}}, **more}}

    headers = {
        "X-Pellucid-Model": "the file that served",
        "X-Pellucid-Size": "width and height of the output in pixels, such as 640x480",
        **{f"X-Pellucid-{fact.header}": fact.help for fact in facts.values() if fact.header is not None},
        "X-Pellucid-Seconds": "the seconds that the restoration took",
    }
    form = {"multipart/form-data": {"schema": {"type": "object"}}}
    paths: dict[str, Any] = {
        "/v1/restore": {
            "post": {
                "operationId": "restore",
                "summary": "Restore a picture",
                "description": "Sends the output in the picture's own format with its metadata, or in JSON "
                "(Accept: application/json).",
                "parameters": [task, *settings, part, preview, confidence, ticket],
                "requestBody": _body(limits, parts, clips=True),
                "responses": {
                    "200": {
                        "description": "The restored picture.",
                        "headers": {name: {"schema": STRING, "description": about} for name, about in headers.items()},
                        "content": {
                            **dict.fromkeys((*writable, *clip_types()), binary),
                            "application/json": {"schema": _object(restored, [name for name in always if name != "diagnosis"])},
                            **form,
                        },
                    },
                    **_errors(*refused),
                },
            }
        },
        "/v1/run": {
            "post": {
                "operationId": "run",
                "summary": "Several tasks on a picture, one after the other",
                "description": "Nothing is rounded between the steps. A form may bring the files of settings as TASK.SETTING.",
                "parameters": [chosen, preset, *own, preview, confidence, ticket],
                "requestBody": _body(limits, (*of_steps, *FILES), clips=True),
                "responses": {
                    "200": {
                        "description": "The picture after all steps.",
                        "headers": {
                            name: {"schema": STRING, "description": about}
                            for name, about in headers.items()
                            if name in ("X-Pellucid-Model", "X-Pellucid-Size", "X-Pellucid-Seconds")
                        },
                        "content": {
                            **dict.fromkeys((*writable, *clip_types()), binary),
                            "application/json": {
                                "schema": _object(
                                    {
                                        **described_steps,
                                        **{name: restored[name] for name in (*DESCRIPTION, "model", "seconds", "image")},
                                    },
                                    ["steps", "model", "seconds", "image"],
                                )
                            },
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
                "summary": "Describe the file and its noise",
                "parameters": [*reading, preview, ticket],
                "requestBody": _body(limits, ()),
                "responses": {
                    "200": {
                        "description": "The first page of the file, described.",
                        "content": {"application/json": {"schema": _object(DESCRIPTION, list(DESCRIPTION))}, **form},
                    },
                    **_errors(*refused),
                },
            }
        },
        "/v1/models": {
            "get": {
                "operationId": "models",
                "summary": "List tasks, their settings, models, formats and limits",
                "responses": {
                    **answers("application/json", _object(listed, list(listed)), "The lists."),
                    **_errors(401, 421),
                },
            }
        },
        "/v1/progress/{ticket}": {
            "get": {
                "operationId": "progress",
                "summary": "Show the progress of a request",
                "parameters": [_parameter("ticket", {"type": "string", "pattern": TICKET}, place="path", required=True)],
                "responses": {
                    **answers(
                        "application/json",
                        _object(progress, list(progress)),
                        "The state of the request, and the share that is done.",
                    ),
                    **_errors(401, 421, 422),
                },
            }
        },
        "/healthz": {
            "get": {
                "operationId": "health",
                "summary": "Whether the service is ready",
                "security": [],
                "responses": {
                    **answers("application/json", _object({"status": STRING, "version": STRING}, ["status"]), "It is ready."),
                    **_errors(421, 503),
                },
            }
        },
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Show the counters for Prometheus",
                "responses": {**answers("text/plain", STRING, "Prometheus' text format."), **_errors(401, 421)},
            }
        },
    }
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "pellucid",
            "version": __version__,
            "description": f"{'; '.join(summaries).capitalize()}. Nothing that is sent is kept.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": {"Error": _object({"error": STRING}, ["error"])}},
    }
    if token:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described
