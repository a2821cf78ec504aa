"""The kind Thing: one virtual thing, its desired state and its status.

No field of ``spec`` has a default in the schema: a server-filled default would surface as drift in Argo CD
and Flux. Defaults are applied in code, and the effective values stand in status.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from thing_operator.api.model import (
    ATOMIC_JSON,
    DURATION_PATTERN,
    FREE_JSON,
    ApiModel,
    DataKey,
    HostName,
    JsonObject,
    JsonPointer,
    ObjectName,
    rules,
)
from thing_operator.api.names import THING_NAME_PATTERN
from thing_operator.api.simulation import Simulation
from thing_operator.api.status import ObjectStatus
from thing_operator.shadow.planning import DesiredPolicy

DurationText = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]


class DeletionPolicy(StrEnum):
    """What becomes of the shadow when the Thing is deleted."""

    RETAIN = "Retain"
    CLEAR = "Clear"
    DELETE = "Delete"


class Selection(StrEnum):
    """All of something, none of it, or the parts named by paths."""

    ALL = "All"
    NONE = "None"
    PATHS = "Paths"


class CredentialsSpec(ApiModel):
    """Where certificate and private key of the thing are."""

    secret_name: ObjectName | None = Field(
        default=None,
        description="Secret in the same namespace. Default: thing-<thing name made a legal object name>, "
        "the name ThingBatch gives.",
    )
    certificate_key: DataKey | None = Field(
        default=None,
        description="Key of the Secret that holds the certificate. Default: tls.crt, else cert.pem.",
    )
    private_key_key: DataKey | None = Field(
        default=None,
        description="Key of the Secret that holds the private key. Default: tls.key, else privkey.pem.",
    )


class EndpointSpec(ApiModel):
    """The MQTT broker of this thing."""

    host: HostName | None = Field(
        default=None,
        description="Host name of the broker, as App Board shows it under Settings > About. "
        "Default: the operator's configuration.",
    )
    port: Annotated[int, Field(ge=1, le=65535, json_schema_extra={"format": "int32"})] | None = Field(
        default=None, description="8883 (default), or 443, which uses ALPN x-amzn-mqtt-ca."
    )
    ca_secret_name: ObjectName | None = Field(
        default=None,
        description="Secret in the same namespace whose key ca.crt holds the CA that signed the broker's "
        "certificate. Default: the Amazon roots.",
    )
    ca_config_map_name: ObjectName | None = Field(
        default=None, description="As caSecretName, but a ConfigMap."
    )


class MirrorSpec(ApiModel):
    """What of the shadow's reported comes into status.shadow.reported, and how often."""

    reported: Selection | None = Field(
        default=None, description="All (default), None, or Paths: only the parts that paths names."
    )
    paths: Annotated[tuple[JsonPointer, ...], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="JSON Pointers into reported, such as /tcxn/battery_level. Only with reported: Paths.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    min_interval: DurationText | None = Field(
        default=None,
        description="Shortest time between two status writes caused by reports, for example 30s. "
        "Default: the operator's configuration (2s).",
    )


class LocationSpec(ApiModel):
    """Where the thing is."""

    lat: Annotated[float, Field(ge=-90, le=90, json_schema_extra={"type": "number"})] = Field(
        description="Latitude in degrees, north is positive."
    )
    lng: Annotated[float, Field(ge=-180, le=180, json_schema_extra={"type": "number"})] = Field(
        description="Longitude in degrees, east is positive."
    )


class DeviceSpec(ApiModel):
    """What the operator does on the thing's side of the shadow. Absent: nothing."""

    reported: JsonObject | None = Field(
        default=None,
        description="Facts kept up to date in the shadow's reported, the way desired is: any JSON object.",
        json_schema_extra=FREE_JSON,
    )
    location: LocationSpec | None = Field(
        default=None, description="Reported as latlng, the way App Board's map reads it."
    )
    acknowledge: Selection | None = Field(
        default=None,
        description="All, None (default) or Paths: answer a delta by reporting the desired value.",
    )
    acknowledge_paths: Annotated[tuple[JsonPointer, ...], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="JSON Pointers into desired. Only with acknowledge: Paths.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    acknowledge_delay: DurationText | None = Field(
        default=None, description="How long after a delta it is acknowledged, such as 2s. Default: at once."
    )
    connection_status: bool | None = Field(
        default=None,
        description="true: report tcxn.connection_status 2 on connect and 0 when the session ends, so that "
        "App Board shows the thing as online or offline.",
    )
    simulate: Annotated[tuple[Simulation, ...], Field(max_length=64)] | None = Field(
        default=None,
        description="Simulated values, reported as a device would report them.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["path"]},
    )


