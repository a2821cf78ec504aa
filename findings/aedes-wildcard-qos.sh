#!/bin/sh
# aedes 1.2.0: a filter with a wildcard and QoS 1 is sent messages of QoS 2, and beside it an exact filter loses its own.
#
# A broker sends a message at the lower of the QoS it was published with and the one it has granted (MQTT 3.1.1,
# [MQTT-3.8.4-6]), and where several filters of a client match, at the highest of them ([MQTT-3.3.5-1]). aedes looks the
# granted QoS up under the message's topic, which finds the exact filter only (`deliverQoS` in lib/client.js). So `a/#`
# with 1 has no limit, and a client for which QoS 2 does not exist, as AWS IoT's or those of small boards, is sent one;
# and of two filters that match, one with a wildcard and QoS 0 wins. Who follows a topic with QoS 1 and adds `a/#` with 0 to
# look on gets all of it without acknowledgement from then on. The SUBACK says what was asked for each time.
#
# Seen with Node.js 20.20.2 and mqtt 5.16.0, published to a/b with QoS 2:
#     a/b with 1: sent with QoS 1
#     a/# with 1: sent with QoS 2
#     a/b with 1, a/# with 0: sent with QoS 0
#     a/b with 0, a/# with 1: sent with QoS 0
#
# Run it anywhere with Node.js 20 or newer: everything is fetched into a folder that is removed again. It fails when aedes
# behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --prefix "$folder" aedes@1.2.0 mqtt@5.16.0 >/dev/null
cat >ask.mjs <<'JS'
import { once } from "node:events";
import net from "node:net";
import { Aedes } from "aedes";
import mqtt from "mqtt";

const broker = await Aedes.createBroker();
const server = net.createServer(broker.handle).listen(0, "127.0.0.1");
await once(server, "listening");
const url = `mqtt://127.0.0.1:${server.address().port}`;
const publisher = await mqtt.connectAsync(url);

// The QoS of what a client with these filters, each with its QoS, is sent when a message of QoS 2 is published to a/b.
async function sent(filters) {
  const client = await mqtt.connectAsync(url);
  const seen = [];
  client.on("message", (topic, _payload, packet) => topic === "a/b" && seen.push(packet.qos));
  await client.subscribeAsync("last", { qos: 0 });
  const last = new Promise((resolve) => client.on("message", (topic) => topic === "last" && resolve()));
  for (const [filter, qos] of filters) {
    const [granted] = await client.subscribeAsync(filter, { qos });
    if (granted.qos !== qos) throw new Error("granted otherwise");
  }
  await publisher.publishAsync("a/b", "1", { qos: 2 });
  while (!seen.length) await new Promise((resolve) => setTimeout(resolve, 20));
  await publisher.publishAsync("last", "1", { qos: 2 });
  await last;
  await client.endAsync();
  const names = filters.map(([filter, qos]) => `${filter} with ${qos}`);
  console.log(`${names.join(", ")}: sent with QoS ${seen}`);
  return String(seen);
}

const exact = await sent([["a/b", 1]]);
const wildcard = await sent([["a/#", 1]]);
const lookedOn = await sent([["a/b", 1], ["a/#", 0]]);
const other = await sent([["a/b", 0], ["a/#", 1]]);
const same = [exact, wildcard, lookedOn, other].join(" ") === "1 2 0 0";
if (!same) console.error("aedes behaves otherwise");
process.exit(same ? 0 : 1);
JS
node ask.mjs
