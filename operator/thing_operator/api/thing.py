"""The kind Thing: one virtual thing, its desired state and its status.

No field of ``spec`` has a default in the schema: a server-filled default would surface as drift in Argo CD
and Flux. Defaults are applied in code, and status shows the effective values.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from thing_operator.api.jobs import JOB_RULES, JobFields, LastJob
from thing_operator.api.model import (
    FREE_JSON,
    ApiModel,
    DataKey,
    DelayText,
    HostName,
    JsonObject,
    JsonPointer,
    ObjectName,
    rules,
)
from thing_operator.api.names import THING_NAME_PATTERN
from thing_operator.api.simulation import Simulation
from thing_operator.api.status import ObjectStatus
from thing_operator.api.value_metrics import MOST_OF_ONE_THING, ValueMetric
from thing_operator.shadow.planning import DesiredPolicy


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
    """The Secret with the certificate and the private key of the thing."""

    secret_name: ObjectName | None = Field(
        default=None,
        description="Name of the Secret, in the Thing's namespace, with the certificate and the private "
        "key. Default: thing-<thing name, made a legal object name>, which is the Secret that a ThingBatch "
        "creates.",
    )
    certificate_key: DataKey | None = Field(
        default=None,
        description="Key in the Secret of the PEM certificate, whose chain may follow it. Goes with "
        "privateKeyKey. Default: tls.crt, or cert.pem if there is none.",
    )
    private_key_key: DataKey | None = Field(
        default=None,
        description="Key in the Secret of the PEM private key, without a passphrase. Goes with "
        "certificateKey. Default: tls.key, or privkey.pem if there is none.",
    )


class EndpointSpec(ApiModel):
    """The MQTT broker that the session of a thing connects to."""

    host: HostName | None = Field(
        default=None,
        description="Host name of the broker; App Board shows it under Settings > About. It must be in the "
        "operator's endpoint.allowedHosts. Default: the operator's endpoint.host.",
    )
    port: Annotated[int, Field(ge=1, le=65535, json_schema_extra={"format": "int32"})] | None = Field(
        default=None,
        description="TCP port of the broker, 1 to 65535. 443 uses ALPN x-amzn-mqtt-ca. Default: the "
        "operator's endpoint.port (8883).",
    )
    ca_secret_name: ObjectName | None = Field(
        default=None,
        description="Name of a Secret, in the Thing's namespace, whose key ca.crt (or whose only key) holds the "
        "PEM CA, root or intermediate, that signed the broker's certificate. Excludes caConfigMapName. Default: "
        "the operator's endpoint.caFile, or the Amazon roots.",
    )
    ca_config_map_name: ObjectName | None = Field(
        default=None,
        description="Name of a ConfigMap, in the Thing's namespace, whose key ca.crt (or whose only key) holds the "
        "PEM CA, root or intermediate, that signed the broker's certificate. Excludes caSecretName.",
    )


class MirrorSpec(ApiModel):
    """Which reported values of the shadow are copied to status.shadow.reported, and how often."""

    reported: Selection | None = Field(
        default=None,
        description="All (default): every reported value is copied. None: no reported value is copied. "
        "Paths: only the values at paths are copied.",
    )
    paths: Annotated[tuple[JsonPointer, ...], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="JSON Pointers (RFC 6901) into the shadow's reported, for example /tcxn/battery_level. "
        "1 to 64. Required with reported: Paths, and not allowed otherwise.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    min_interval: DelayText | None = Field(
        default=None,
        description="Shortest time between two status writes that only carry new reported values, as a "
        "duration (5s, 30s, 5m, 1h30m), at most 24h. A new generation and a change of Ready do not wait for it. "
        "Default, and the shortest that counts: the operator's status.minInterval (2s).",
    )
    metrics: Annotated[tuple[ValueMetric, ...], Field(min_length=1, max_length=MOST_OF_ONE_THING)] | None = (
        Field(
            default=None,
            description="Numbers of reported that the operator shows as Prometheus gauges, also if not in status. "
            "1 to 8, with different names. All of the operator's are bounded by its metrics.maxValues.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
            | rules(
                (
                    "self.all(a, self.exists_one(b, a.name + '_' + a.unit == b.name + '_' + b.unit))",
                    "two metrics have the same name once their units are added: choose another name for one",
                )
            ),
        )
    )


class LocationSpec(ApiModel):
    """A fixed position of the thing (WGS 84)."""

    lat: Annotated[float, Field(ge=-90, le=90, json_schema_extra={"type": "number"})] = Field(
        description="Latitude in degrees, -90 to 90; north is positive."
    )
    lng: Annotated[float, Field(ge=-180, le=180, json_schema_extra={"type": "number"})] = Field(
        description="Longitude in degrees, -180 to 180; east is positive."
    )


class DeviceSpec(JobFields):
    """What the operator does as the device: reports, answers, jobs. Absent: nothing."""

    reported: JsonObject | None = Field(
        default=None,
        description="Fixed values that the operator enforces in the shadow's reported, as spec.desired is "
        "enforced in desired: any JSON object. A key removed here, or null, is removed from the shadow; "
        "keys that others report are left alone.",
        json_schema_extra=FREE_JSON,
    )
    location: LocationSpec | None = Field(
        default=None,
        description="Position of the thing, reported as latlng in the form that App Board's map reads.",
    )
    acknowledge: Selection | None = Field(
        default=None,
        description="Which deltas the operator answers by reporting the desired value. All: every one. None "
        "(default): none. Paths: those at acknowledgePaths.",
    )
    acknowledge_paths: Annotated[tuple[JsonPointer, ...], Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="JSON Pointers (RFC 6901) into the shadow's desired, for example /setpoint. 1 to 64. "
        "Required with acknowledge: Paths, and not allowed otherwise.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    acknowledge_delay: DelayText | None = Field(
        default=None,
        description="Time between a delta and its answer, as a duration (2s), at most 24h. Goes with acknowledge: "
        "All or Paths. Default: no delay.",
    )
    connection_status: bool | None = Field(
        default=None,
        description="true: report tcxn.connection_status 2 when the session is up and 0 when it ends, also "
        "by a last will, so that App Board shows the thing as online or offline. Default: false.",
    )
    simulate: Annotated[tuple[Simulation, ...], Field(max_length=64)] | None = Field(
        default=None,
        description="Simulated values, each with a path and a generator, reported as a device would report "
        "its measurements. At most 64, with different paths.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["path"]},
    )


class ThingBehaviour(ApiModel):
    """The fields that the spec of a Thing and the template of a ThingBatch have in common."""

    endpoint: EndpointSpec | None = Field(
        default=None,
        description="MQTT broker of the thing. Default: the broker of the operator's configuration.",
        json_schema_extra=rules(
            (
                "!(has(self.caSecretName) && has(self.caConfigMapName))",
                "name either caSecretName or caConfigMapName, not both",
            )
        ),
    )
    desired: JsonObject | None = Field(
        default=None,
        description="Desired state of the thing: any JSON object, at most 5 levels deep and, with what is "
        "reported, 8 KiB. It is written to the shadow's desired as desiredPolicy says. To remove a key from "
        "the shadow, remove it here; a key that is null counts as left out. Arrays are replaced whole.",
        json_schema_extra=FREE_JSON,
    )
    desired_policy: DesiredPolicy | None = Field(
        default=None,
        description="How desired is enforced. Merge (default): its keys are enforced, and keys of others "
        "are left alone. Exact: its keys are enforced, and all other keys are removed. Once: it is written "
        "once per generation; later changes by others are kept and shown as DriftDetected. Observe: the "
        "shadow is read and never written.",
    )
    device: DeviceSpec | None = Field(
        default=None,
        description="What the operator does as the device: fixed values, answers to deltas, online or "
        "offline, simulated values, jobs. Absent: nothing.",
        json_schema_extra=rules(
            (
                "has(self.acknowledgePaths) == (has(self.acknowledge) && self.acknowledge == 'Paths')",
                "acknowledgePaths goes with acknowledge: Paths, and only with it",
            ),
            (
                "!has(self.acknowledgeDelay) || (has(self.acknowledge) && self.acknowledge != 'None')",
                "acknowledgeDelay goes with acknowledge: All or Paths",
            ),
            *JOB_RULES,
        ),
    )
    mirror: MirrorSpec | None = Field(
        default=None,
        description="Which reported values of the shadow are copied to status, and how often. Default: all.",
        json_schema_extra=rules(
            (
                "has(self.paths) == (has(self.reported) && self.reported == 'Paths')",
                "paths goes with reported: Paths, and only with it",
            )
        ),
    )
    suspend: bool | None = Field(
        default=None,
        description="true: the session is closed and nothing is written; the condition Connected is False "
        "with reason Suspended, the others keep their last value. Default: false.",
    )
    deletion_policy: DeletionPolicy | None = Field(
        default=None,
        description="What happens to the shadow when the Thing is deleted. Retain (default): nothing. "
        "Clear: the keys that this Thing has set are removed. Delete: the shadow is deleted. Clear and "
        "Delete use a finalizer; after the operator's deletionTimeout (5m) it is removed in any case, with "
        "a Warning event.",
    )


class ParentRef(ApiModel):
    """The Thing on whose connection a networked child is spoken for."""

    name: ObjectName = Field(
        description="Name of the Thing, in the same namespace, that has the credentials and the session. It must not "
        "have a parent itself."
    )


class ThingSpec(ThingBehaviour):
    """Desired state of a Thing: credentials, broker, desired values of its shadow, what it reports as a device."""

    thing_name: Annotated[str, Field(pattern=THING_NAME_PATTERN)] | None = Field(
        default=None,
        description="Name of the thing in MIC: the name of its folder in the batch zip, and its MQTT client "
        "id. 1 to 128 letters, digits, colons, underscores and hyphens. Quote it, since YAML reads 00001721 "
        "as a number. Immutable. Default: metadata.name. With parentRef: the child's own part of the name, which "
        "follows that of its parent and two underscores, and has no two underscores itself.",
    )
    parent_ref: ParentRef | None = Field(
        default=None,
        description="Makes the Thing a networked child: it has no credentials and no session of its own, and its "
        "shadow, <parent>__<child>, is read and written on the connection of its parent. Immutable.",
    )
    credentials: CredentialsSpec | None = Field(
        default=None,
        description="Secret with the certificate and the private key of the thing. Default: the Secret that "
        "a ThingBatch creates for it.",
        json_schema_extra=rules(
            (
                "has(self.certificateKey) == has(self.privateKeyKey)",
                "certificateKey and privateKeyKey go together: name both or none",
            ),
            (
                "!has(self.certificateKey) || !has(self.privateKeyKey) || self.certificateKey != self.privateKeyKey",
                "certificateKey and privateKeyKey must name two different keys",
            ),
        ),
    )


class EndpointStatus(ApiModel):
    """The broker that the session uses."""

    host: str = Field(description="Host name of the broker, from spec or from the operator's configuration.")
    port: int = Field(
        description="TCP port of the broker, from spec or from the operator's configuration.",
        json_schema_extra={"format": "int32"},
    )


class CertificateStatus(ApiModel):
    """The certificate that the session uses."""

    secret_name: str = Field(description="Name of the Secret that the certificate was read from.")
    fingerprint: str = Field(
        description="SHA-256 of the certificate in DER form, in lower-case hexadecimal. It is AWS IoT's "
        "certificate id."
    )
    not_before: datetime = Field(description="Start of the certificate's validity.")
    not_after: datetime = Field(description="End of the certificate's validity.")


class ShadowStatus(ApiModel):
    """The device shadow as last read."""

    version: int = Field(
        description="Version number of the shadow; it grows with every update.",
        json_schema_extra={"format": "int64"},
    )
    update_time: datetime | None = Field(
        default=None, description="Time of the last update of the shadow, by anybody."
    )
    reported_time: datetime | None = Field(
        default=None, description="Time of the newest reported value; it tells whether the device is alive."
    )
    reported: JsonObject | None = Field(
        default=None,
        description="Reported values of the shadow that spec.mirror selects.",
        json_schema_extra=FREE_JSON,
    )
    delta: JsonObject | None = Field(
        default=None,
        description="Desired values that differ from the reported ones, as the shadow service computes them.",
        json_schema_extra=FREE_JSON,
    )
    pending: tuple[str, ...] | None = Field(
        default=None,
        description="JSON Pointers of the values in delta, the first 64 of them.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    pending_count: int = Field(
        default=0, description="Number of the values in delta.", json_schema_extra={"format": "int32"}
    )
    bytes: int = Field(
        description="Size of desired and reported in bytes, as the shadow service counts it. Its limit is 8 "
        "KiB by default.",
        json_schema_extra={"format": "int32"},
    )


class ThingStatus(ObjectStatus):
    """Observed state of a Thing, written by the operator."""

    thing_name: str | None = Field(
        default=None, description="Name of the thing in MIC, from spec.thingName or metadata.name."
    )
    accepted_generation: int | None = Field(
        default=None,
        description="metadata.generation whose desired state the shadow service has accepted last. It stays while "
        "Ready is False for another reason. A status without it is of an earlier version, or of a Thing of which "
        "nothing was accepted yet.",
        json_schema_extra={"format": "int64"},
    )
    accepted_time: datetime | None = Field(
        default=None,
        description="Time when the shadow service was first found to hold the desired state of acceptedGeneration.",
    )
    endpoint: EndpointStatus | None = Field(default=None, description="The broker that the session uses.")
    certificate: CertificateStatus | None = Field(
        default=None, description="The certificate that the session uses, or used last."
    )
    shadow: ShadowStatus | None = Field(default=None, description="The device shadow as last read.")
    last_job: LastJob | None = Field(
        default=None, description="The job that the thing had last, while spec.device.jobs is not Ignore."
    )
    managed_paths: tuple[str, ...] | None = Field(
        default=None,
        description="JSON Pointers of the values that the operator has set, or is about to set, in the "
        "shadow's desired. A path that spec.desired no longer has is removed from the shadow.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    managed_reported_paths: tuple[str, ...] | None = Field(
        default=None,
        description="JSON Pointers of the values that the operator has set, or is about to set, in the "
        "shadow's reported. A path that spec.device no longer has is removed from the shadow.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
