#!/bin/sh
# Kubernetes 1.37.2: without a schema, -18 and -17.5 are of two types, and kubectl does not sort what has both.
#
# JSON knows one kind of number. Kubernetes' decoder makes an int64 of what is written without a point, else a float64,
# and where no schema says `type: number` that stays. So what works with measured values for weeks fails with the first
# whole one: `kubectl get --sort-by` ends with an error and shows nothing, a filter of `-o jsonpath` (`<`, `>`, `==`)
# as well, and a ValidatingAdmissionPolicy that calculates refuses the object. It even refuses what it has let in: -18.0
# in a request is a float64, but is stored as -18, so that the policy agrees to the object and from then on to no change
# of it, be it a label. A CRD's own rules know the schema, where there is one for the field, and are not affected.
# Sort what `-o json` gives; in a policy write `double(object.spec.setpoint)`, which takes both.
#
# Seen with Go 1.26.8; kubectl and kube-apiserver 1.37.2 do what their libraries do here:
#     -18.5 and -17.5: sort: ok, filter: ok, a policy: true
#     -18.0 and -17.5: sort: ok, filter: ok, a policy: true
#     -18 and -17.5: sort: unsortable interface, filter: incompatible types for comparison, a policy: no such overload
#     -18.0 is stored as {"setpoint":-18}
#
# Run it anywhere with Go: the libraries are fetched into a folder that is removed again; their first build takes two
# minutes. It fails when one of them behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/util/jsonpath"
	"k8s.io/kubectl/pkg/cmd/get"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// freezer is what Kubernetes makes of an object with this setpoint.
func freezer(setpoint string) map[string]any {
	object := map[string]any{}
	if err := json.Unmarshal([]byte(`{"setpoint":`+setpoint+`}`), &object); err != nil {
		panic(err)
	}
	return object
}

// sortAll is kubectl get --sort-by={.setpoint}, which ends the process with what it does not sort.
func sortAll(setpoints []string) {
	objects := []runtime.Object{}
	for _, setpoint := range setpoints {
		objects = append(objects, &unstructured.Unstructured{Object: freezer(setpoint)})
	}
	must(get.SortObjects(unstructured.UnstructuredJSONScheme, objects, "{.setpoint}"))
}

func sorted(setpoints []string) string {
	said, err := exec.Command(os.Args[0], append([]string{"sort"}, setpoints...)...).CombinedOutput()
	if err == nil {
		return "ok"
	}
	_, reason, _ := strings.Cut(strings.TrimSpace(string(said)), "err: ")
	reason, _, _ = strings.Cut(reason, ":")
	return reason
}

func filtered(setpoints []string) string {
	items := []any{}
	for _, setpoint := range setpoints {
		items = append(items, freezer(setpoint))
	}
	path := jsonpath.New("freezers")
	if err := path.Parse("{.items[?(@.setpoint<-17.6)].setpoint}"); err != nil {
		panic(err)
	}
	if err := path.Execute(io.Discard, map[string]any{"items": items}); err != nil {
		return err.Error()
	}
	return "ok"
}

// allowed evaluates as a ValidatingAdmissionPolicy does, to which an object of a custom resource has no types.
func allowed(setpoint string) string {
	env := must(cel.NewEnv(cel.Variable("object", cel.DynType), cel.CrossTypeNumericComparisons(true)))
	rule, issues := env.Compile("object.setpoint * 1.8 + 32.0 < 50.0")
	if issues.Err() != nil {
		panic(issues.Err())
	}
	value, _, err := must(env.Program(rule)).Eval(map[string]any{"object": freezer(setpoint)})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(value.Value())
}

func main() {
	if len(os.Args) > 1 {
		sortAll(os.Args[2:])
		return
	}
	for _, one := range []string{"-18.5", "-18.0", "-18"} {
		both := []string{one, "-17.5"}
		fmt.Printf("%s: sort: %s, filter: %s, a policy: %s\n",
			strings.Join(both, " and "), sorted(both), filtered(both), allowed(one))
	}
	fmt.Printf("-18.0 is stored as %s\n", must(json.Marshal(freezer("-18.0"))))
}
GO
go mod init finding >/dev/null 2>&1
go get k8s.io/kubectl@v0.37.2 github.com/google/cel-go@v0.29.2 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
go build -o ask . >/dev/null
./ask | tee seen
cat >expected <<'TEXT'
-18.5 and -17.5: sort: ok, filter: ok, a policy: true
-18.0 and -17.5: sort: ok, filter: ok, a policy: true
-18 and -17.5: sort: unsortable interface, filter: incompatible types for comparison, a policy: no such overload
-18.0 is stored as {"setpoint":-18}
TEXT
cmp -s seen expected || { echo "Kubernetes has changed" >&2; exit 1; }
