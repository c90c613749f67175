export function Counts({ counts }: { counts: Partial<Record<string, number>> }) {
  return (
    <ul className="row tight">
      {Object.entries(counts).map(([status, count]) => (
        <li key={status} className={`pill is-${status}`}>
          {count} {status}
        </li>
      ))}
    </ul>
  );
}
