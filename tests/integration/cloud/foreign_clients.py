# mypy: ignore-errors
"""Clients for Python against the local cloud, unchanged. Run by test_foreign_clients.py with their packages alone.

python foreign_clients.py CLIENT CLOUD_JSON THING CERTIFICATE KEY
"""

import json
import queue
import socket
import ssl
import sys
import time
from pathlib import Path

OTHER = "somebody-else"
WITHIN = 20


def boto3_client(service, info, certificate, key):
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        region_name="eu-west-1",
        endpoint_url=info["dataPlane"],
        verify=info["ca"],
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(client_cert=(certificate, key), retries={"max_attempts": 0}),
    )


def expect(error, call, **arguments):
    try:
        call(**arguments)
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


def boto3_iot_data(info, thing, certificate, key):
    """Its typed exceptions come of ``x-amzn-errortype``."""
    client = boto3_client("iot-data", info, certificate, key)
    errors = client.exceptions

    expect(errors.ResourceNotFoundException, client.get_thing_shadow, thingName=thing)
    expect(errors.ResourceNotFoundException, client.delete_thing_shadow, thingName=thing)
    expect(errors.InvalidRequestException, client.update_thing_shadow, thingName=thing, payload=b"{")
    answer = client.update_thing_shadow(thingName=thing, payload=b'{"state":{"desired":{"a":1}}}')
    assert json.loads(answer["payload"].read())["version"] == 1
    conflict = b'{"state":{},"version":7}'
    expect(errors.ConflictException, client.update_thing_shadow, thingName=thing, payload=conflict)
    large = json.dumps({"state": {"desired": {"a": "x" * 9000}}})
    expect(errors.RequestEntityTooLargeException, client.update_thing_shadow, thingName=thing, payload=large)
    expect(
        errors.UnsupportedDocumentEncodingException,
        client.update_thing_shadow,
        thingName=thing,
        payload=b"\xff",
    )
    expect(errors.ClientError, client.get_thing_shadow, thingName=OTHER)
    client.update_thing_shadow(thingName=thing, shadowName="n1", payload=b'{"state":{"desired":{"b":1}}}')
    assert client.list_named_shadows_for_thing(thingName=thing)["results"] == ["n1"]
    topic = f"$aws/things/{thing}/shadow/update"
    client.publish(topic=topic, qos=1, payload=b'{"state":{"reported":{"a":2}}}')
    expect(
        errors.ForbiddenException, client.publish, topic=f"$aws/things/{OTHER}/shadow/update", payload=b"{}"
    )
    deadline = time.monotonic() + WITHIN
    while (shadow := json.loads(client.get_thing_shadow(thingName=thing)["payload"].read()))["version"] == 1:
        assert time.monotonic() < deadline
    assert shadow["state"]["reported"] == {"a": 2}
    answer = client.delete_thing_shadow(thingName=thing)
    assert json.loads(answer["payload"].read())["version"] == 2
    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


def connected(info, thing, certificate, key):
    from awsiot import mqtt_connection_builder

    connection = mqtt_connection_builder.mtls_from_path(
        cert_filepath=certificate,
        pri_key_filepath=key,
        endpoint=info["mqtt"]["host"],
        port=info["mqtt"]["port"],
        ca_filepath=info["ca"],
        client_id=thing,
        clean_session=True,
    )
    connection.connect().result(WITHIN)
    return connection


