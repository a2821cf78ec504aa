"""What the operator and people may do: roles, bindings and the admission policy of the chart."""

import pytest
from tests.chart.rendering import Helm, Json, of_kind


def verbs_on(rules: list[Json], resource: str) -> set[str]:
    return {verb for rule in rules if resource in rule["resources"] for verb in rule["verbs"]}


def test_without_batches_no_secret_can_be_written(chart: Helm) -> None:
    def rules(*, batches: bool) -> list[Json]:
        roles = of_kind(chart.objects({"rbac": {"batches": batches}, "namespaces": ["a"]}), "Role")
        found: list[Json] = roles[0]["rules"]
        return found

    assert verbs_on(rules(batches=True), "secrets") == {"get", "list", "watch", "create", "patch", "delete"}
    assert verbs_on(rules(batches=False), "secrets") == {"get", "list", "watch"}
    assert verbs_on(rules(batches=False), "things") == {"get", "list", "watch", "patch"}


def cluster_rules(chart: Helm, values: Json) -> list[Json]:
    """What the operator may do in every namespace."""
    bound = {
        body["roleRef"]["name"]
        for body in of_kind(chart.objects(values), "ClusterRoleBinding")
        if body["roleRef"]["kind"] == "ClusterRole"
    }
    roles = of_kind(chart.objects(values), "ClusterRole")
    return [rule for role in roles if role["metadata"]["name"] in bound for rule in role["rules"]]


def test_secrets_are_written_everywhere_only_where_all_namespaces_are_run(chart: Helm) -> None:
    assert {"create", "patch", "delete"} <= verbs_on(cluster_rules(chart, {}), "secrets")
    assert not {"create", "patch", "delete"} & verbs_on(
        cluster_rules(chart, {"rbac": {"batches": False}}), "secrets"
    )
    assert verbs_on(cluster_rules(chart, {"namespaces": ["a"]}), "secrets") == set()


def test_the_end_of_a_namespace_takes_one_right_of_the_cluster(chart: Helm) -> None:
    [rule] = cluster_rules(chart, {"namespaces": ["a", "b"]})
    assert rule == {
        "apiGroups": ["thing-operator.io"],
        "resources": ["things", "thingbatches"],
        "verbs": ["patch"],
    }
    assert cluster_rules(chart, {"namespaces": ["a"], "rbac": {"namespaceDeletion": False}}) == []


def test_the_admission_policy_is_the_operators_and_no_wider_than_its_task(chart: Helm) -> None:
    def policy(values: Json) -> Json:
        [found] = of_kind(chart.objects(values), "ValidatingAdmissionPolicy")
        spec: Json = found["spec"]
        return spec

    everywhere = policy({"rbac": {"protectedNamespaces": ["kube-system", "vault"]}})
    assert everywhere["matchConditions"][0]["expression"].endswith(
        "'system:serviceaccount:ns:r-thing-operator'"
    )
    log = "request.resource.resource == 'configmaps' || "
    where = "!(request.namespace in ['kube-system','vault'])"
    assert everywhere["validations"][0]["expression"] == log + where
    assert "kube-system" in policy({})["validations"][0]["expression"]
    some = policy({"namespaces": ["a"], "rbac": {"batches": False}})
    assert some["validations"][0]["expression"] == log + "request.namespace in ['a']"
    assert {
        resource for rule in some["matchConstraints"]["resourceRules"] for resource in rule["resources"]
    } == {
        "secrets",
        "configmaps",
        "things",
        "thingbatches",
    }


@pytest.mark.parametrize(("view", "edit"), [(True, False), (False, True)])
def test_roles_for_people_are_aggregated_on_request(chart: Helm, *, view: bool, edit: bool) -> None:
    values: Json = {"rbac": {"aggregateToView": view, "aggregateToEdit": edit}}
    found = {
        body["metadata"]["name"].rpartition("-")[2]: {
            key.rpartition("-")[2] for key in body["metadata"]["labels"] if key.startswith("rbac.")
        }
        for body in of_kind(chart.objects(values if edit else {}), "ClusterRole")
    }
    assert found["view"] == ({"view", "edit", "admin"} if view else set())
    assert found["edit"] == ({"edit", "admin"} if edit else set())
