/** Names for people in place of values that have none, such as the id of an uploaded dataset. */

/** A known value of an input. */
export interface Known {
  value: string;
  label: string;
  /** What the input shows in place of the value. */
  shown?: string;
}

/** Write the names of known values in place of them; `isList` if commas separate several. */
export function toNames(text: string, known: Known[], isList: boolean): string {
  return replaced(text, isList, (part) => known.find(({ value }) => value === part)?.shown);
}

/** Write the values of names; any other text stays as it is. */
export function toValues(text: string, known: Known[], isList: boolean): string {
  return replaced(text, isList, (part) => known.find(({ shown }) => shown === part)?.value);
}

function replaced(text: string, isList: boolean, by: (part: string) => string | undefined): string {
  const parts = isList ? text.split(",") : [text];
  return parts
    .map((part) => {
      const plain = part.trim();
      return plain === "" ? part : part.replace(plain, () => by(plain) ?? plain);
    })
    .join(",");
}