def shadow_client(info, thing, certificate, key):
    """awsiotsdk's IotShadowClient on its MQTT 3.1.1 connection."""
    from awscrt.mqtt import QoS
    from awsiot import iotshadow

    connection = connected(info, thing, certificate, key)
    client = iotshadow.IotShadowClient(connection)
    seen = queue.Queue()

    def subscribe(call, request):
        call(request=request, qos=QoS.AT_LEAST_ONCE, callback=seen.put)[0].result(WITHIN)

    get = iotshadow.GetShadowSubscriptionRequest(thing_name=thing)
    update = iotshadow.UpdateShadowSubscriptionRequest(thing_name=thing)
    delta = iotshadow.ShadowDeltaUpdatedSubscriptionRequest(thing_name=thing)
    subscribe(client.subscribe_to_get_shadow_rejected, get)
    subscribe(client.subscribe_to_update_shadow_accepted, update)
    subscribe(client.subscribe_to_update_shadow_rejected, update)
    subscribe(client.subscribe_to_shadow_delta_updated_events, delta)
    client.publish_get_shadow(iotshadow.GetShadowRequest(thing_name=thing), QoS.AT_LEAST_ONCE)
    assert seen.get(timeout=WITHIN).code == 404
    state = iotshadow.ShadowState(desired={"a": 1}, reported={"b": 2})
    request = iotshadow.UpdateShadowRequest(thing_name=thing, state=state, client_token="t")
    client.publish_update_shadow(request, QoS.AT_LEAST_ONCE)
    answers = {type(answer).__name__: answer for answer in (seen.get(timeout=WITHIN) for _ in range(2))}
    assert answers["UpdateShadowResponse"].state.reported == {"b": 2}
    assert answers["UpdateShadowResponse"].client_token == "t"
    assert answers["ShadowDeltaUpdatedEvent"].state == {"a": 1}
    stale = iotshadow.UpdateShadowRequest(thing_name=thing, state=state, version=7)
    client.publish_update_shadow(stale, QoS.AT_LEAST_ONCE)
    assert seen.get(timeout=WITHIN).code == 409
    connection.disconnect().result(WITHIN)


def shadow_client_v2(info, thing, certificate, key):
    """awsiotsdk's IotShadowClientV2: request and response by token, on the MQTT 3.1.1 connection."""
    from awscrt.mqtt_request_response import ClientOptions
    from awsiot import V2ServiceException, iotshadow

    connection = connected(info, thing, certificate, key)
    client = iotshadow.IotShadowClientV2(connection, ClientOptions(4, 2, WITHIN))
    state = iotshadow.ShadowState(desired={"a": 1})
    update = iotshadow.UpdateShadowRequest(thing_name=thing, state=state)
    assert client.update_shadow(update).result(WITHIN).version == 1
    assert client.get_shadow(iotshadow.GetShadowRequest(thing_name=thing)).result(WITHIN).state.desired == {
        "a": 1
    }
    missing = iotshadow.GetNamedShadowRequest(thing_name=thing, shadow_name="none")
    refused = client.get_named_shadow(missing).exception(WITHIN)
    assert isinstance(refused, V2ServiceException)
    assert refused.modeled_error.code == 404
    assert client.delete_shadow(iotshadow.DeleteShadowRequest(thing_name=thing)).result(WITHIN).version == 1
    connection.disconnect().result(WITHIN)


