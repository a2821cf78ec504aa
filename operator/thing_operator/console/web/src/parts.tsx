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

/** A table that scrolls sideways where it has no room, also by the keyboard. */
export function Table({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="sideways" role="region" aria-label={name} tabIndex={0}>
      <table class={name.toLowerCase()}>{children}</table>
    </div>
  );
}
