// All Things at once: a square each, in the order of their names, coloured by state. The table below says the same in words.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { byKey } from "./filter";
import { HEALTHS, HEALTH_WORDS, type Health, type ThingLine } from "./model";
import { go, thingPath } from "./route";

const LARGEST = 18;
const SMALLEST = 4;
const MOST_HEIGHT = 240;

interface Layout {
  cell: number;
  columns: number;
  height: number;
}

/** The largest squares with which all of them fit. */
function layoutOf(count: number, width: number): Layout {
  let cell = LARGEST;
  const columnsOf = (size: number): number => Math.max(Math.floor(width / size), 1);
  while (cell > SMALLEST && Math.ceil(count / columnsOf(cell)) * cell > MOST_HEIGHT) cell -= 1;
  const columns = columnsOf(cell);
  return { cell, columns, height: Math.ceil(count / columns) * cell };
}

/** The colours as the style sheet has them for light or dark: a canvas knows no variables. */
function coloursOf(element: Element): Record<Health, string> {
  const probe = element.appendChild(document.createElement("i"));
  const found = {} as Record<Health, string>;
  for (const health of HEALTHS) {
    probe.className = `fill ${health}`;
    found[health] = getComputedStyle(probe).backgroundColor;
  }
  probe.remove();
  return found;
}

export function FleetMap({ lines, shown, revision }: { lines: Map<string, ThingLine>; shown: readonly ThingLine[]; revision: number }) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [cursor, setCursor] = useState<number | null>(null);
  const [scheme, setScheme] = useState(0);
  const ordered = useMemo(() => [...lines.values()].sort(byKey), [lines, revision]);
  const layout = layoutOf(ordered.length, width);

  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 0));
    if (frame.current) observer.observe(frame.current);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const onScheme = (): void => setScheme((turn) => turn + 1);
    dark.addEventListener("change", onScheme);
    return () => {
      observer.disconnect();
      dark.removeEventListener("change", onScheme);
    };
  }, []);

  useLayoutEffect(() => {
    const target = canvas.current;
    const context = target?.getContext("2d");
    if (!target || !context || !frame.current || !width) return;
    const scale = devicePixelRatio;
    target.width = width * scale;
    target.height = layout.height * scale;
    context.scale(scale, scale);
    const colours = coloursOf(frame.current);
    const bright = shown.length === ordered.length ? null : new Set(shown);
    const gap = layout.cell > 6 ? 2 : 1;
    ordered.forEach((line, index) => {
      context.globalAlpha = bright && !bright.has(line) ? 0.18 : 1;
      context.fillStyle = colours[line.health];
      const x = (index % layout.columns) * layout.cell;
      const y = Math.floor(index / layout.columns) * layout.cell;
      context.fillRect(x, y, layout.cell - gap, layout.cell - gap);
    });
  }, [ordered, shown, width, layout.cell, layout.columns, layout.height, scheme]);

  const at = (event: MouseEvent): number | null => {
    const column = Math.floor(event.offsetX / layout.cell);
    const index = Math.floor(event.offsetY / layout.cell) * layout.columns + column;
    return column < layout.columns && index < ordered.length ? index : null;
  };
  const open = (index: number | null): void => {
    const line = index === null ? undefined : ordered[index];
    if (line) go(thingPath(line.key));
  };
  const onKey = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: layout.columns, ArrowUp: -layout.columns };
    const step = steps[event.key];
    if (event.key === "Enter") open(cursor);
    else if (step !== undefined) {
      event.preventDefault();
      const next = cursor === null ? 0 : cursor + step;
      if (next >= 0 && next < ordered.length) setCursor(next);
    }
  };

  const pointed = cursor === null ? undefined : ordered[cursor];
  return (
    <div class="fleetmap">
      <div ref={frame} class="frame" style={{ height: `${layout.height}px` }}>
        <canvas
          ref={canvas}
          tabIndex={0}
          role="application"
          aria-roledescription="map of Things"
          aria-label="A square for each Thing, by name. Arrow keys move, Enter opens."
          style={{ width: `${width}px`, height: `${layout.height}px` }}
          onMouseMove={(event) => setCursor(at(event))}
          onMouseLeave={() => setCursor(null)}
          onClick={(event) => open(at(event))}
          onKeyDown={onKey}
        />
        {cursor !== null && pointed && (
          <i
            class="cursor"
            style={{
              left: `${(cursor % layout.columns) * layout.cell - 2}px`,
              top: `${Math.floor(cursor / layout.columns) * layout.cell - 2}px`,
              width: `${layout.cell + 2}px`,
              height: `${layout.cell + 2}px`,
            }}
          />
        )}
      </div>
      <p class="pointed" aria-live="polite">
        {pointed ? (
          <>
            <b>{pointed.key}</b> {HEALTH_WORDS[pointed.health]}: {pointed.reason}
          </>
        ) : (
          "Each square is a Thing, by name"
        )}
      </p>
    </div>
  );
}