def jobs_client(info, thing, certificate, key):
    """awsiotsdk's IotJobsClient on its MQTT 3.1.1 connection: two jobs, first and second, wait for the thing."""
    from awscrt.mqtt import QoS
    from awsiot import iotjobs

    connection = connected(info, thing, certificate, key)
    client = iotjobs.IotJobsClient(connection)
    seen, next_ones = queue.Queue(), queue.Queue()

    def subscribe(call, request, put=seen.put):
        call(request=request, qos=QoS.AT_LEAST_ONCE, callback=put)[0].result(WITHIN)

    subscribe(
        client.subscribe_to_next_job_execution_changed_events,
        iotjobs.NextJobExecutionChangedSubscriptionRequest(thing_name=thing),
        next_ones.put,
    )
    start = iotjobs.StartNextPendingJobExecutionSubscriptionRequest(thing_name=thing)
    subscribe(client.subscribe_to_start_next_pending_job_execution_accepted, start)
    update = iotjobs.UpdateJobExecutionSubscriptionRequest(thing_name=thing, job_id="+")
    subscribe(client.subscribe_to_update_job_execution_accepted, update)
    subscribe(client.subscribe_to_update_job_execution_rejected, update)
    pending = iotjobs.GetPendingJobExecutionsSubscriptionRequest(thing_name=thing)
    subscribe(client.subscribe_to_get_pending_job_executions_accepted, pending)

    def ask(publish, request):
        publish(request, QoS.AT_LEAST_ONCE)
        return seen.get(timeout=WITHIN)

    def end(job_id, version):
        request = iotjobs.UpdateJobExecutionRequest(
            thing_name=thing,
            job_id=job_id,
            status=iotjobs.JobStatus.SUCCEEDED,
            status_details={"took": "1 s"},
            expected_version=version,
        )
        return ask(client.publish_update_job_execution, request)

    found = ask(
        client.publish_get_pending_job_executions, iotjobs.GetPendingJobExecutionsRequest(thing_name=thing)
    )
    assert [each.job_id.rpartition("-")[2] for each in found.queued_jobs] == ["first", "second"]
    request = iotjobs.StartNextPendingJobExecutionRequest(thing_name=thing, step_timeout_in_minutes=5)
    started = ask(client.publish_start_next_pending_job_execution, request).execution
    assert (started.status, started.job_document) == (iotjobs.JobStatus.IN_PROGRESS, {"do": "it"})
    refused = end(started.job_id, 7)
    assert refused.code == iotjobs.RejectedErrorCode.VERSION_MISMATCH
    assert refused.execution_state.version_number == started.version_number
    assert isinstance(end(started.job_id, started.version_number), iotjobs.UpdateJobExecutionResponse)
    assert next_ones.get(timeout=WITHIN).execution.job_id.endswith("second")
    refused = end(started.job_id, started.version_number)
    assert refused.code == iotjobs.RejectedErrorCode.INVALID_STATE_TRANSITION
    assert refused.execution_state.status == iotjobs.JobStatus.SUCCEEDED
    connection.disconnect().result(WITHIN)


def jobs_client_v2(info, thing, certificate, key):
    """awsiotsdk's IotJobsClientV2: request and response by token, on the MQTT 3.1.1 connection."""
    from awscrt.mqtt_request_response import ClientOptions
    from awsiot import V2ServiceException, iotjobs

    connection = connected(info, thing, certificate, key)
    client = iotjobs.IotJobsClientV2(connection, ClientOptions(8, 2, WITHIN))
    described = client.describe_job_execution(
        iotjobs.DescribeJobExecutionRequest(thing_name=thing, job_id="$next")
    ).result(WITHIN)
    assert described.execution.status == iotjobs.JobStatus.QUEUED
    started = client.start_next_pending_job_execution(
        iotjobs.StartNextPendingJobExecutionRequest(thing_name=thing)
    ).result(WITHIN)
    assert started.execution.job_id == described.execution.job_id
    ended = iotjobs.UpdateJobExecutionRequest(
        thing_name=thing, job_id=started.execution.job_id, status=iotjobs.JobStatus.FAILED
    )
    client.update_job_execution(ended).result(WITHIN)
    refused = client.update_job_execution(ended).exception(WITHIN)
    assert isinstance(refused, V2ServiceException)
    assert refused.modeled_error.code == iotjobs.RejectedErrorCode.INVALID_STATE_TRANSITION
    missing = iotjobs.DescribeJobExecutionRequest(thing_name=thing, job_id="none")
    refused = client.describe_job_execution(missing).exception(WITHIN)
    assert refused.modeled_error.code == iotjobs.RejectedErrorCode.RESOURCE_NOT_FOUND
    connection.disconnect().result(WITHIN)


