// Where the page is: all of it is in the address, so that it can be sent to somebody and come back to.
import { computed, signal } from "@preact/signals";

interface Place {
  path: string;
  query: URLSearchParams;
}

const read = (): Place => ({ path: location.pathname, query: new URLSearchParams(location.search) });

export const place = signal<Place>(read());

export type View = { name: "fleet" } | { name: "thing"; key: string } | { name: "batches" } | { name: "shards" };

export const view = computed<View>(() => {
  const [, first, namespace, name] = place.value.path.split("/");
  if (first === "things" && namespace && name) return { name: "thing", key: `${decodeURIComponent(namespace)}/${decodeURIComponent(name)}` };
  if (first === "batches" || first === "shards") return { name: first };
  return { name: "fleet" };
});

export const thingPath = (key: string): string => `/things/${key}`;

addEventListener("popstate", () => {
  place.value = read();
});

export function go(path: string): void {
  history.pushState(null, "", path);
  place.value = read();
  document.querySelector("main")?.focus();
}

/** Change parts of the query: null takes one out. It makes no entry of the history: each letter of a search would be one. */
export function ask(changes: Record<string, string | null>): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
  place.value = read();
}

/** The query of the fleet, to come back to from a Thing. */
export const fleetPath = signal("/");

/** A click on a link of ours stays in the page; with a key for another tab it is the browser's. */
export function onLink(event: MouseEvent): void {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest("a");
  if (!link || link.origin !== location.origin || link.target) return;
  event.preventDefault();
  go(link.pathname + link.search);
}
