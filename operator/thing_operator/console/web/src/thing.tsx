// One Thing: what is the matter with it, its conditions in time, its values, its certificate and its Events.
import { useEffect, useMemo, useReducer, useState } from "preact/hooks";
import { Charts } from "./charts";
import { age, day, moment } from "./format";
import { History } from "./history";
import { followThing, now } from "./live";
import type { Condition, EventLine, ThingDetail, ValueLine } from "./model";
import { Age, type Column, Nothing, Panel, State, Table } from "./parts";
import { fleetPath } from "./route";
import { Timeline } from "./timeline";

const LINES_AT_FIRST = 4;

interface Seen {
  detail: ThingDetail | null | undefined;
  events: { lines: EventLine[]; trouble: string | null };
  /** Why no values come by the bridge; null when they do. */
  bridge: { trouble: string | null };
  history: History;
}

/** The Thing as it is now, undefined until it is known; and what the page has seen of it. */
function useThing(key: string): Seen {
  const [, redraw] = useReducer((turn: number) => turn + 1, 0);
  const seen = useMemo<Seen>(
    () => ({ detail: undefined, events: { lines: [], trouble: null }, bridge: { trouble: "" }, history: new History(Date.now() / 1000) }),
    [key],
  );
  useEffect(
    () =>
      followThing(key, {
        onThing: (detail) => {
          seen.detail = detail;
          if (detail && !detail.trouble) seen.history.add(detail, Date.now() / 1000, seen.bridge.trouble !== null);
          redraw(0);
        },
        onEvents: (events) => {
          seen.events = events;
          redraw(0);
        },
        onSamples: (samples) => {
          for (const each of samples) seen.history.addSample(each);
          redraw(0);
        },
        onBridge: (bridge) => {
          seen.bridge = bridge;
          redraw(0);
        },
      }),
    [key, seen],
  );
  return seen;
}

function Chain({ detail }: { detail: ThingDetail }) {
  return (
    <ol class="chain">
      {detail.chain.map((link) => (
        <li key={link.name}>
          <div class="step">
            <State health={link.health}>{link.name}</State>
            <span class="reason">{link.reason}</span>
            <span class="dim">
              <Age time={link.since} />
            </span>
          </div>
          <p>{link.message}</p>
        </li>
      ))}
    </ol>
  );
}

const CONDITIONS: readonly Column<Condition>[] = [
  {
    title: "Condition",
    cell: (each) => (
      <State health={each.health}>
        {each.type} <span class="dim">{each.status}</span>
      </State>
    ),
    heads: true,
  },
  { title: "Reason", cell: (each) => each.reason },
  { title: "For", cell: (each) => <Age time={each.since} />, kind: "number" },
  { title: "Message", cell: (each) => each.message, kind: "wrap" },
];

function Value({ text, absent = "–" }: { text: string | null; absent?: string }) {
  return text === null ? <span class="dim">{absent}</span> : <bdi class="mono value">{text}</bdi>;
}

function Values({ values, shown, onToggle }: { values: readonly ValueLine[]; shown: ReadonlySet<string>; onToggle: (pointer: string) => void }) {
  const columns: readonly Column<ValueLine>[] = [
    { title: "Path", cell: (each) => <bdi class="mono">{each.pointer}</bdi>, heads: true },
    { title: "Desired", cell: (each) => <Value text={each.desired} /> },
    { title: "Reported", cell: (each) => <Value text={each.reported} /> },
    { title: "Delta", cell: (each) => <Value text={each.delta} absent="" /> },
    {
      title: <span class="unseen">As a line</span>,
      cell: (each) =>
        each.number !== null && (
          <button type="button" class="plain" aria-pressed={shown.has(each.pointer)} aria-label={`line of ${each.pointer}`} title="show as a line" onClick={() => onToggle(each.pointer)}>
            ∿
          </button>
        ),
      kind: "number",
    },
  ];
  return <Table name="Values" columns={columns} rows={values} keyOf={(each) => each.pointer} kindOf={(each) => (each.delta === null ? "" : "pending")} />;
}

function ValuesPanel({ detail, history, bridge }: { detail: ThingDetail; history: History; bridge: Seen["bridge"] }) {
  // What nobody desires is measured: those lines are the ones that move.
  const numbers = detail.values.filter((each) => each.number !== null && each.desired === null).map((each) => each.pointer);
  const [chosen, setChosen] = useState<ReadonlySet<string> | null>(null);
  const shown = chosen ?? new Set(numbers.slice(0, LINES_AT_FIRST));
  const toggle = (pointer: string): void => {
    const next = new Set(shown);
    if (!next.delete(pointer)) next.add(pointer);
    setChosen(next);
  };
  const shadow = detail.shadow;
  const aside = shadow && (
    <>
      version {shadow.version} · {shadow.bytes} bytes · {shadow.reported === null ? "nothing reported" : <>reported <Age time={shadow.reported} /> ago</>} ·{" "}
      <span title={bridge.trouble ?? "each report, as it comes"}>lines by {bridge.trouble === null ? "the bridge" : "status"}</span>
    </>
  );
  return (
    <Panel title="Shadow" aside={aside} wide>
      {detail.values.length ? <Values values={detail.values} shown={shown} onToggle={toggle} /> : <Nothing>No values yet</Nothing>}
      {detail.notes.map((note) => (
        <Nothing key={note}>{note}</Nothing>
      ))}
      <Charts history={history} pointers={[...history.series.keys()].filter((pointer) => shown.has(pointer))} />
    </Panel>
  );
}

