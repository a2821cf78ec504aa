"""A real Kubernetes control plane on this machine: etcd, kube-apiserver and controllers."""

from thing_operator_local.controlplane.binaries import CONTROL_PLANE, HELM, locate_binaries
from thing_operator_local.controlplane.plane import ControlPlane

__all__ = ["CONTROL_PLANE", "HELM", "ControlPlane", "locate_binaries"]
