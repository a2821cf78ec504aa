"""The local cloud's main line: a batch, its things over MQTT and REST, and both at once."""

from tests.support.cloud import Things
from tests.support.devices import Device

from thing_operator_local.cloud.client import LocalCloud


def test_update_over_mqtt_is_answered_and_kept(cloud: LocalCloud, things: Things) -> None:
    (thing,) = things(1)
    with Device(cloud.info, thing) as device:
        device.subscribe_all()
        device.publish(device.topics.get, {"clientToken": "g-1"})
        topic, refused = device.next()
        assert (topic, refused["code"], refused["clientToken"]) == ("get/rejected", 404, "g-1")

        device.publish(device.topics.update, {"state": {"desired": {"a": 1}}, "clientToken": "u-1"})
        answers = device.take(3)
        assert answers["update/accepted"]["state"] == {"desired": {"a": 1}}
        assert answers["update/delta"]["state"] == {"a": 1}
        assert answers["update/documents"]["current"]["state"] == {"desired": {"a": 1}}
        assert {answer.get("clientToken") for answer in answers.values()} == {"u-1"}
    document = cloud.get_shadow(thing)
    assert document is not None
    assert document["state"] == {"desired": {"a": 1}, "delta": {"a": 1}}


def test_change_over_rest_appears_on_mqtt_and_its_refusal_does_not(cloud: LocalCloud, things: Things) -> None:
    (thing,) = things(1)
    with Device(cloud.info, thing) as device:
        device.subscribe_all()
        assert cloud.get_shadow(thing) is None
        cloud.update_shadow(thing, {"reported": {"t": 21.5}})
        assert set(device.take(2)) == {"update/accepted", "update/documents"}
        cloud.delete_shadow(thing)
        assert device.next()[0] == "delete/accepted"
        device.expect_nothing_before("get")
