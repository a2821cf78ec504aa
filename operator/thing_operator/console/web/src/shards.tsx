// The replicas of each release: who is there, and which shards each of them runs.
import { groups, sources } from "./live";
import type { Group, Health, Member } from "./model";
import { Age, Nothing, State, Table } from "./parts";

const HEALTHS: Record<Member["health"], Health> = { Alive: "Good", Leaving: "Waiting", Silent: "Failed" };

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
      <Table name="Replicas">
        <thead>
          <tr>
            <th scope="col">Replica</th>
            <th scope="col">State</th>
            <th scope="col">Renewed</th>
            <th scope="col">Shards</th>
            <th scope="col">Asks</th>
            <th scope="col">Gives</th>
            <th scope="col" class="c-message">
              Which
            </th>
          </tr>
        </thead>
        <tbody>
          {group.members.map((member) => (
            <tr key={member.name}>
              <th scope="row" class="mono">
                {member.name}
              </th>
              <td>
                <State health={HEALTHS[member.health]}>{member.health}</State>
              </td>
              <td class="number">
                <Age time={member.renewed ? Date.parse(member.renewed) / 1000 : null} />
              </td>
              <td class="number">{member.held}</td>
              <td class="number">{member.asks || ""}</td>
              <td class="number">{member.gives || ""}</td>
              <td class="c-message wrap mono">{member.shards}</td>
            </tr>
          ))}
        </tbody>
      </Table>
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
