#!/bin/sh
# kustomize 5.8.1 gives the hash of a generated ConfigMap to a name in a Role that is the name of another kind of object.
#
# A rule of a Role names objects of the resources that it lists. kustomize follows generated names there without
# looking at those resources: a Role for a Lease that has the name of a ConfigMap of the same kustomization allows,
# once rendered, a Lease that does not exist, and whoever uses the role meets 403. Nothing is said.
#
# Seen with Go 1.26.8:
#     resources [leases], resourceNames [app-HASH]
#
# Run it anywhere with Go: everything is fetched into a folder that is removed again. It fails when kustomize behaves
# otherwise.
set -eu
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
mkdir source bin
GOBIN="$folder/bin" go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
cat >source/role.yaml <<'YAML'
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: holder
rules:
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [app]
  verbs: [get, update]
YAML
cat >source/kustomization.yaml <<'YAML'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [role.yaml]
configMapGenerator:
- name: app
  literals: [colour=blue]
YAML
bin/kustomize build source >rendered
name=$(sed -n '/resourceNames:/{n;s/^ *- //p;}' rendered)
echo "resources [leases], resourceNames [$name]"
grep -q '^  - leases$' rendered
case $name in
app-*) ;;
*) echo "kustomize has changed" >&2; exit 1 ;;
esac
