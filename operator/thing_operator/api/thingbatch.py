"""The kind ThingBatch: Secrets and Things from a zip of MIC's."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import ConfigDict, Field

from thing_operator.api.model import ApiModel, DataKey, HostName, ObjectName, rules
from thing_operator.api.status import ObjectStatus
from thing_operator.api.thing import ThingBehaviour

METADATA_LIMIT: Final = 4096
"""Characters of all keys and values of a template's annotations: each child is written with all of them."""

Labels = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=64)]
Annotations = Annotated[
    dict[str, Annotated[str, Field(max_length=METADATA_LIMIT)]],
    Field(
        max_length=64,
        json_schema_extra=rules(
            (
                f"self.map(key, size(key) + size(self[key])).sum() <= {METADATA_LIMIT}",
                f"annotations have at most {METADATA_LIMIT} characters together",
            )
        ),
    ),
]


class RetainOrDelete(StrEnum):
    """What happens to Secrets and Things that are no longer asked for."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Protocol(StrEnum):
    """How the things of an ordered batch connect to MIC."""

    MQTT = "mqtt"
    IOTGW = "iotgw"


class SecretSource(ApiModel):
    """A Secret that holds one complete batch zip."""

    name: ObjectName = Field(description="Name of the Secret, in the ThingBatch's namespace.")
    key: DataKey = Field(description="Key in the Secret of the zip.")


class UrlSource(ApiModel):
    """A zip to download. The url is in a Secret, since whoever knows it can read the private keys."""

    secret_name: ObjectName = Field(
        description="Name of the Secret, in the ThingBatch's namespace, with the url."
    )
    key: DataKey | None = Field(default=None, description="Key in the Secret of the url. Default: url.")


_SAME_ORDER = " && ".join(
    [
        *(f"self.{name} == oldSelf.{name}" for name in ("host", "thingType", "domain", "size")),
        "has(self.protocol) == has(oldSelf.protocol)",
        "(!has(self.protocol) || self.protocol == oldSelf.protocol)",
    ]
)
"""What is ordered stays; the account's Secret may be another one, and ``batchId`` may be added."""


class CloudApiSource(ApiModel):
    """A batch that is ordered from MIC's Cloud API."""

    host: HostName = Field(
        description="Host name of the MIC stack, for example demo.mic.telenorconnexion.com."
    )
    account_secret_name: ObjectName = Field(
        description="Name of the Secret, in the ThingBatch's namespace, with the keys userName and password "
        "of a MIC account."
    )
    thing_type: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=128)] = Field(
        description="Id of the thing type that the things get."
    )
    domain: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="Id of the domain that the things belong to, for example root."
    )
    size: Annotated[int, Field(ge=1, le=1000, json_schema_extra={"format": "int32"})] = Field(
        description="Number of things to order, 1 to 1000."
    )
    protocol: Protocol | None = Field(
        default=None, description="How the things connect to MIC: mqtt (default) or iotgw."
    )
    batch_id: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None,
        description="Id of a batch that exists in MIC already: it is imported, and nothing is ordered. It "
        "may be added later, which ends OrderUnknown, and is immutable then.",
    )


class SourceSpec(ApiModel):
    """Where the batch zip comes from: exactly one of secrets, url and cloudApi."""

    secrets: Annotated[tuple[SecretSource, ...], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="Secrets that each hold a complete zip, 1 to 64. Several are needed for a large batch, "
        "since a Secret holds at most 1 MiB, about 400 things.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "key"]},
    )
    url: UrlSource | None = Field(
        default=None,
        description="Zip to download over https from a host that the operator's batch.urlHosts allows.",
    )
    cloud_api: CloudApiSource | None = Field(
        default=None,
        description="Batch to order from MIC, once. Immutable, but for accountSecretName and adding batchId.",
        json_schema_extra=rules(
            (_SAME_ORDER, "cloudApi is immutable: make another ThingBatch"),
            (
                "!has(oldSelf.batchId) || (has(self.batchId) && self.batchId == oldSelf.batchId)",
                "batchId can be added and not changed: make another ThingBatch",
            ),
        ),
    )


class TemplateMetadata(ApiModel):
    """Labels and annotations of the objects that a ThingBatch creates."""

    labels: Labels | None = Field(default=None, description="Labels of the object, at most 64.")
    annotations: Annotations | None = Field(
        default=None, description="Annotations of the object, at most 64 with 4096 characters together."
    )


class ThingTemplate(ApiModel):
    """Template of the Things that a ThingBatch creates."""

    metadata: TemplateMetadata | None = Field(default=None, description="Labels and annotations.")
    spec: ThingBehaviour | None = Field(
        default=None,
        description="Spec of every Thing. thingName and credentials are not part of it: they follow from "
        "the folder.",
    )


class ThingsSpec(ApiModel):
    """Whether a ThingBatch creates Things, and how they look."""

    create: bool | None = Field(
        default=None, description="true: create a Thing for every folder of the zip. Default: false."
    )
    template: ThingTemplate | None = Field(
        default=None,
        description="Template of the Things. A change of the template is applied to all of them; edits of a "
        "Thing are kept until then.",
    )


class SecretTemplate(ApiModel):
    """Template of the Secrets that a ThingBatch creates."""

    metadata: TemplateMetadata | None = Field(default=None, description="Labels and annotations.")