function Certificate({ detail }: { detail: ThingDetail }) {
  const certificate = detail.certificate;
  if (detail.parent) return <Nothing>That of its parent, Thing {detail.parent}, is used</Nothing>;
  if (!certificate) return <Nothing>No certificate is known yet</Nothing>;
  const { begins, ends } = certificate;
  const spent = Math.min(Math.max((now.value - begins) / (ends - begins), 0), 1);
  return (
    <>
      <div class="life" role="img" aria-label={`${Math.round(100 * spent)} % of its life have passed`}>
        <i class={`fill ${spent > 0.9 ? "Waiting" : "Good"}`} style={{ width: `${100 * spent}%` }} />
      </div>
      <dl>
        <dt>Ends</dt>
        <dd>
          {day(ends)} <span class="dim">{ends > now.value ? `in ${age(ends - now.value)}` : `${age(now.value - ends)} ago`}</span>
        </dd>
        <dt>Begins</dt>
        <dd>{day(begins)}</dd>
        <dt>Secret</dt>
        <dd class="mono">{certificate.secret}</dd>
        <dt>SHA-256</dt>
        <dd class="mono breaks">{certificate.fingerprint}</dd>
      </dl>
    </>
  );
}

const EVENTS: readonly Column<EventLine>[] = [
  { title: "Last", cell: (each) => <Age time={each.last} />, kind: "number" },
  { title: "Reason", cell: (each) => <State health={each.type === "Warning" ? "Failed" : "Good"}>{each.reason}</State> },
  { title: "Times", cell: (each) => each.count, kind: "number" },
  { title: "Message", cell: (each) => each.message, kind: "wrap" },
];

function Events({ events }: { events: Seen["events"] }) {
  if (events.trouble) return <Nothing>{events.trouble}</Nothing>;
  if (!events.lines.length) return <Nothing>None: the API server keeps Events for an hour</Nothing>;
  return <Table name="Events" columns={EVENTS} rows={events.lines} keyOf={(each) => each.name} />;
}

function Facts({ detail }: { detail: ThingDetail }) {
  const { line } = detail;
  return (
    <p class="facts">
      <span>
        thing <b class="mono">{line.thingName}</b>
      </span>
      <span>
        policy <b>{detail.policy}</b>
      </span>
      {detail.endpoint && <span class="mono">{detail.endpoint}</span>}
      {line.batch && <span>batch {line.batch}</span>}
      <span>
        generation {detail.generation}
        {detail.observed !== null && detail.observed >= 0 && detail.observed < detail.generation && `, seen up to ${detail.observed}`}
      </span>
      {detail.created !== null && <span>made {moment(detail.created)}</span>}
    </p>
  );
}

export function Thing({ thingKey }: { thingKey: string }) {
  const { detail, events, bridge, history } = useThing(thingKey);
  const [namespace, name] = thingKey.split("/");
  return (
    <main class="view thing" tabIndex={-1} aria-label={thingKey}>
      <nav class="crumbs" aria-label="Back">
        <a href={fleetPath.value}>← Things</a>
      </nav>
      <header class="title">
        <h1>
          <span class="namespace">{namespace}/</span>
          {name}
        </h1>
        {detail && !detail.trouble && (
          <span class={`badge ${detail.line.health}`}>
            <State health={detail.line.health}>{detail.line.reason}</State>
          </span>
        )}
      </header>
      {detail === undefined && <Nothing>Reading …</Nothing>}
      {detail === null && <Nothing>There is no such Thing, or it was deleted</Nothing>}
      {detail?.trouble && <Nothing>{detail.trouble}</Nothing>}
      {detail && !detail.trouble && (
        <>
          <Facts detail={detail} />
          <div class="panels">
            <Panel title="From Secret to device">
              <Chain detail={detail} />
            </Panel>
            <Panel title="Certificate">
              <Certificate detail={detail} />
            </Panel>
            <ValuesPanel detail={detail} history={history} bridge={bridge} />
            <Panel title="Conditions" wide>
              <Table name="Conditions" columns={CONDITIONS} rows={detail.conditions} keyOf={(each) => each.type} />
              <Timeline history={history} events={events.lines} />
            </Panel>
            <Panel title="Events" wide>
              <Events events={events} />
            </Panel>
          </div>
        </>
      )}
    </main>
  );
}