class ThingBehaviour(ApiModel):
    """What a Thing and the template of a ThingBatch have in common."""

    endpoint: EndpointSpec | None = Field(
        default=None,
        description="The broker. Default: the operator's configuration.",
        json_schema_extra=rules(
            (
                "!(has(self.caSecretName) && has(self.caConfigMapName))",
                "name either caSecretName or caConfigMapName, not both",
            )
        ),
    )
    desired: JsonObject | None = Field(
        default=None,
        description="Desired state: any JSON object, kept in the shadow's desired as it is here. A key removed here "
        "is removed there, too; null is neither needed nor allowed.",
        json_schema_extra=FREE_JSON,
    )
    desired_policy: DesiredPolicy | None = Field(
        default=None,
        description="Merge (default): the keys of desired are enforced, keys that others set are left alone. "
        "Exact: the shadow's desired is exactly this, other keys are removed. Once: sent once per "
        "generation; later edits by others stand and are shown. Observe: never written.",
    )
    device: DeviceSpec | None = Field(
        default=None,
        description="What the operator does on the thing's side. Absent: nothing.",
        json_schema_extra=rules(
            (
                "has(self.acknowledgePaths) == (has(self.acknowledge) && self.acknowledge == 'Paths')",
                "acknowledgePaths goes with acknowledge: Paths, and only with it",
            ),
            (
                "!has(self.acknowledgeDelay) || (has(self.acknowledge) && self.acknowledge != 'None')",
                "acknowledgeDelay goes with acknowledge: All or Paths",
            ),
        ),
    )
    mirror: MirrorSpec | None = Field(
        default=None,
        description="What of the shadow's reported comes into status.",
        json_schema_extra=rules(
            (
                "has(self.paths) == (has(self.reported) && self.reported == 'Paths')",
                "paths goes with reported: Paths, and only with it",
            )
        ),
    )
    suspend: bool | None = Field(
        default=None, description="true: no session, nothing written; the condition Connected says Suspended."
    )
    deletion_policy: DeletionPolicy | None = Field(
        default=None,
        description="Retain (default): the shadow stays as it is when the Thing is deleted. Clear: the keys "
        "set by this Thing are removed from it. Delete: the shadow is deleted. Clear and Delete are bounded "
        "in time: then the object is released with a Warning event.",
    )


class ThingSpec(ThingBehaviour):
    """What this thing is to be: credentials and broker, the shadow's desired state, what a virtual device does."""

    thing_name: Annotated[str, Field(pattern=THING_NAME_PATTERN)] | None = Field(
        default=None,
        description="MIC's name of the thing: the folder in the zip and the MQTT client id. Default: "
        "metadata.name. Always a quoted string: without quotes YAML reads 00001721 as a number. Immutable.",
    )
    credentials: CredentialsSpec | None = Field(
        default=None,
        description="Where certificate and private key are. Default: the Secret that ThingBatch makes.",
        json_schema_extra=rules(
            (
                "has(self.certificateKey) == has(self.privateKeyKey)",
                "certificateKey and privateKeyKey go together: name both or none",
            ),
            (
                "!has(self.certificateKey) || self.certificateKey != self.?privateKeyKey.orValue('')",
                "certificateKey and privateKeyKey must name two different keys",
            ),
        ),
    )


class EndpointStatus(ApiModel):
    """The broker in use."""

    host: str = Field(description="Effective host name.")
    port: int = Field(description="Effective port.", json_schema_extra={"format": "int32"})


class CertificateStatus(ApiModel):
    """The certificate in use."""

    secret_name: str = Field(description="The Secret it was read from.")
    fingerprint: str = Field(
        description="SHA-256 of the certificate's DER, in hexadecimal: AWS's certificate id."
    )
    not_before: datetime = Field(description="Start of its validity.")
    not_after: datetime = Field(description="End of its validity.")


class ShadowStatus(ApiModel):
    """The shadow as last seen."""

    version: int = Field(description="The shadow's version number.", json_schema_extra={"format": "int64"})
    update_time: datetime | None = Field(default=None, description="When the shadow was last written.")
    reported_time: datetime | None = Field(
        default=None, description="When something was last reported; says whether the device is alive."
    )
    reported: JsonObject | None = Field(
        default=None,
        description="The shadow's reported, as far as spec.mirror asks for it.",
        json_schema_extra=ATOMIC_JSON,
    )
    delta: JsonObject | None = Field(
        default=None,
        description="The desired values that reported does not have yet.",
        json_schema_extra=ATOMIC_JSON,
    )
    pending: tuple[str, ...] | None = Field(
        default=None,
        description="JSON Pointers of the delta's leaves, at most 64.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    pending_count: int = Field(
        default=0, description="Number of the delta's leaves.", json_schema_extra={"format": "int32"}
    )
    bytes: int = Field(
        description="Size of desired plus reported as the service counts it, of at most 8 KiB by default.",
        json_schema_extra={"format": "int32"},
    )


class ThingStatus(ObjectStatus):
    """Observed state of the thing, written by the operator only. No field changes by the passing of time alone."""

    thing_name: str | None = Field(default=None, description="The effective thing name.")
    endpoint: EndpointStatus | None = Field(default=None, description="The effective endpoint.")
    certificate: CertificateStatus | None = Field(default=None, description="The certificate in use.")
    shadow: ShadowStatus | None = Field(default=None, description="The shadow as last seen.")
    managed_paths: tuple[str, ...] | None = Field(
        default=None,
        description="JSON Pointers of what this Thing has set or is about to set in the shadow's desired. It is how "
        "a key removed from spec.desired is known and removed from the shadow.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    managed_reported_paths: tuple[str, ...] | None = Field(
        default=None,
        description="As managedPaths, for spec.device.reported.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
