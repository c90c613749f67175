import { ago, moment } from "../format.ts";
import { useNow } from "./now.ts";

/** How long ago, with the moment itself at hand. */
export function Ago({ at }: { at: string }) {
  return (
    <time dateTime={at} title={moment(at)}>
      {ago(at, useNow())}
    </time>
  );
}
