// ThingBatches: how far each import is, and what was not imported.
import { batches, batchesRevision, sources, things } from "./live";
import { count, counted } from "./format";
import type { BatchLine } from "./model";
import { Age, type Column, Nothing, Progress, State, Table } from "./parts";

const SOURCES: Record<string, string> = { secrets: "Secrets", url: "URL", cloudApi: "ordered from MIC" };

const FAILURES: readonly Column<BatchLine["failures"][number]>[] = [
  { title: "Not imported", cell: (each) => <bdi class="mono">{each.name}</bdi>, heads: true },
  { title: "Result", cell: (each) => each.result },
  { title: "Message", cell: (each) => each.message, kind: "wrap" },
];

function Order({ batch }: { batch: BatchLine }) {
  if (batch.ordered === null || batch.total !== null) return null;
  const made = batch.made ?? 0;
  return (
    <p>
      MIC has made {count(made)} of {count(batch.ordered)}
      <Progress done={made} failed={0} total={batch.ordered} label={`${batch.key}: made at MIC`} />
    </p>
  );
}

const madeBy = (batch: BatchLine): number => [...things.values()].filter((each) => each.batch === batch.name && each.namespace === batch.namespace).length;

function Batch({ batch }: { batch: BatchLine }) {
  return (
    <section class="panel wide batch" aria-label={batch.key}>
      <header>
        <h2>
          <span class="namespace">{batch.namespace}/</span>
          {batch.name}
        </h2>
        <State health={batch.health}>{batch.reason}</State>
        <div class="aside">
          {SOURCES[batch.source] ?? batch.source} · for <Age time={batch.since} />
        </div>
      </header>
      {batch.total === null ? (
        <Order batch={batch} />
      ) : (
        <>
          <Progress done={batch.imported} failed={batch.failed} total={batch.total} label={`${batch.key}: imported`} />
          <p class="facts">
            <span>
              <b>{count(batch.imported)}</b> of {count(batch.total)} imported
            </span>
            {batch.failed > 0 && (
              <span>
                <b>{count(batch.failed)}</b> not
              </span>
            )}
            <a href={`/?q=${encodeURIComponent(batch.name)}`}>{counted(madeBy(batch), "Thing")}</a>
          </p>
        </>
      )}
      <p class="wrap">{batch.message}</p>
      {batch.failures.length > 0 && <Table name="Failures" columns={FAILURES} rows={batch.failures} keyOf={(each) => each.name} />}
    </section>
  );
}

export function Batches() {
  void batchesRevision.value;
  const source = sources.value.find((each) => each.topic === "batches");
  const found = [...batches.values()].sort((left, right) => (left.key < right.key ? -1 : 1));
  return (
    <main class="view" tabIndex={-1} aria-label="Batches">
      <h1 class="unseen">Batches</h1>
      {source?.trouble && <Nothing>{source.trouble}</Nothing>}
      {!found.length && !source?.trouble && <Nothing>{source?.state === "Live" ? "No ThingBatches" : "Reading ThingBatches …"}</Nothing>}
      <div class="panels">
        {found.map((batch) => (
          <Batch key={batch.key} batch={batch} />
        ))}
      </div>
    </main>
  );
}
