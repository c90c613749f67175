const PATHS = {
  plus: "M8 3v10M3 8h10",
  copy: "M6 6V3h7v7h-3M3 6h7v7H3z",
  check: "M3 8.5 6.5 12 13 4.5",
  download: "M8 2v8m0 0L5 7m3 3 3-3M3 13h10",
  cancel: "M4 4l8 8m0-8-8 8",
  retry: "M13 8a5 5 0 1 1-1.5-3.6M13 2v3h-3",
  rerun: "M3 5h8l-2-2m2 2L9 7M13 11H5l2-2m-2 2 2 2",
  compare: "M5 3v10M11 3v10M2 6l3-3 3 3M8 10l3 3 3-3",
  pause: "M5.5 3v10M10.5 3v10",
  play: "M5 3l8 5-8 5z",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zm3.5-1.5L14 14",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.5 1.5M11.5 11.5 13 13M3 13l1.5-1.5M11.5 4.5 13 3",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z",
  system: "M2 3h12v8H2zM6 14h4",
  edit: "M3 13l.7-3L11 2.7l2.3 2.3L6 12.3zM9.5 4.2l2.3 2.3",
  warning: "M8 2 1.5 13.5h13zM8 6.5V10m0 1.7v.1",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
