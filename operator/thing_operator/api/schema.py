"""From a pydantic model to the structural OpenAPI schema that a CustomResourceDefinition takes."""

from typing import Any

from pydantic import BaseModel

_DROPPED = ("title", "default", "additionalProperties", "discriminator")


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's schema with references inlined and everything dropped that a structural schema forbids.

    Optional fields (``X | None``) become plain fields that are not required. ``null`` is allowed where an object may
    be empty, and nowhere else: server-side apply makes null of an object that its owner has emptied, and the API
    server refuses every apply of it otherwise. To the model a null is an absent field.
    """
    schema = model.model_json_schema(by_alias=True, mode="validation")
    definitions = schema.pop("$defs", {})
    return _clean(schema, definitions)


def _clean(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    node = _resolve(node, definitions)
    cleaned = {key: value for key, value in node.items() if key not in _DROPPED}
    if node.get("x-kubernetes-preserve-unknown-fields"):
        return cleaned
    if "properties" in node:
        properties = node["properties"].items()
        required = node.get("required", ())
        cleaned["properties"] = {
            name: _clean(child, definitions) | ({} if name in required else _nullable(child, definitions))
            for name, child in properties
        }
    elif isinstance(node.get("additionalProperties"), dict):
        cleaned["additionalProperties"] = _clean(node["additionalProperties"], definitions)
        if "maxProperties" in cleaned:
            cleaned["maxProperties"] = node["maxProperties"]
    if isinstance(node.get("items"), dict):
        cleaned["items"] = _clean(node["items"], definitions)
    return cleaned


def _nullable(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    found = _resolve(node, definitions)
    may_be_empty = found.get("type") == "object" and not found.get("required")
    return {"nullable": True} if may_be_empty else {}


def _resolve(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Follow references and take the branch of ``X | None`` that is not null; outer keywords win."""
    for keyword in ("anyOf", "allOf"):
        branches = [branch for branch in node.get(keyword, ()) if branch.get("type") != "null"]
        if len(branches) == 1:
            outer = {key: value for key, value in node.items() if key != keyword}
            return _resolve(branches[0] | outer, definitions)
    if "$ref" in node:
        outer = {key: value for key, value in node.items() if key != "$ref"}
        target = definitions[node["$ref"].rsplit("/", maxsplit=1)[1]]
        validations = target.get("x-kubernetes-validations", []) + outer.get("x-kubernetes-validations", [])
        merged = target | outer
        if validations:
            merged["x-kubernetes-validations"] = validations
        return _resolve(merged, definitions)
    return node
