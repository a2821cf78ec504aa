// The fleet: how many are in which state, all of them at once, and those that match in a table.
import { useEffect, useMemo } from "preact/hooks";
import { type Found, type Filter, filterOf, find, toggled } from "./filter";
import { FleetMap } from "./fleetmap";
import { FleetTable } from "./fleettable";
import { count } from "./format";
import { about, sources, things, thingsRevision } from "./live";
import { HEALTHS, HEALTH_WORDS } from "./model";
import { Nothing, State } from "./parts";
import { ask, fleetPath, place } from "./route";

const MOST_REASONS = 12;

function Healths({ found, filter }: { found: Found; filter: Filter }) {
  return (
    <div class="healths">
      <div class="bar" aria-hidden="true">
        {HEALTHS.map((health) => (
          <i key={health} class={`fill ${health}`} style={{ flexGrow: found.healths.get(health) ?? 0 }} />
        ))}
      </div>
      <div class="chips" role="group" aria-label="States">
        {HEALTHS.map((health) => (
          <button key={health} type="button" class="chip large" aria-pressed={filter.healths.has(health)} onClick={() => ask({ health: toggled(filter.healths, health) })}>
            <State health={health}>
              <b>{count(found.healths.get(health) ?? 0)}</b> {HEALTH_WORDS[health]}
            </State>
          </button>
        ))}
      </div>
    </div>
  );
}

function Reasons({ found, filter }: { found: Found; filter: Filter }) {
  const reasons = [...found.reasons].sort(([, left], [, right]) => right.count - left.count).slice(0, MOST_REASONS);
  return (
    <div class="chips" role="group" aria-label="Reasons">
      {reasons.map(([reason, { count: number, health }]) => (
        <button key={reason} type="button" class="chip" aria-pressed={filter.reasons.has(reason)} onClick={() => ask({ reason: toggled(filter.reasons, reason) })}>
          <State health={health}>
            {reason} <b>{count(number)}</b>
          </State>
        </button>
      ))}
    </div>
  );
}

function Search({ found, filter }: { found: Found; filter: Filter }) {
  const namespaces = [...found.namespaces.keys()].sort();
  const query = place.value.query;
  const isFiltered = ["q", "health", "reason", "namespace"].some((name) => query.has(name));
  return (
    <div class="search">
      <input
        id="search"
        type="search"
        aria-label="Search Things"
        placeholder="Search name, reason, message  ( / )"
        autocomplete="off"
        spellcheck={false}
        value={query.get("q") ?? ""}
        onInput={(event) => ask({ q: event.currentTarget.value })}
      />
      {(namespaces.length > 1 || filter.namespace) && (
        <select aria-label="Namespace" value={filter.namespace} onChange={(event) => ask({ namespace: event.currentTarget.value })}>
          <option value="">all namespaces</option>
          {(filter.namespace && !namespaces.includes(filter.namespace) ? [filter.namespace, ...namespaces] : namespaces).map((each) => (
            <option key={each} value={each}>
              {each} ({count(found.namespaces.get(each) ?? 0)})
            </option>
          ))}
        </select>
      )}
      <output class="shown">
        {count(found.lines.length)} of {count(things.size)}
      </output>
      <button type="button" class="plain" disabled={!isFiltered} onClick={() => ask({ q: null, health: null, reason: null, namespace: null })}>
        Clear
      </button>
    </div>
  );
}

function Empty() {
  const source = sources.value.find((each) => each.topic === "things");
  if (source?.state === "Broken") return <Nothing>{source.trouble}</Nothing>;
  if (source?.state !== "Live") return <Nothing>Reading Things …</Nothing>;
  const where = about.value?.namespace;
  return <Nothing>{where ? `No Things in namespace ${where}: -n names another one, -A takes all` : "No Things in the cluster"}</Nothing>;
}

export function Fleet() {
  const revision = thingsRevision.value;
  const query = place.value.query;
  const filter = useMemo(() => filterOf(query), [query]);
  const found = useMemo(() => find(things.values(), filter), [filter, revision]);
  useEffect(() => {
    const text = query.toString();
    fleetPath.value = text ? `/?${text}` : "/";
  }, [query]);
  return (
    <main class="view fleet" tabIndex={-1} aria-label="Things">
      <h1 class="unseen">Things</h1>
      {things.size ? (
        <>
          <Healths found={found} filter={filter} />
          <FleetMap lines={things} shown={found.lines} revision={revision} />
          <Reasons found={found} filter={filter} />
          <Search found={found} filter={filter} />
          {found.lines.length ? <FleetTable lines={found.lines} filter={filter} /> : <Nothing>No Thing matches</Nothing>}
        </>
      ) : (
        <Empty />
      )}
    </main>
  );
}
