// Clients for Node against the local cloud, unchanged. Run by test_foreign_clients.py with NODE_PATH to their packages.
//
// node foreign_clients.js CLIENT CLOUD_JSON THING CERTIFICATE KEY

"use strict";
const assert = require("node:assert");
const fs = require("node:fs");
const { once } = require("node:events");

const [client, cloudJson, thing, certificate, key] = process.argv.slice(2);
const info = JSON.parse(fs.readFileSync(cloudJson));
const shadow = `$aws/things/${thing}/shadow`;

function dial(protocolVersion) {
  return require("mqtt").connect({
    protocol: "mqtts",
    host: info.mqtt.host,
    port: info.mqtt.port,
    ca: fs.readFileSync(info.ca),
    cert: fs.readFileSync(certificate),
    key: fs.readFileSync(key),
    clientId: thing,
    protocolVersion,
    reconnectPeriod: 0,
  });
}

// MQTT.js with its own defaults, which are MQTT 3.1.1; MQTT 5 is refused with its reason.
async function mqtt() {
  const device = dial(4);
  await once(device, "connect");
  const granted = await device.subscribeAsync(`${shadow}/update/accepted`, { qos: 1 });
  assert.deepStrictEqual(granted.map((each) => each.qos), [1]);
  const answer = once(device, "message");
  await device.publishAsync(`${shadow}/update`, '{"state":{"reported":{"a":1}}}', { qos: 1 });
  const [topic, payload] = await answer;
  assert.strictEqual(topic, `${shadow}/update/accepted`);
  assert.strictEqual(JSON.parse(payload).version, 1);
  await device.endAsync();
  const [refused] = await once(dial(5), "error");
  assert.strictEqual(refused.code, 0x84);
}

// AWS's device SDK keeps the version over a deletion: its next update is refused until it registers again.
async function sdk() {
  const device = require("aws-iot-device-sdk").thingShadow({
    caPath: info.ca,
    certPath: certificate,
    keyPath: key,
    clientId: thing,
    host: info.mqtt.host,
    port: info.mqtt.port,
  });
  const register = () => new Promise((resolve) => device.register(thing, {}, resolve));
  const answer = async (request) => {
    const status = once(device, "status");
    request();
    const [, outcome, , body] = await status;
    return [outcome, body.code ?? body.version];
  };
  const report = (value) => answer(() => device.update(thing, { state: { reported: { a: value } } }));
  await once(device, "connect");
  await register();
  assert.deepStrictEqual(await report(1), ["accepted", 1]);
  assert.deepStrictEqual(await answer(() => device.delete(thing)), ["accepted", 1]);
  assert.deepStrictEqual(await report(2), ["rejected", 409]);
  device.unregister(thing);
  await register();
  assert.deepStrictEqual((await report(3))[0], "accepted");
  const delta = once(device, "delta");
  device.publish(`${shadow}/update`, '{"state":{"desired":{"b":1}}}', { qos: 1 });
  assert.deepStrictEqual((await delta)[1].state, { b: 1 });
  device.end();
}

({ mqtt, sdk })[client]().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
