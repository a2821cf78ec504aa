"""A real Kubernetes control plane on this machine: etcd, kube-apiserver and controllers."""

from thing_operator_local.controlplane.plane import ControlPlane
from thing_operator_local.toolchain.programs import CONTROL_PLANE, HELM, SCANNERS, locate_binaries

__all__ = ["CONTROL_PLANE", "HELM", "SCANNERS", "ControlPlane", "locate_binaries"]
