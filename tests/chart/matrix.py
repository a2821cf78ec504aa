"""Values that are rendered as a whole: each is a way to install."""

from tests.chart.rendering import Json

MONITORED: Json = {
    "prometheusRule": {"enabled": True, "ruleLabels": {"team": "cold-chain"}},
    "grafanaDashboards": {"enabled": True, "annotations": {"grafana_folder": "IoT"}},
}
EVERYTHING: Json = {
    **MONITORED,
    "commonLabels": {"team": "cold-chain"},
    "commonAnnotations": {"example.com/owner": "me"},
    "config": {"endpoint": {"host": "b.example", "port": 8884}, "session": {"proxy": "http://u@p:3128"}},
    "endpointCa": {"configMapName": "ca"},
    "proxyPassword": {"secretName": "proxy"},
    "podDisruptionBudget": {"enabled": True},
    "networkPolicy": {
        "enabled": True,
        "brokerCidrs": ["10.0.0.0/8"],
        "apiServerCidrs": ["fd00::/8"],
        "metricsFrom": [{"namespaceSelector": {}}],
        "extraEgress": [{"ports": [{"port": 3128}]}],
        "extraIngress": [{"from": [{"podSelector": {}}]}],
    },
    "serviceMonitor": {"enabled": True, "interval": "30s", "relabelings": [{"action": "drop"}]},
    "podMonitor": {"enabled": True, "scrapeTimeout": "5s"},
    "imagePullSecrets": [{"name": "pull"}],
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "edge", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "extraArgs": ["--all-namespaces"],
    "extraEnv": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    "extraVolumes": [{"name": "v", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}],
    "extraContainers": [{"name": "sidecar", "image": "x"}],
    "extraObjects": ["apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-extra\n"],
    "serviceAccount": {"annotations": {"a": "b"}},
}
MATRIX: dict[str, Json] = {
    "defaults": {},
    "everything": EVERYTHING,
    "namespaced": {"namespaces": ["team-a", "team-b"], "rbac": {"batches": False, "aggregateToView": False}},
    "everything, namespaced": EVERYTHING | {"namespaces": ["team-a"], "endpointCa": {"secretName": "ca"}},
    "no ports": {
        "config": {"metrics": {"port": 0}, "health": {"port": 0}},
        "networkPolicy": {"enabled": True},
    },
    "bare": {
        "rbac": {"create": False, "userRoles": False},
        "serviceAccount": {"create": False},
        "tests": {"enabled": False},
        "resources": {"limits": {"memory": "", "ephemeral-storage": ""}, "requests": {"cpu": ""}},
        "podDisruptionBudget": {"enabled": True, "minAvailable": "50%"},
    },
    "paused, long names": {
        "replicas": 0,
        "fullnameOverride": "x" * 50,
        "image": {"digest": "sha256:" + "0" * 64},
    },
    "three replicas": {
        "replicas": 3,
        "config": {"sharding": {"leaseDuration": "6s", "renewInterval": "1500ms"}},
    },
    "bridge": {
        "config": {"bridge": {"port": 8090}},
        "networkPolicy": {"enabled": True, "bridgeFrom": [{"namespaceSelector": {}}]},
    },
    "openshift": {
        "openshift": True,
        "hostUsers": False,
        "rbac": {"aggregateToEdit": True},
        "resources": {"limits": {"memory": ""}},
    },
}