def boto3_iot_jobs_data(info, thing, certificate, key):
    """Its typed exceptions come of ``x-amzn-errortype``."""
    client = boto3_client("iot-jobs-data", info, certificate, key)
    errors = client.exceptions

    assert len(client.get_pending_job_executions(thingName=thing)["queuedJobs"]) == 2
    started = client.start_next_pending_job_execution(thingName=thing, statusDetails={"a": "b"})["execution"]
    assert (started["status"], json.loads(started["jobDocument"])) == ("IN_PROGRESS", {"do": "it"})
    job = {"thingName": thing, "jobId": started["jobId"]}
    assert client.describe_job_execution(**job, includeJobDocument=False)["execution"]["versionNumber"] == 2
    expect(errors.InvalidRequestException, client.update_job_execution, **job, status="CANCELED")
    state = client.update_job_execution(**job, status="SUCCEEDED", includeJobExecutionState=True)
    assert state["executionState"]["versionNumber"] == 3
    expect(errors.TerminalStateException, client.describe_job_execution, **job)
    expect(errors.InvalidStateTransitionException, client.update_job_execution, **job, status="FAILED")
    expect(errors.ResourceNotFoundException, client.describe_job_execution, thingName=thing, jobId="none")
    expect(errors.ClientError, client.get_pending_job_executions, thingName=OTHER)


def mqtt_5(info, thing, certificate, key):
    """awscrt's MQTT 5 client is refused, and learns the reason."""
    from awscrt.mqtt5 import ConnectReasonCode
    from awsiot import mqtt5_client_builder

    failures = queue.Queue()
    client = mqtt5_client_builder.mtls_from_path(
        cert_filepath=certificate,
        pri_key_filepath=key,
        endpoint=info["mqtt"]["host"],
        port=info["mqtt"]["port"],
        ca_filepath=info["ca"],
        client_id=thing,
        on_lifecycle_connection_failure=failures.put,
    )
    client.start()
    refused = failures.get(timeout=WITHIN).connack_packet
    assert refused.reason_code is ConnectReasonCode.UNSUPPORTED_PROTOCOL_VERSION
    client.stop()


def sdk_v1(info, thing, certificate, key):
    """AWSIoTPythonSDK's shadow client, which sleeps two seconds after each subscription."""
    from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTShadowClient

    client = AWSIoTMQTTShadowClient(thing)
    client.configureEndpoint(info["mqtt"]["host"], info["mqtt"]["port"])
    client.configureCredentials(info["ca"], key, certificate)
    client.configureMQTTOperationTimeout(WITHIN)
    assert client.connect()
    shadow = client.createShadowHandlerWithName(thing, True)
    seen = queue.Queue()

    def answer(call, *arguments):
        call(*arguments, lambda payload, status, _token: seen.put((status, json.loads(payload))), WITHIN)
        return seen.get(timeout=WITHIN)

    status, body = answer(shadow.shadowGet)
    assert (status, body["code"]) == ("rejected", 404)
    status, body = answer(shadow.shadowUpdate, '{"state":{"desired":{"a":1}}}')
    assert (status, body["version"]) == ("accepted", 1)
    client.disconnect()


def minimqtt(info, thing, certificate, key):
    """Adafruit's client for small boards, on CPython's sockets."""
    from adafruit_minimqtt.adafruit_minimqtt import MQTT

    context = ssl.create_default_context(cafile=info["ca"])
    context.load_cert_chain(certificate, key)
    client = MQTT(
        broker=info["mqtt"]["host"],
        port=info["mqtt"]["port"],
        client_id=thing,
        is_ssl=True,
        socket_pool=socket,
        ssl_context=context,
        socket_timeout=1,
    )
    arrived = []
    client.on_message = lambda _client, topic, message: arrived.append((topic, json.loads(message)))
    client.connect()
    topic = f"$aws/things/{thing}/shadow/update"
    client.subscribe(f"{topic}/accepted", 1)
    client.publish(topic, '{"state":{"reported":{"a":1}}}', qos=1)
    deadline = time.monotonic() + WITHIN
    while not arrived:
        assert time.monotonic() < deadline
        client.loop(1)
    assert arrived[0][0] == f"{topic}/accepted"
    assert arrived[0][1]["state"] == {"reported": {"a": 1}}
    client.ping()
    client.disconnect()


if __name__ == "__main__":
    name, cloud_json, *identity = sys.argv[1:]
    globals()[name](json.loads(Path(cloud_json).read_text()), *identity)
