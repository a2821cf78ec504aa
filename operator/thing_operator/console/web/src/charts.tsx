// Reported numbers as lines, since the page was opened: uPlot draws them.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { History, Series } from "./history";
import { now } from "./live";

const HEIGHT = 110;
const SHORTEST_SECONDS = 60;

const styleOf = (element: Element, name: string): string => getComputedStyle(element).getPropertyValue(name).trim();

function optionsFor(element: HTMLElement, width: number): uPlot.Options {
  const probe = element.appendChild(document.createElement("i"));
  const colour = (name: string): string => {
    probe.className = name;
    return styleOf(probe, "color");
  };
  const axis = { stroke: colour("ink-dim"), grid: { stroke: colour("ink-line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const line = colour("ink-accent");
  probe.remove();
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { x: { time: true } },
    axes: [
      { ...axis, size: 24, values: "{HH}:{mm}:{ss}", space: 90 },
      { ...axis, size: 52, space: 28 },
    ],
    // A value holds until the next one comes.
    series: [{}, { stroke: line, width: 1.5, paths: uPlot.paths.stepped?.({ align: 1 }), points: { show: false } }],
    padding: [6, 6, 0, 0],
  };
}

function dataOf(series: Series, until: number): uPlot.AlignedData {
  const last = series.values.at(-1) ?? 0;
  return [
    [...series.times, Math.max(until, series.times.at(-1) ?? 0)],
    [...series.values, last],
  ];
}

function Chart({ pointer, series, opened }: { pointer: string; series: Series; opened: number }) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const until = now.value;

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const make = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsFor(element, element.clientWidth), dataOf(series, Date.now() / 1000), element);
    };
    const observer = new ResizeObserver(() => {
      if (plot.current) plot.current.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    make();
    observer.observe(element);
    dark.addEventListener("change", make);
    return () => {
      observer.disconnect();
      dark.removeEventListener("change", make);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [series]);

  useLayoutEffect(() => {
    plot.current?.setData(dataOf(series, until), false);
    const values = series.values;
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = (high - low) * 0.15 || Math.abs(high) * 0.1 || 1;
    plot.current?.batch(() => {
      plot.current?.setScale("x", { min: Math.min(opened, until - SHORTEST_SECONDS), max: until });
      plot.current?.setScale("y", { min: low - room, max: high + room });
    });
  }, [until, series, opened, series.times.length]);

  const last = series.values.at(-1);
  return (
    <figure class="chart">
      <figcaption>
        <span class="mono">{pointer}</span>
        <b>{last}</b>
      </figcaption>
      <div ref={frame} class="plot" role="img" aria-label={`${pointer} over time, now ${last}`} />
    </figure>
  );
}

export function Charts({ history, pointers }: { history: History; pointers: readonly string[] }) {
  return (
    <div class="charts">
      {pointers.map((pointer) => {
        const series = history.series.get(pointer);
        return series && <Chart key={pointer} pointer={pointer} series={series} opened={history.opened} />;
      })}
    </div>
  );
}
