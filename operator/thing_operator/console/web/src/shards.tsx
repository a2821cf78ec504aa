// The replicas of each release: who is there, and which shards each of them runs.
import { groups, sources } from "./live";
import type { Group, Health, Member } from "./model";
import { Age, type Column, Nothing, State, Table } from "./parts";

const HEALTHS: Record<Member["health"], Health> = { Alive: "Good", Leaving: "Waiting", Silent: "Failed" };

const COLUMNS: readonly Column<Member>[] = [
  { title: "Replica", cell: (member) => member.name, kind: "mono", heads: true },
  { title: "State", cell: (member) => <State health={HEALTHS[member.health]}>{member.health}</State> },
  { title: "Renewed", cell: (member) => <Age time={member.renewed ? Date.parse(member.renewed) / 1000 : null} />, kind: "number" },
  { title: "Shards", cell: (member) => member.held, kind: "number" },
  { title: "Asks", cell: (member) => member.asks || "", kind: "number" },
  { title: "Gives", cell: (member) => member.gives || "", kind: "number" },
  { title: "Which", cell: (member) => member.shards, kind: "wrap mono" },
];

function ReplicaBar({ group }: { group: Group }) {
  return (
    <div class="bar" aria-hidden="true">
      {group.members.map((member) => (
        <i key={member.name} class={`fill ${HEALTHS[member.health]}`} style={{ flexGrow: member.held }} title={`${member.name}: ${member.held}`} />
      ))}
      <i class="fill none" style={{ flexGrow: group.shards - group.held }} />
    </div>
  );
}

function GroupPanel({ group }: { group: Group }) {
  return (
    <section class="panel wide" aria-label={`${group.namespace}/${group.name}`}>
      <header>
        <h2>
          <span class="namespace">{group.namespace}/</span>
          {group.name}
        </h2>
        <State health={group.held === group.shards && !group.trouble ? "Good" : "Failed"}>
          {group.held} of {group.shards} shards run
        </State>
      </header>
      <ReplicaBar group={group} />
      {group.trouble && <Nothing>{group.trouble}</Nothing>}
      {group.orphans && <Nothing>Run by nobody: {group.orphans}</Nothing>}
      <Table name="Replicas" columns={COLUMNS} rows={group.members} keyOf={(member) => member.name} />
    </section>
  );
}

export function Shards() {
  const source = sources.value.find((each) => each.topic === "groups");
  return (
    <main class="view" tabIndex={-1} aria-label="Replicas">
      <h1 class="unseen">Replicas</h1>
      {source?.trouble && <Nothing>{source.trouble}</Nothing>}
      {!groups.value.length && !source?.trouble && (
        <Nothing>{source?.state === "Live" ? "No release with replicas here: start the console in its namespace with -n, or with -A" : "Reading Leases …"}</Nothing>
      )}
      <div class="panels">
        {groups.value.map((group) => (
          <GroupPanel key={`${group.namespace}/${group.name}`} group={group} />
        ))}
      </div>
    </main>
  );
}
