// The streams from the server: what they bring is kept in maps, and shown once a frame.
import { signal } from "@preact/signals";
import type { About, BatchLine, EventLine, Group, Sample, SourceState, ThingDetail, ThingLine } from "./model";

export type Connection = "Connecting" | "Open" | "Lost" | "Refused";

export const connection = signal<Connection>("Connecting");
export const about = signal<About | null>(null);
export const sources = signal<SourceState[]>([]);
export const groups = signal<Group[]>([]);
export const things = new Map<string, ThingLine>();
export const batches = new Map<string, BatchLine>();
/** Grows when the lines of either have changed. */
export const thingsRevision = signal(0);
export const batchesRevision = signal(0);
/** Seconds since 1970, once a second. */
export const now = signal(Date.now() / 1000);

const HIDDEN_FOR_MS = 30_000;

interface Lines<Line> {
  lines: Line[];
  deleted: string[];
}

const waiting = new Set<{ value: number }>();

/** At the next frame, all at once; a page that nobody sees has none, and shows the newest when it is seen. */
function atNextFrame(revision: { value: number }): void {
  if (!waiting.size) {
    requestAnimationFrame(() => {
      const due = [...waiting];
      waiting.clear();
      for (const each of due) each.value += 1;
    });
  }
  waiting.add(revision);
}

function take<Line extends { key: string }>(target: Map<string, Line>, found: Lines<Line>): void {
  for (const line of found.lines) target.set(line.key, line);
  for (const key of found.deleted) target.delete(key);
}

/** A stream that ends while nobody has looked at the page for a while, and begins again when somebody does. */
export function stream(path: string, handlers: Record<string, (value: never) => void>, onState?: (state: Connection) => void): () => void {
  let source: EventSource | null = null;
  let closing: ReturnType<typeof setTimeout> | undefined;

  function open(): void {
    if (source && source.readyState !== EventSource.CLOSED) return;
    source = new EventSource(path);
    source.onopen = () => onState?.("Open");
    source.onerror = () => onState?.(source?.readyState === EventSource.CLOSED ? "Refused" : "Lost");
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handle(JSON.parse((event as MessageEvent<string>).data) as never));
    }
  }

  function onVisibility(): void {
    clearTimeout(closing);
    if (document.hidden) closing = setTimeout(() => source?.close(), HIDDEN_FOR_MS);
    else open();
  }

  open();
  document.addEventListener("visibilitychange", onVisibility);
  return () => {
    clearTimeout(closing);
    document.removeEventListener("visibilitychange", onVisibility);
    source?.close();
  };
}

export function follow(): void {
  stream(
    "/api/fleet",
    {
      hello: (value: About) => {
        about.value = value;
        things.clear();
        batches.clear();
        atNextFrame(thingsRevision);
        atNextFrame(batchesRevision);
      },
      sources: (value: SourceState[]) => {
        sources.value = value;
      },
      groups: (value: Group[]) => {
        groups.value = value;
      },
      things: (value: Lines<ThingLine>) => {
        take(things, value);
        atNextFrame(thingsRevision);
      },
      batches: (value: Lines<BatchLine>) => {
        take(batches, value);
        atNextFrame(batchesRevision);
      },
    },
    (state) => {
      connection.value = state;
    },
  );
  setInterval(() => {
    now.value = Date.now() / 1000;
  }, 1000);
}

export interface ThingStream {
  onThing: (detail: ThingDetail | null) => void;
  onEvents: (events: { lines: EventLine[]; trouble: string | null }) => void;
  onSamples: (samples: Sample[]) => void;
  onBridge: (bridge: { trouble: string | null }) => void;
}

/** One Thing, until the function that it returns is called. */
export function followThing(key: string, { onThing, onEvents, onSamples, onBridge }: ThingStream): () => void {
  const path = `/api/things/${key.split("/").map(encodeURIComponent).join("/")}`;
  return stream(path, { thing: onThing, events: onEvents, samples: onSamples, bridge: onBridge });
}
