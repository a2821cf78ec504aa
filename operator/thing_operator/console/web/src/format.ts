// Times and numbers for people.

const UNITS: readonly [string, number][] = [
  ["d", 86400],
  ["h", 3600],
  ["m", 60],
];

/** How long, as kubectl says it: 12s, 5m, 3h, 2d; rounded down, in the longest unit that gives 2 or more. */
export function age(seconds: number): string {
  const whole = Math.max(Math.floor(seconds), 0);
  for (const [unit, length] of UNITS) {
    if (whole >= 2 * length) return `${Math.floor(whole / length)}${unit}`;
  }
  return `${whole}s`;
}

/** The age of a time; a dash for none. */
export function ageAt(time: number | null, now: number): string {
  return time === null ? "–" : age(now - time);
}

const NUMBER = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat("sv", { dateStyle: "short" });
const MOMENT = new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "medium" });

export const count = (value: number): string => NUMBER.format(value);
/** `1 Thing`, `2 Things`. */
export const counted = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
export const day = (time: number): string => DAY.format(time * 1000);
export const moment = (time: number): string => MOMENT.format(time * 1000);

/** For `title`: the whole time that an age stands for. */
export const momentOf = (time: number | null): string | undefined => (time === null ? undefined : moment(time));
