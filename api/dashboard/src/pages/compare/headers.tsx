import { Link } from "wouter";
import { Swatch } from "../../charts/legend.tsx";
import type { Entry } from "./entries.ts";

export function JobHeaders({ entries }: { entries: Entry[] }) {
  return (
    <thead>
      <tr>
        <td />
        {entries.map(({ job, name, style, isBaseline, obstacles }) => (
          <th key={job.id} scope="col">
            <Swatch kind="dots" style={style} />
            <Link href={`/jobs/${job.id}`}>{name}</Link>
            {isBaseline && <span className="tag">baseline</span>}
            {obstacles !== null && obstacles.length > 0 && (
              <span className="tag">not comparable</span>
            )}
          </th>
        ))}
      </tr>
    </thead>
  );
}
