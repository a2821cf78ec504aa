// The Things that match, a row each; only the rows that can be seen are in the document.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Filter, SortKey } from "./filter";
import { day } from "./format";
import { now } from "./live";
import type { ThingLine } from "./model";
import { Age, State } from "./parts";
import { ask, go, thingPath } from "./route";
import { useVirtualRows } from "./virtual";

const ROW_HEIGHT = 30;
const SOON_SECONDS = 30 * 86400;

const COLUMNS: readonly { key: SortKey; title: string; hint: string }[] = [
  { key: "health", title: "State", hint: "what Ready says" },
  { key: "name", title: "Thing", hint: "namespace and name" },
  { key: "thingName", title: "Name at MIC", hint: "the MQTT client id" },
  { key: "connected", title: "Session", hint: "the condition Connected" },
  { key: "pending", title: "Pending", hint: "desired values that the device has not reported" },
  { key: "reported", title: "Reported", hint: "the newest reported value" },
  { key: "ends", title: "Certificate", hint: "when it ends" },
  { key: "since", title: "For", hint: "since when Ready says so" },
];

function Heading({ column, filter }: { column: (typeof COLUMNS)[number]; filter: Filter }) {
  const isOn = filter.sort === column.key;
  const order = isOn ? (filter.descending ? "descending" : "ascending") : "none";
  return (
    <div role="columnheader" class={`c-${column.key}`} aria-sort={order}>
      <button type="button" title={column.hint} onClick={() => ask({ sort: isOn && !filter.descending ? `-${column.key}` : column.key })}>
        {column.title}
        <span aria-hidden="true">{isOn ? (filter.descending ? " ↓" : " ↑") : ""}</span>
      </button>
    </div>
  );
}

const SESSIONS: Record<string, string> = { True: "up", False: "down" };

function Cells({ line }: { line: ThingLine }) {
  const endsSoon = line.ends !== null && line.ends - now.value < SOON_SECONDS;
  return (
    <>
      <div role="gridcell" class="c-health">
        <State health={line.health}>{line.reason}</State>
      </div>
      <div role="gridcell" class="c-name">
        <a href={thingPath(line.key)} tabIndex={-1}>
          <span class="namespace">{line.namespace}/</span>
          {line.name}
        </a>
      </div>
      <div role="gridcell" class="c-thingName mono">
        {line.thingName}
      </div>
      <div role="gridcell" class={`c-connected ${line.connected === "False" ? "dim" : ""}`}>
        {SESSIONS[line.connected] ?? "unknown"}
      </div>
      <div role="gridcell" class="c-pending number">
        {line.pending || ""}
      </div>
      <div role="gridcell" class="c-reported number">
        <Age time={line.reported} />
      </div>
      <div role="gridcell" class={`c-ends number ${endsSoon ? "state Waiting" : ""}`}>
        {line.ends === null ? "–" : day(line.ends)}
      </div>
      <div role="gridcell" class="c-since number">
        <Age time={line.since} />
      </div>
      <div role="gridcell" class="c-message" title={line.message}>
        {line.message}
      </div>
    </>
  );
}

/** The key of the row that was selected last: who comes back from a Thing goes on there. */
let selected = "";

export function FleetTable({ lines, filter }: { lines: readonly ThingLine[]; filter: Filter }) {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualRows(lines.length, scroller, ROW_HEIGHT);
  const [active, setActive] = useState(() => Math.max(lines.findIndex((line) => line.key === selected), 0));
  const current = Math.min(active, Math.max(lines.length - 1, 0));

  useEffect(() => scroller.current?.scrollTo({ top: 0 }), [filter.sort, filter.descending]);
  useEffect(() => rows.scrollToIndex(current), []);

  const select = (index: number): void => {
    setActive(index);
    selected = lines[index]?.key ?? "";
  };

  const onKey = (event: KeyboardEvent): void => {
    const page = Math.max(Math.floor((scroller.current?.clientHeight ?? 0) / ROW_HEIGHT) - 2, 1);
    const targets: Record<string, number> = {
      ArrowDown: current + 1,
      ArrowUp: current - 1,
      j: current + 1,
      k: current - 1,
      PageDown: current + page,
      PageUp: current - page,
      Home: 0,
      End: lines.length - 1,
    };
    const target = targets[event.key];
    const line = lines[current];
    if (event.key === "Enter" && line && event.target === scroller.current) go(thingPath(line.key));
    else if (target !== undefined) {
      event.preventDefault();
      const next = Math.min(Math.max(target, 0), lines.length - 1);
      select(next);
      rows.scrollToIndex(next);
    }
  };

  return (
    <div
      ref={scroller}
      class="table fleet"
      role="grid"
      aria-label="Things"
      aria-rowcount={lines.length + 1}
      aria-activedescendant={lines.length ? `row-${current}` : undefined}
      tabIndex={0}
      onKeyDown={onKey}
    >
      <div role="row" class="row head" aria-rowindex={1}>
        {COLUMNS.map((column) => (
          <Heading key={column.key} column={column} filter={filter} />
        ))}
        <div role="columnheader" class="c-message">
          Message
        </div>
      </div>
      <div role="rowgroup" class="body" style={{ height: `${rows.getTotalSize()}px` }}>
        {rows.getVirtualItems().map(({ index, start }) => {
          const line = lines[index];
          return (
            line && (
              <div
                key={line.key}
                id={`row-${index}`}
                role="row"
                aria-rowindex={index + 2}
                aria-selected={index === current}
                class="row"
                style={{ transform: `translateY(${start}px)` }}
                onClick={(event) => {
                  select(index);
                  if (!(event.target as Element).closest("a") && !getSelection()?.toString()) go(thingPath(line.key));
                }}
              >
                <Cells line={line} />
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}
