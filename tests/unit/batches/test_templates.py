"""Which labels and annotations a template may have."""

from typing import Any

import pytest

from thing_operator.api.thingbatch import ThingBatchSpec
from thing_operator.batches.templates import TemplateNotAllowedError, check_templates

SOURCE = {"source": {"secrets": [{"name": "s", "key": "k"}]}}
ARGO = "argocd.argoproj.io/secret-type"


def of_secrets(**metadata: Any) -> dict[str, Any]:
    return {"secretTemplate": {"metadata": metadata}}


def of_things(**metadata: Any) -> dict[str, Any]:
    return {"things": {"create": True, "template": {"metadata": metadata}}}


def check(given: dict[str, Any], prefixes: tuple[str, ...] | None) -> None:
    check_templates(ThingBatchSpec.model_validate(SOURCE | given), prefixes=prefixes)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (of_secrets(labels={ARGO: "cluster"}), "spec.secretTemplate.metadata.labels"),
        (of_secrets(annotations={ARGO: "cluster"}), "spec.secretTemplate.metadata.annotations"),
        (of_things(labels={"example.com/a": "1", ARGO: "1"}), "spec.things.template.metadata.labels"),
        (of_things(annotations={ARGO: "1"}), "spec.things.template.metadata.annotations"),
    ],
)
def test_a_key_of_others_is_refused_where_prefixes_are_named(given: dict[str, Any], field: str) -> None:
    check(given, None)
    check(given, ("argocd.argoproj.io/", "example.com/"))
    for prefixes in (("example.com/",), ()):
        with pytest.raises(TemplateNotAllowedError, match=f"^{field}: ") as caught:
            check(given, prefixes)
        assert "batch.allowedMetadataPrefixes" in caught.value.message


@pytest.mark.parametrize("given", [{}, of_secrets(), of_things(), {"things": {"create": True}}])
def test_templates_without_metadata_are_fine(given: dict[str, Any]) -> None:
    check(given, ())
