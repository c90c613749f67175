import { count } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { filling, labelFor, MAX_VALUES, requiring, rowsOf, type Value } from "./payload.ts";

interface Rules {
  filter: Record<string, unknown>;
  map: Record<string, string>;
}

interface Props extends Rules {
  payload: unknown;
  change: (rules: Partial<Rules>) => void;
}

const FIELDS = ["model", "revision", "dataset", "name", "sparsity"];

/** What the trigger does with each value of the payload. */
export function ValueTable({ payload, filter, map, change }: Props) {
  const { rows, total } = rowsOf(payload, filter, map);
  if (rows.length === 0) return null;
  const rest =
    total > MAX_VALUES &&
    `The first ${MAX_VALUES} of ${count(total)} values are listed, and those that the trigger uses.`;
  return (
    <>
      <Scroll label="Values of the payload">
        <table>
          <thead>
            <tr>
              <th scope="col">Value at</th>
              <th scope="col">Fills</th>
              <th scope="col">Required</th>
              <th scope="col">In the sample</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <ValueRow key={row.pointer} {...{ row, filter, map, change }} />
            ))}
          </tbody>
        </table>
      </Scroll>
      {rest && <p className="faint">{rest}</p>}
    </>
  );
}

type RowProps = Omit<Props, "payload"> & { row: Value };

function ValueRow({ row, filter, map, change }: RowProps) {
  const { pointer, value } = row;
  const filled = Object.entries(map).find(([, one]) => one === pointer)?.[0] ?? "";
  const offered = [...new Set([...FIELDS, filled, labelFor(pointer)])].filter(Boolean);
  const isRequired = pointer in filter;
  return (
    <tr>
      <th scope="row" className="mono wrap">
        {pointer}
      </th>
      <td>
        <select
          aria-label={`Field filled by ${pointer}`}
          value={filled}
          onChange={({ target }) => change({ map: filling(map, pointer, target.value) })}
        >
          <option value="">nothing</option>
          {offered.map((field) => (
            <option key={field}>{field}</option>
          ))}
        </select>
      </td>
      <td>
        <label className="row tight">
          <input
            type="checkbox"
            aria-label={`Require ${pointer}`}
            checked={isRequired}
            disabled={value === undefined && !isRequired}
            onChange={({ target }) => change({ filter: requiring(filter, row, target.checked) })}
          />
          {isRequired && <span className="wrap">{shown(filter[pointer])}</span>}
        </label>
      </td>
      <td className="wrap">
        {value === undefined ? <span className="faint">not in the sample</span> : shown(value)}
      </td>
    </tr>
  );
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
