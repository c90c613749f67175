import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { toggled } from "../../../ui/toggled.ts";
import { between, select } from "../selection.ts";
import { COLUMNS } from "./columns.tsx";
import { type Entry, jobsOf, pointsOf } from "./entries.ts";
import { Head } from "./head.tsx";
import { type Choose, Row } from "./row.tsx";
import { useRowHeight } from "./row-height.ts";

const TICK_WIDTH = 34;
const OVERSCAN_ROWS = 16;
/** Further rows are requested when fewer than these are left below. */
const AHEAD_ROWS = 30;
/** Where each list was scrolled to, for when it is opened again. */
const offsets = new Map<string, number>();

interface Props {
  entries: Entry[];
  shown: Record<string, boolean>;
  /** The address of the list. */
  place: string;
  /** Whether all jobs of the list are loaded. */
  isWhole: boolean;
  more: (() => unknown) | null;
}

/** The table of jobs, of which only the rows near the visible ones are rendered. */
export function JobTable({ entries, shown, place, isWhole, more }: Props) {
  const [open, setOpen] = useState<string[]>([]);
  const rows = useMemo(
    () => entries.flatMap((entry) => [entry, ...(open.includes(entry.id) ? pointsOf(entry) : [])]),
    [entries, open],
  );
  const visible = useMemo(() => {
    const jobs = entries.flatMap(jobsOf);
    return COLUMNS.filter(({ id, has }) => shown[id] && (!has || jobs.some(has)));
  }, [entries, shown]);
  const box = useRef<HTMLElement>(null);
  const rowHeight = useRowHeight();
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    overscan: OVERSCAN_ROWS,
    initialOffset: offsets.get(place) ?? 0,
    initialRect: { width: 1280, height: 900 },
  });
  useEffect(() => {
    if (rowHeight) virtual.measure();
  }, [virtual, rowHeight]);
  useEffect(() => {
    const shownBox = box.current;
    return () => {
      offsets.set(place, shownBox?.scrollTop ?? 0);
    };
  }, [place]);
  const items = virtual.getVirtualItems();
  const first = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const isNearEnd = (items.at(-1)?.index ?? 0) >= rows.length - AHEAD_ROWS;
  useEffect(() => {
    if (isNearEnd) more?.();
  }, [isNearEnd, more]);
  const toggle = useCallback((id: string) => setOpen((old) => toggled(old, id)), []);
  const choose = useChoice(rows);
  const width = visible.reduce((sum, column) => sum + column.width, TICK_WIDTH);
  const sides = { width: TICK_WIDTH };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region is reached by keyboard
    <section className="table-box" ref={box} aria-label="Jobs" tabIndex={0}>
      <table
        className="job-table"
        aria-rowcount={rows.length + 1}
        style={{ minWidth: width, "--row-height": `${rowHeight}px` } as React.CSSProperties}
      >
        <colgroup>
          <col style={sides} />
          {visible.map(({ id, width: own, grows }) => (
            <col key={id} style={grows ? undefined : { width: own }} />
          ))}
        </colgroup>
        <Head columns={visible} entries={entries} isWhole={isWhole} />
        <tbody>
          {first > 0 && <tr className="filler" style={{ height: first }} />}
          {items.map(({ index }) => {
            const row = rows[index];
            return (
              row && (
                <Row
                  key={row.id}
                  entry={row}
                  index={index}
                  columns={visible}
                  isOpen={open.includes(row.id)}
                  toggle={toggle}
                  choose={choose}
                />
              )
            );
          })}
          {below > 0 && <tr className="filler" style={{ height: below }} />}
        </tbody>
      </table>
    </section>
  );
}

/** Return a function that selects a row, or with Shift all rows from the one before to it. */
function useChoice(entries: Entry[]): Choose {
  const latest = useRef(entries);
  latest.current = entries;
  const last = useRef<string>(null);
  return useMemo(
    () => (entry, isSelected, isRange) => {
      const range = isRange && last.current ? between(latest.current, last.current, entry.id) : [];
      last.current = entry.id;
      select((range.length > 0 ? range : [entry]).flatMap(jobsOf), isSelected);
    },
    [],
  );
}
