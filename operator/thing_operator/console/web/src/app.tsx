// The frame around the views: navigation, how the connection is, and the keys.
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Batches } from "./batches";
import { Fleet } from "./fleet";
import { age, count } from "./format";
import { about, batches, batchesRevision, connection, follow, groups, now, sources, things, thingsRevision } from "./live";
import { fleetPath, go, onLink, view } from "./route";
import { Shards } from "./shards";
import "./style.css";
import { Thing } from "./thing";

const KEYS: readonly [string, string][] = [
  ["/", "search"],
  ["j k ↑ ↓", "next and previous row"],
  ["Enter", "open"],
  ["Esc", "back to all Things"],
  ["t b r", "Things, batches, replicas"],
  ["?", "these keys"],
];

const ROW_KEYS: ReadonlySet<string> = new Set(["j", "k", "ArrowUp", "ArrowDown"]);

function Tab({ path, name, children }: { path: string; name: string; children: string }) {
  const isOn = view.value.name === name || (name === "fleet" && view.value.name === "thing");
  return (
    <a href={path} aria-current={isOn ? "page" : undefined}>
      {children}
    </a>
  );
}

/** One line for what is not as it should be; nothing while all is well. */
function Trouble() {
  const broken = sources.value.filter((each) => each.state === "Broken");
  const things = broken.find((each) => each.topic === "things");
  if (connection.value === "Refused") return <p class="trouble">This console has ended, or it is another one: open the link that the terminal shows</p>;
  if (connection.value === "Lost") return <p class="trouble">The console does not answer: is it still running in its terminal? The page goes on as soon as it does</p>;
  if (!things) return null;
  return (
    <p class="trouble">
      The API server's Things cannot be watched for {age(now.value - things.since)}; what is shown is as of then, and it is tried again: {things.trouble}
    </p>
  );
}

function Live() {
  const isLive = connection.value === "Open" && sources.value.length > 0 && sources.value.every((each) => each.topic !== "things" || each.state === "Live");
  return (
    <span class={`live ${isLive ? "Good" : "Waiting"}`} role="status">
      {isLive ? "live" : "waiting"}
    </span>
  );
}

function Top() {
  void thingsRevision.value;
  void batchesRevision.value;
  const where = about.value;
  return (
    <header class="top">
      <nav aria-label="Views">
        <Tab path={fleetPath.value} name="fleet">{`Things ${count(things.size)}`}</Tab>
        <Tab path="/batches" name="batches">{`Batches ${count(batches.size)}`}</Tab>
        <Tab path="/shards" name="shards">{`Replicas ${groups.value.reduce((sum, group) => sum + group.members.length, 0)}`}</Tab>
      </nav>
      {where && (
        <p class="where" title={where.server}>
          {where.context} <span class="dim">/</span> {where.namespace ?? "all namespaces"}
        </p>
      )}
      <Live />
      <button type="button" class="plain" aria-label="Keys" onClick={showKeys}>
        ?
      </button>
    </header>
  );
}

const showKeys = (): void => document.querySelector<HTMLDialogElement>("dialog.keys")?.showModal();

function Keys() {
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <dialog ref={dialog} class="keys" aria-label="Keys" onClick={() => dialog.current?.close()}>
      <dl>
        {KEYS.map(([key, what]) => (
          <>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </>
        ))}
      </dl>
      <p class="dim">thing-operator {about.value?.version}: this page reads with your kubeconfig and never writes</p>
    </dialog>
  );
}

const toRows = (): void => document.querySelector<HTMLElement>("[role=grid]")?.focus();

function onKey(event: KeyboardEvent): void {
  const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (isTyping) (event.target as HTMLElement).blur();
    else if (view.value.name !== "fleet") go(fleetPath.value);
    return;
  }
  if (isTyping) {
    if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      toRows();
    }
    return;
  }
  // From wherever one is, unless what has the focus has taken the key: the table itself, or the map.
  if (ROW_KEYS.has(event.key) && !event.defaultPrevented && view.value.name === "fleet") {
    event.preventDefault();
    toRows();
    return;
  }
  const actions: Record<string, () => void> = {
    "/": () => document.querySelector<HTMLInputElement>("#search")?.focus(),
    t: () => go(fleetPath.value),
    b: () => go("/batches"),
    r: () => go("/shards"),
    "?": showKeys,
  };
  const action = actions[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
}

function App() {
  const where = view.value;
  useEffect(() => {
    document.title = where.name === "thing" ? `${where.key} · thing-operator` : "thing-operator";
  }, [where]);
  return (
    <>
      <Top />
      <Trouble />
      {where.name === "fleet" && <Fleet />}
      {where.name === "thing" && <Thing key={where.key} thingKey={where.key} />}
      {where.name === "batches" && <Batches />}
      {where.name === "shards" && <Shards />}
      <Keys />
    </>
  );
}

document.addEventListener("keydown", onKey);
document.addEventListener("click", onLink);
follow();
const root = document.querySelector("#app");
if (root) render(<App />, root);
