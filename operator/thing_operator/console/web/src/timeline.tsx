// Conditions over time: a strip each, from when it last changed, and on with what the page sees.
import { useState } from "preact/hooks";
import { age, moment } from "./format";
import type { History, Segment } from "./history";
import { now } from "./live";
import type { EventLine } from "./model";

const WINDOWS: readonly [string, number][] = [
  ["10m", 600],
  ["1h", 3600],
  ["1d", 86400],
  ["30d", 30 * 86400],
];

/** The shortest window in which something has changed. */
function usualWindow(history: History, until: number): number {
  const newest = Math.max(0, ...[...history.segments.values()].map((segments) => segments.at(-1)?.from ?? 0));
  return WINDOWS.find(([, seconds]) => until - newest < seconds * 0.9)?.[1] ?? 30 * 86400;
}

function Strip({ segments, from, until }: { segments: Segment[]; from: number; until: number }) {
  const share = (time: number): number => (100 * (Math.max(time, from) - from)) / (until - from);
  return (
    <div class="strip">
      {segments.map((segment, index) => {
        const end = segments[index + 1]?.from ?? until;
        if (end < from || !segment.status) return null;
        const title = `${segment.status}, ${segment.reason}, since ${moment(segment.from)}`;
        return <i key={`${segment.from}-${index}`} class={`fill ${segment.health}`} title={title} style={{ left: `${share(segment.from)}%`, width: `${share(end) - share(segment.from)}%` }} />;
      })}
    </div>
  );
}

export function Timeline({ history, events }: { history: History; events: readonly EventLine[] }) {
  const until = now.value;
  const [chosen, setChosen] = useState<number | null>(null);
  const length = chosen ?? usualWindow(history, until);
  const from = until - length;
  const marks = events.filter((each) => each.last !== null && each.last >= from);
  return (
    <div class="timeline">
      <div class="windows" role="group" aria-label="Time shown">
        {WINDOWS.map(([name, seconds]) => (
          <button key={name} type="button" class="plain" aria-pressed={seconds === length} onClick={() => setChosen(seconds)}>
            {name}
          </button>
        ))}
      </div>
      {[...history.segments].map(([type, segments]) => (
        <div key={type} class="line">
          <span class="label">{type}</span>
          <Strip segments={segments} from={from} until={until} />
        </div>
      ))}
      <div class="line">
        <span class="label">Events</span>
        <div class="strip events">
          {marks.map((each) => (
            <i
              key={each.name}
              class={each.type === "Warning" ? "Failed" : "Good"}
              title={`${each.reason}, ${moment(each.last ?? 0)}: ${each.message}`}
              style={{ left: `${(100 * ((each.last ?? 0) - from)) / length}%` }}
            />
          ))}
        </div>
      </div>
      <div class="line axis" aria-hidden="true">
        <span class="label" />
        <div>
          <span>{age(length)} ago</span>
          <span>{age(length / 2)} ago</span>
          <span>now</span>
        </div>
      </div>
    </div>
  );
}
