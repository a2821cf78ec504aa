// Small things that several views show.
import type { ComponentChildren } from "preact";
import { ageAt, momentOf } from "./format";
import { now } from "./live";
import { MARKS, type Health } from "./model";

/** A state: a sign and a word, so that nobody has to tell colours apart. */
export function State({ health, children }: { health: Health; children?: ComponentChildren }) {
  return (
    <span class={`state ${health}`}>
      <span class="mark" aria-hidden="true">
        {MARKS[health]}
      </span>
      {children}
    </span>
  );
}

/** How long ago, with the whole time in its title. */
export function Age({ time }: { time: number | null }) {
  return <time title={momentOf(time)}>{ageAt(time, now.value)}</time>;
}

export function Panel({ title, aside, children, wide }: { title: string; aside?: ComponentChildren; children: ComponentChildren; wide?: boolean }) {
  const id = `panel-${title.replace(/\W+/g, "-").toLowerCase()}`;
  return (
    <section class={wide ? "panel wide" : "panel"} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {aside && <div class="aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

export function Nothing({ children }: { children: ComponentChildren }) {
  return <p class="nothing">{children}</p>;
}

/** How much of a whole is done, failed, or still to come. */
export function Progress({ done, failed, total, label }: { done: number; failed: number; total: number; label: string }) {
  const share = (part: number): string => `${total ? (100 * part) / total : 0}%`;
  return (
    <div class="progress" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={total} aria-valuenow={done}>
      <i class="Good" style={{ width: share(done) }} />
      <i class="Failed" style={{ width: share(failed) }} />
    </div>
  );
}

export interface Column<Row> {
  title: ComponentChildren;
  cell: (row: Row) => ComponentChildren;
  /** Of its cells; "wrap": the one with much text. */
  kind?: string;
  /** Its cell is the heading of the row, for who has the table read aloud. */
  heads?: boolean;
}

interface TableOf<Row> {
  name: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  kindOf?: (row: Row) => string;
}

const isLong = ({ kind }: { kind?: string }): boolean => kind?.split(" ").includes("wrap") ?? false;

/** A table that scrolls sideways where it has no room, also by the keyboard. */
export function Table<Row>({ name, columns, rows, keyOf, kindOf }: TableOf<Row>) {
  const narrow = columns.filter((column) => !isLong(column)).length;
  return (
    <div class="sideways" role="region" aria-label={name} tabIndex={0}>
      <table class={name.toLowerCase()} style={{ "--narrow": narrow }}>
        <thead>
          <tr>
            {columns.map((column, index) => (
              <th key={index} scope="col" class={isLong(column) ? "long" : undefined}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} class={kindOf?.(row)}>
              {columns.map(({ cell, kind, heads }, index) =>
                heads ? (
                  <th key={index} scope="row" class={kind}>
                    {cell(row)}
                  </th>
                ) : (
                  <td key={index} class={kind}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
