{{- define "thing-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Prefix of all names. At most 50 characters, so that what is appended to it stays below 63. */}}
{{- define "thing-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{- $name := include "thing-operator.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Name of what has no namespace: two releases of one name in two namespaces must not share it. */}}
{{- define "thing-operator.clusterName" -}}
{{- $full := include "thing-operator.fullname" . -}}
{{- if contains .Release.Namespace $full -}}
{{- $full }}
{{- else -}}
{{- printf "%s-%s" .Release.Namespace $full | trunc 120 }}
{{- end -}}
{{- end }}

{{- define "thing-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "thing-operator.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{- default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "thing-operator.releaseLabels" -}}
app.kubernetes.io/name: {{ include "thing-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The operator's pod and no other of the release. */}}
{{- define "thing-operator.selectorLabels" -}}
{{ include "thing-operator.releaseLabels" . }}
app.kubernetes.io/component: operator
{{- end }}

{{/* The pod of helm test. */}}
{{- define "thing-operator.testLabels" -}}
{{ include "thing-operator.releaseLabels" . }}
app.kubernetes.io/component: test
{{- end }}

{{/*
Labels and annotations of an object: (list root labels annotations), where the object's own go before the common ones.
They stand under "metadata:", indented by two.
*/}}
{{- define "thing-operator.metadata" -}}
{{- $root := index . 0 -}}
{{- $fixed := include "thing-operator.releaseLabels" $root | fromYaml -}}
{{- $_ := set $fixed "app.kubernetes.io/version" ($root.Chart.AppVersion | toString) -}}
{{- $_ := set $fixed "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $fixed "helm.sh/chart" (printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_")) -}}
labels:
  {{- toYaml (merge $fixed (deepCopy (index . 1)) $root.Values.commonLabels) | nindent 2 }}
{{- with merge (deepCopy (index . 2)) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "thing-operator.image" -}}
{{- $repository := .Values.image.repository -}}
{{- with .Values.image.registry }}{{ $repository = printf "%s/%s" (trimSuffix "/" .) $repository }}{{ end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end -}}
{{- end }}

{{/*
A value that is a part of a manifest: (list value leftOut), without the keys that are "", those named in leftOut, and maps
that are empty then. Null would not do: where this chart is a part of another, Helm 4 ignores it in the parent's values.
*/}}
{{- define "thing-operator.given" -}}
{{- $value := deepCopy (default dict (index . 0)) -}}
{{- range index . 1 }}{{ $_ := unset $value . }}{{ end -}}
{{- include "thing-operator.removeEmpty" $value -}}
{{- with $value }}{{ toYaml . }}{{ end -}}
{{- end }}

{{- define "thing-operator.removeEmpty" -}}
{{- $map := . -}}
{{- range $key, $value := . -}}
{{- if kindIs "map" $value }}{{ include "thing-operator.removeEmpty" $value }}{{ end -}}
{{- if or (kindIs "invalid" $value) (and (kindIs "string" $value) (not $value)) (and (kindIs "map" $value) (not $value)) -}}
{{- $_ := unset $map $key -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Security context of the pods. OpenShift gives each namespace users and groups of its own, and refuses others. */}}
{{- define "thing-operator.podSecurityContext" -}}
{{- $platforms := ternary (list "runAsUser" "runAsGroup" "fsGroup") list .Values.openshift -}}
{{- include "thing-operator.given" (list .Values.podSecurityContext $platforms) -}}
{{- end }}

{{/*
Seconds between SIGTERM and SIGKILL: 1.5 times what the Things of one replica need to connect elsewhere, and 30. A session
takes one CONNECT and as many subscriptions as it has filters.
*/}}
{{- define "thing-operator.gracePeriod" -}}
{{- if kindIs "string" .Values.terminationGracePeriodSeconds -}}
{{- $filters := ternary 3 7 (eq (dig "session" "topicFilters" "exact" .Values.config) "wildcard") -}}
{{- $pacing := dig "pacing" dict .Values.config -}}
{{- $subscriptions := divf (default 400 $pacing.subscriptionsPerSecond | float64) $filters -}}
{{- $rate := minf (default 400 $pacing.connectsPerSecond | float64) $subscriptions -}}
{{- addf 30 (divf (mulf 1.5 .Values.thingsPerReplica) $rate) | ceil | int64 }}
{{- else -}}
{{- .Values.terminationGracePeriodSeconds | int64 }}
{{- end -}}
{{- end }}

{{/* How long of that a replica waits for the others to take its Things one by one; what is left it ends at once. */}}
{{- define "thing-operator.drainTimeout" -}}
{{- $grace := include "thing-operator.gracePeriod" . | int64 -}}
{{- printf "%ds" (sub $grace (max 10 (div $grace 5))) }}
{{- end }}

{{/* Pods of one version over hosts and zones, unless the values say otherwise. */}}
{{- define "thing-operator.spread" -}}
{{- $spread := .Values.topologySpreadConstraints -}}
{{- if and (not $spread) (gt (int .Values.replicas) 1) -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" -}}
{{- $each := dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway" -}}
{{- $spread = append $spread (set $each "matchLabelKeys" (list "pod-template-hash")) -}}
{{- end -}}
{{- end -}}
{{- toYaml $spread }}
{{- end }}

{{/* Ports that the operator listens on, from its settings; 0 is off. */}}
{{- define "thing-operator.metricsPort" -}}
{{- dig "metrics" "port" 9090 .Values.config | int }}
{{- end }}

{{- define "thing-operator.healthPort" -}}
{{- dig "health" "port" 8080 .Values.config | int }}
{{- end }}

{{- define "thing-operator.bridgePort" -}}
{{- dig "bridge" "port" 0 .Values.config | int }}
{{- end }}

{{- define "thing-operator.hasEndpointCa" -}}
{{- if or .Values.endpointCa.configMapName .Values.endpointCa.secretName }}true{{ end -}}
{{- end }}

{{/* The configuration file. */}}
{{- define "thing-operator.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- with .Values.namespaces }}{{ $_ := set $config "namespaces" . }}{{ end -}}
{{- if include "thing-operator.hasEndpointCa" . -}}
{{- $file := printf "/etc/thing-operator/endpoint-ca/%s" .Values.endpointCa.key -}}
{{- $_ := set $config "endpoint" (set (default dict $config.endpoint) "caFile" $file) -}}
{{- end -}}
{{- if .Values.proxyPassword.secretName -}}
{{- $file := printf "/etc/thing-operator/proxy/%s" .Values.proxyPassword.key -}}
{{- $_ := set $config "session" (set (default dict $config.session) "proxyPasswordFile" $file) -}}
{{- end -}}
{{- if $config }}{{ toYaml $config }}{{ else }}{}{{ end -}}
{{- end }}

{{/* What the operator does, by namespace: each rule with its reason. Nothing else is ever asked of the API server. */}}
{{- define "thing-operator.rules" -}}
# The work itself: what is to be run.
- apiGroups: [thing-operator.io]
  resources: [things, thingbatches]
  verbs: [get, list, watch]
# Where the outcome is written. Status only: spec and metadata stay their owners'.
- apiGroups: [thing-operator.io]
  resources: [things/status, thingbatches/status]
  verbs: [patch]
# The finalizer of Things whose deletionPolicy is Clear or Delete, and of no other.
- apiGroups: [thing-operator.io]
  resources: [things]
  verbs: [patch]
# Credentials of things, CAs of brokers, zips of batches: watched by name alone, read when a Thing or ThingBatch names them.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
# CAs of brokers in ConfigMaps (spec.endpoint.caConfigMapName).
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
# One Event per transition; the same again counts up the one there is.
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
# Which operator runs a namespace: one Lease of this name in each, or one for all. No other Lease may be touched.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [thing-operator.io]
  verbs: [get, list, watch, create, update, delete]
{{- if .Values.rbac.batches }}
# What a ThingBatch makes, renews and, where its policies say Delete, deletes: a Secret and on request a Thing for each thing.
# The operator touches those only that carry the label it gives them, and the source Secrets of a batch that asks for
# removeSource; rbac.batches=false takes the right away.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch, delete]
- apiGroups: [thing-operator.io]
  resources: [things]
  verbs: [create, delete]
# The finalizer of ThingBatches whose deletionPolicy is Delete, and of no other.
- apiGroups: [thing-operator.io]
  resources: [thingbatches]
  verbs: [patch]
{{- end }}
{{- end }}