class ThingBatchSpec(ApiModel):
    """Desired state of a ThingBatch: where the zip comes from, and which Secrets and Things are created from it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.removeSource) || !self.removeSource || !has(self.source.cloudApi)",
                "removeSource goes with secrets and url: an account's Secret is never deleted",
            )
        )
    )

    source: SourceSpec = Field(
        description="Where the batch zip comes from: exactly one of secrets, url and cloudApi.",
        json_schema_extra=rules(
            (
                "[has(self.secrets), has(self.url), has(self.cloudApi)].filter(given, given).size() == 1",
                "name exactly one of secrets, url and cloudApi",
            )
        ),
    )
    things: ThingsSpec | None = Field(
        default=None, description="Whether to create Things, and their template. Default: none are created."
    )
    secret_template: SecretTemplate | None = Field(default=None, description="Template of the Secrets.")
    prune_policy: RetainOrDelete | None = Field(
        default=None,
        description="What happens to a Secret and a Thing whose folder is missing in a newer zip: Retain "
        "(default) or Delete.",
    )
    deletion_policy: RetainOrDelete | None = Field(
        default=None,
        description="What happens to the Secrets and Things when the ThingBatch is deleted: Retain "
        "(default) or Delete, which has a finalizer put on the ThingBatch.",
    )
    remove_source: bool | None = Field(
        default=None,
        description="true: delete the Secrets named in source (with the zips, or with the url) once every "
        "thing is imported; of a Secret with other keys, the keys named. They hold all private keys, and are not "
        "needed afterwards. Not with cloudApi. Default: false.",
    )


class ThingResult(StrEnum):
    """Outcome of the import of one folder."""

    IMPORTED = "Imported"
    INVALID = "Invalid"
    CONFLICT = "Conflict"
    REFUSED = "Refused"


class BatchThing(ApiModel):
    """Outcome of the import of one thing."""

    name: str = Field(
        description="Name of the thing; of a folder that cannot be a thing, its path in the zip."
    )
    secret_name: str | None = Field(
        default=None, description="Name of the Secret with its certificate and private key."
    )
    fingerprint: str | None = Field(
        default=None,
        description="SHA-256 of the certificate in DER form, in lower-case hexadecimal. It is AWS IoT's "
        "certificate id.",
    )
    not_after: datetime | None = Field(default=None, description="End of the certificate's validity.")
    result: str = Field(
        description="Imported: its Secret (and Thing) is in place. Invalid: the folder cannot be used. "
        "Conflict: a Secret or Thing of that name belongs to somebody else, or is immutable, and is left alone. "
        "Refused: the API server does not take its Secret or Thing, because of a quota or policy for example."
    )
    message: str | None = Field(default=None, description="What is wrong, and what to do about it.")


class ImportedSource(ApiModel):
    """A source that was imported. It may have been deleted since."""

    name: str = Field(description="Name of the Secret; for cloudApi the id of the batch.")
    key: str | None = Field(default=None, description="Key in the Secret.")
    digest: str | None = Field(
        default=None,
        description="SHA-256 of the zip, in hexadecimal. Absent where the ThingBatch came back without its status "
        "and its Secrets were there.",
    )
    url_digest: str | None = Field(
        default=None,
        description="SHA-256 of the url that the zip came from, in hexadecimal. The zip is downloaded again "
        "when the url changes.",
    )


class OrderStatus(ApiModel):
    """An order of a batch from MIC, recorded before it is sent so that it is never sent twice."""

    nonce: str = Field(description="Random id of this order.")
    time: datetime = Field(description="Time just before the order was sent.")
    host: str = Field(description="Host name of the MIC stack.")
    thing_type: str = Field(description="Id of the thing type.")
    domain: str = Field(description="Id of the domain.")
    size: int = Field(description="Number of things ordered.", json_schema_extra={"format": "int32"})
    protocol: str | None = Field(
        default=None, description="How the things connect to MIC: mqtt or iotgw; absent if spec does not say."
    )
    known: tuple[str, ...] | None = Field(
        default=None,
        description="Ids of similar batches that MIC had before this order. Only until batchId is known.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    batch_id: str | None = Field(default=None, description="Id of the batch in MIC.")
    current_size: int | None = Field(
        default=None,
        description="Number of things that MIC has made so far.",
        json_schema_extra={"format": "int32"},
    )


class ThingBatchStatus(ObjectStatus):
    """Observed state of a ThingBatch, written by the operator."""

    source_digest: str | None = Field(
        default=None, description="SHA-256 over the digests of the zips last imported, in hexadecimal."
    )
    sources: tuple[ImportedSource, ...] | None = Field(
        default=None,
        description="Sources that were imported.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    order: OrderStatus | None = Field(default=None, description="Order of spec.source.cloudApi.")
    total: int | None = Field(
        default=None, description="Number of folders in the zips.", json_schema_extra={"format": "int32"}
    )
    imported: int | None = Field(
        default=None,
        description="Number of things whose Secret is in place.",
        json_schema_extra={"format": "int32"},
    )
    failed: int | None = Field(
        default=None,
        description="Number of things that are not imported (result Invalid, Conflict or Refused).",
        json_schema_extra={"format": "int32"},
    )
    things: tuple[BatchThing, ...] | None = Field(
        default=None,
        description="Outcome for every thing, by name. If they do not fit into one object, those that "
        "failed come first and the rest is left out; total, imported and failed count all.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
