// What the server sends: inspection/rows.py, inspection/detail.py and inspection/model.py. Times are seconds since 1970.

export type Health = "Good" | "Waiting" | "Failed" | "Unknown";
export const HEALTHS: readonly Health[] = ["Failed", "Waiting", "Unknown", "Good"];
export const MARKS: Record<Health, string> = { Good: "✓", Waiting: "…", Failed: "✗", Unknown: "?" };
export const HEALTH_WORDS: Record<Health, string> = {
  Good: "Ready",
  Waiting: "Waiting",
  Failed: "Failed",
  Unknown: "Unknown",
};

export interface ReadyLine {
  key: string;
  namespace: string;
  name: string;
  ready: string;
  health: Health;
  reason: string;
  message: string;
  since: number | null;
}

export interface ThingLine extends ReadyLine {
  thingName: string;
  connected: string;
  inSync: string;
  pending: number;
  reported: number | null;
  ends: number | null;
  batch: string;
}

export interface BatchLine extends ReadyLine {
  source: string;
  total: number | null;
  imported: number;
  failed: number;
  ordered: number | null;
  made: number | null;
  failures: { name: string; result: string; message: string }[];
}

export interface Condition {
  type: string;
  status: string;
  health: Health;
  reason: string;
  message: string;
  since: number | null;
}

export interface ChainLink {
  name: string;
  health: Health;
  reason: string;
  message: string;
  since: number | null;
}

export interface ValueLine {
  pointer: string;
  desired: string | null;
  reported: string | null;
  delta: string | null;
  number: number | null;
  managed: boolean;
}

export interface ThingDetail {
  trouble?: string;
  line: ThingLine;
  uid: string;
  created: number | null;
  generation: number;
  observed: number | null;
  policy: string;
  parent: string;
  endpoint: string;
  chain: ChainLink[];
  conditions: Condition[];
  certificate: { secret: string; fingerprint: string; begins: number; ends: number } | null;
  shadow: { version: number; bytes: number; updated: number | null; reported: number | null; pending: number } | null;
  values: ValueLine[];
  notes: string[];
}

/** What was reported at a moment, by JSON Pointer: console/live_numbers.py. */
export interface Sample {
  at: number;
  numbers: Record<string, number>;
}

export interface EventLine {
  name: string;
  type: string;
  reason: string;
  message: string;
  count: number;
  last: number | null;
}

export interface Member {
  name: string;
  identity: string;
  health: "Alive" | "Leaving" | "Silent";
  renewed?: string;
  held: number;
  shards: string;
  asks: number;
  gives: number;
}

export interface Group {
  namespace: string;
  name: string;
  shards: number;
  held: number;
  orphans: string;
  members: Member[];
  trouble: string;
}

export interface SourceState {
  topic: "things" | "batches" | "groups";
  state: "Loading" | "Live" | "Broken";
  trouble: string | null;
  since: number;
}

export interface About {
  context: string;
  server: string;
  namespace: string | null;
  version: string;
}
