// Which Things are shown, in which order, and how many there are of each reason. Pure.
import type { Health, ThingLine } from "./model";

export type SortKey = "health" | "name" | "thingName" | "connected" | "pending" | "reported" | "ends" | "since";

export interface Filter {
  words: string[];
  healths: ReadonlySet<string>;
  reasons: ReadonlySet<string>;
  namespace: string;
  sort: SortKey;
  descending: boolean;
}

const SORT_KEYS: ReadonlySet<string> = new Set(["health", "name", "thingName", "connected", "pending", "reported", "ends", "since"]);
const ORDER: Record<Health, number> = { Failed: 0, Unknown: 1, Waiting: 2, Good: 3 };

const listed = (text: string | null): ReadonlySet<string> => new Set(text ? text.split(",") : []);

/** What the query of the address asks for: q, health, reason, namespace, sort (with - in front: descending). */
export function filterOf(query: URLSearchParams): Filter {
  const sort = query.get("sort") ?? "";
  const key = sort.replace(/^-/, "");
  return {
    words: (query.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean),
    healths: listed(query.get("health")),
    reasons: listed(query.get("reason")),
    namespace: query.get("namespace") ?? "",
    sort: SORT_KEYS.has(key) ? (key as SortKey) : "health",
    descending: sort.startsWith("-"),
  };
}

/** A set with a member put in, or taken out if it is there, as it stands in the address. */
export function toggled(set: ReadonlySet<string>, member: string): string {
  const found = new Set(set);
  if (!found.delete(member)) found.add(member);
  return [...found].join(",");
}

function hasWords(line: ThingLine, words: string[]): boolean {
  if (!words.length) return true;
  const text = `${line.key} ${line.thingName} ${line.reason} ${line.batch} ${line.message}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

export interface Found {
  /** Those that match, in order. */
  lines: ThingLine[];
  /** All that the search and the namespace leave, whatever their state: what the counts are of. */
  total: number;
  healths: Map<Health, number>;
  reasons: Map<string, { count: number; health: Health }>;
  namespaces: Map<string, number>;
}

export function find(lines: Iterable<ThingLine>, filter: Filter): Found {
  const found: Found = { lines: [], total: 0, healths: new Map(), reasons: new Map(), namespaces: new Map() };
  for (const line of lines) {
    if (!hasWords(line, filter.words)) continue;
    found.namespaces.set(line.namespace, (found.namespaces.get(line.namespace) ?? 0) + 1);
    if (filter.namespace && line.namespace !== filter.namespace) continue;
    found.total += 1;
    found.healths.set(line.health, (found.healths.get(line.health) ?? 0) + 1);
    const ofReason = found.reasons.get(line.reason);
    if (ofReason) ofReason.count += 1;
    else found.reasons.set(line.reason, { count: 1, health: line.health });
    if (filter.healths.size && !filter.healths.has(line.health)) continue;
    if (filter.reasons.size && !filter.reasons.has(line.reason)) continue;
    found.lines.push(line);
  }
  const compare = comparison(filter.sort);
  const sign = filter.descending ? -1 : 1;
  found.lines.sort((left, right) => sign * compare(left, right) || byKey(left, right));
  return found;
}

type Comparison = (left: ThingLine, right: ThingLine) => number;

export const byKey: Comparison = (left, right) => (left.key < right.key ? -1 : left.key > right.key ? 1 : 0);

/** The oldest first, and what has no time last. */
const byTime =
  (field: "reported" | "ends" | "since"): Comparison =>
  (left, right) =>
    (left[field] ?? Infinity) === (right[field] ?? Infinity) ? 0 : (left[field] ?? Infinity) - (right[field] ?? Infinity);

function comparison(key: SortKey): Comparison {
  switch (key) {
    case "name":
      return byKey;
    case "health":
      return (left, right) => ORDER[left.health] - ORDER[right.health];
    case "pending":
      return (left, right) => right.pending - left.pending;
    case "thingName":
    case "connected":
      return (left, right) => (left[key] < right[key] ? -1 : left[key] > right[key] ? 1 : 0);
    default:
      return byTime(key);
  }
}
