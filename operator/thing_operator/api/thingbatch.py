"""The kind ThingBatch: from MIC's zip to Secrets and Things."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

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


_SAME_ORDER = " && ".join(
    [
        *(f"self.{name} == oldSelf.{name}" for name in ("host", "thingType", "domain", "size")),
        "has(self.protocol) == has(oldSelf.protocol)",
        "(!has(self.protocol) || self.protocol == oldSelf.protocol)",
    ]
)
"""What is ordered stays; the account's Secret may be another one, and ``batchId`` may be added."""


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
    batch_id: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None,
        description="Import this batch of MIC's, which is there already, and order none. Also the way out of "
        "OrderUnknown: it may be added later, and then stands.",
    )


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
        json_schema_extra=rules(
            (_SAME_ORDER, "cloudApi is immutable: make another ThingBatch"),
            (
                "!has(oldSelf.batchId) || (has(self.batchId) && self.batchId == oldSelf.batchId)",
                "batchId can be added and not changed: make another ThingBatch",
            ),
        ),
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
    """Where the batch's certificates come from, and which Secrets and Things are made of them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.removeSource) || !self.removeSource || !has(self.source.cloudApi)",
                "removeSource goes with secrets and url: an account's Secret is never deleted",
            )
        )
    )

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
        description="Retain (default) or Delete the Secrets and Things whose folder is no longer in the zip.",
    )
    deletion_policy: RetainOrDelete | None = Field(
        default=None,
        description="Retain (default) or Delete the Secrets and Things when the ThingBatch is deleted.",
    )
    remove_source: bool | None = Field(
        default=None,
        description="true: delete the Secrets named in source (those with the zips, or with the url) once every "
        "thing is imported. They hold every key of the fleet, and are not needed afterwards.",
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


class ImportedSource(ApiModel):
    """One source that was imported; it need not be there any more."""

    name: str = Field(description="The Secret; for cloudApi the batch id.")
    key: str | None = Field(default=None, description="Key of the Secret.")
    digest: str = Field(description="SHA-256 of the zip.")
    url_digest: str | None = Field(
        default=None,
        description="SHA-256 of the url that the zip came from: a changed url is downloaded again.",
    )


class OrderStatus(ApiModel):
    """A batch ordered from MIC. It is written before the order is sent, so that none is ever sent twice."""

    nonce: str = Field(description="Names this order.")
    time: datetime = Field(description="When it was about to be sent.")
    host: str = Field(description="The stack's host.")
    thing_type: str = Field(description="Id of the thing type.")
    domain: str = Field(description="Id of the domain.")
    size: int = Field(description="Number of things ordered.", json_schema_extra={"format": "int32"})
    protocol: str | None = Field(default=None, description="mqtt or iotgw, where given.")
    known: tuple[str, ...] | None = Field(
        default=None,
        description="Until the batch id is known: ids of the batches like this one that MIC had before.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    batch_id: str | None = Field(default=None, description="MIC's id of the batch.")
    current_size: int | None = Field(
        default=None, description="Things that MIC has made so far.", json_schema_extra={"format": "int32"}
    )


class ThingBatchStatus(ObjectStatus):
    """Observed state of the batch, written by the operator only."""

    source_digest: str | None = Field(default=None, description="SHA-256 over the zips last imported.")
    sources: tuple[ImportedSource, ...] | None = Field(
        default=None,
        description="The sources that were imported.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    order: OrderStatus | None = Field(default=None, description="The order of source.cloudApi.")
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
        description="Each thing and what became of it. Of a batch too large for one object, those that failed "
        "first, as many as fit: total, imported and failed count all.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
