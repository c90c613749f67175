import { ago, moment } from "../format.ts";
import { useNow } from "./now.ts";

/** A relative time, with the absolute one as its title. */
export function Ago({ at }: { at: string }) {
  return (
    <time dateTime={at} title={moment(at)}>
      {ago(at, useNow())}
    </time>
  );
}
