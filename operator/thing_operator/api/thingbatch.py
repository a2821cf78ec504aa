"""The kind ThingBatch: from MIC's zip to Secrets and Things (design section 2.2)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from thing_operator.api.model import ApiModel, DataKey, HostName, ObjectName, rules
from thing_operator.api.status import ObjectStatus
from thing_operator.api.thing import ThingBehaviour

Labels = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=64)]
Annotations = Annotated[dict[str, str], Field(max_length=64)]


class RetainOrDelete(StrEnum):
    """What becomes of Secrets and Things that nothing asks for any more."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Protocol(StrEnum):
    """How the things of an ordered batch talk to MIC."""

    MQTT = "mqtt"
    IOTGW = "iotgw"


class SecretSource(ApiModel):
    """One complete zip in a Secret."""

    name: ObjectName = Field(description="Secret in the same namespace.")
    key: DataKey = Field(description="Key of the Secret that holds the zip.")


class UrlSource(ApiModel):
    """A zip to download; the url is in a Secret since it opens the zip to whoever knows it."""

    secret_name: ObjectName = Field(description="Secret in the same namespace that holds the url.")
    key: DataKey | None = Field(default=None, description="Key of the Secret. Default: url.")


class CloudApiSource(ApiModel):
    """Have MIC make the batch."""

    host: HostName = Field(description="The stack's host, for example demo.mic.telenorconnexion.com.")
    account_secret_name: ObjectName = Field(
        description="Secret in the same namespace with the keys userName and password of a MIC account."
    )
    thing_type: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=128)] = Field(
        description="Id of the thing type."
    )
    domain: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="Id of the domain, for example root."
    )
    size: Annotated[int, Field(ge=1, le=1000, json_schema_extra={"format": "int32"})] = Field(
        description="Number of things, 1 to 1000."
    )
    protocol: Protocol | None = Field(default=None, description="mqtt (default) or iotgw.")


class SourceSpec(ApiModel):
    """Where the certificates come from."""

    secrets: Annotated[tuple[SecretSource, ...], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="Secrets that each hold a complete zip; several, since a Secret holds at most 1 MiB, "
        "about 400 things.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "key"]},
    )
    url: UrlSource | None = Field(default=None, description="A zip to download over https.")
    cloud_api: CloudApiSource | None = Field(
        default=None,
        description="Have MIC make the batch. Immutable: what is ordered once is not ordered again.",
        json_schema_extra=rules(("self == oldSelf", "cloudApi is immutable: make another ThingBatch")),
    )


class TemplateMetadata(ApiModel):
    """Labels and annotations for what a batch makes."""

    labels: Labels | None = Field(default=None, description="Labels to put on.")
    annotations: Annotations | None = Field(default=None, description="Annotations to put on.")


class ThingTemplate(ApiModel):
    """What the Things of a batch look like."""

    metadata: TemplateMetadata | None = Field(default=None, description="Labels and annotations.")
    spec: ThingBehaviour | None = Field(
        default=None, description="Spec of each Thing, without thingName and credentials."
    )


class ThingsSpec(ApiModel):
    """Whether a batch makes Things, too."""

    create: bool | None = Field(default=None, description="true: also make a Thing per folder.")
    template: ThingTemplate | None = Field(default=None, description="What each Thing looks like.")


class SecretTemplate(ApiModel):
    """What the Secrets of a batch look like."""

    metadata: TemplateMetadata | None = Field(default=None, description="Labels and annotations.")


class ThingBatchSpec(ApiModel):
    """The wishes."""

    source: SourceSpec = Field(
        description="Where the certificates come from: exactly one of secrets, url and cloudApi.",
        json_schema_extra=rules(
            (
                "[has(self.secrets), has(self.url), has(self.cloudApi)].filter(given, given).size() == 1",
                "name exactly one of secrets, url and cloudApi",
            )
        ),
    )
    things: ThingsSpec | None = Field(default=None, description="Whether and how to make Things.")
    secret_template: SecretTemplate | None = Field(
        default=None, description="Labels and annotations for the Secrets."
    )
    prune_policy: RetainOrDelete | None = Field(
        default=None,
        description="Retain (default) or Delete the Secrets and Things whose folder left the zip.",
    )
    deletion_policy: RetainOrDelete | None = Field(
        default=None,
        description="Retain (default) or Delete the Secrets and Things when the ThingBatch is deleted.",
    )


class ThingResult(StrEnum):
    """What became of one folder."""

    IMPORTED = "Imported"
    UNCHANGED = "Unchanged"
    INVALID = "Invalid"
    CONFLICT = "Conflict"


class BatchThing(ApiModel):
    """One thing of a batch."""

    name: str = Field(description="Thing name.")
    secret_name: str | None = Field(default=None, description="The Secret with its certificate and key.")
    fingerprint: str | None = Field(default=None, description="SHA-256 of the certificate's DER.")
    not_after: datetime | None = Field(default=None, description="End of the certificate's validity.")
    result: str = Field(description="Imported, Invalid or Conflict.")
    message: str | None = Field(default=None, description="What is wrong and what to do about it.")


class ThingBatchStatus(ObjectStatus):
    """The state, written by the operator only."""

    source_digest: str | None = Field(default=None, description="SHA-256 over the zips last imported.")
    total: int | None = Field(
        default=None, description="Folders found.", json_schema_extra={"format": "int32"}
    )
    imported: int | None = Field(
        default=None, description="Things whose Secret is in place.", json_schema_extra={"format": "int32"}
    )
    failed: int | None = Field(
        default=None, description="Folders that could not be used.", json_schema_extra={"format": "int32"}
    )
    things: tuple[BatchThing, ...] | None = Field(
        default=None,
        description="Each thing and what became of it.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
