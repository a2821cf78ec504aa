// What a page has seen of one Thing since it was opened: how its conditions changed, and its numbers. Pure.
import type { Condition, Health, Sample, ThingDetail } from "./model";

export interface Segment {
  from: number;
  status: string;
  health: Health;
  reason: string;
}

export interface Series {
  times: number[];
  values: number[];
}

const MOST_SAMPLES = 5000;
const MOST_SEGMENTS = 500;

export class History {
  readonly segments = new Map<string, Segment[]>();
  readonly series = new Map<string, Series>();

  constructor(readonly opened: number) {}

  /**
   * What is the case from `now` on; a condition's first segment begins when it last changed, as its status says.
   * Without `values` the numbers come by the bridge, which has each of them.
   */
  add(detail: ThingDetail, now: number, values: boolean): void {
    for (const condition of detail.conditions) this.#condition(condition, now);
    const there = new Set(detail.conditions.map((each) => each.type));
    for (const [type, segments] of this.segments) {
      const last = segments.at(-1);
      if (!there.has(type) && last && last.status !== "") segments.push({ from: now, status: "", health: "Unknown", reason: "" });
    }
    if (!values) return;
    for (const { pointer, number } of detail.values) {
      if (number !== null) this.#sample(pointer, number, now);
    }
  }

  addSample({ at, numbers }: Sample): void {
    for (const [pointer, number] of Object.entries(numbers)) this.#sample(pointer, number, at);
  }

  #condition({ type, status, health, reason, since }: Condition, now: number): void {
    const segments = this.segments.get(type) ?? [];
    this.segments.set(type, segments);
    const last = segments.at(-1);
    if (last && last.status === status && last.reason === reason) return;
    const isFirst = !last || last.status !== status;
    segments.push({ from: isFirst ? Math.max(since ?? now, last?.from ?? 0) : now, status, health, reason });
    if (segments.length > MOST_SEGMENTS) segments.shift();
  }

  #sample(pointer: string, value: number, now: number): void {
    const series = this.series.get(pointer) ?? { times: [], values: [] };
    this.series.set(pointer, series);
    // Two clocks may tell the moment: a line never goes back.
    series.times.push(Math.max(now, series.times.at(-1) ?? 0));
    series.values.push(value);
    if (series.times.length > MOST_SAMPLES) {
      series.times.shift();
      series.values.shift();
    }
  }
}
