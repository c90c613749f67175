import type { Method } from "../../api/client.ts";

interface Props {
  methods: Method[];
  chosen: string;
  /** The preset that sets the method. */
  preset?: string;
  choose: (name: string) => void;
}

/** A choice of pruning methods, with a description of the chosen one. */
export function MethodPicker({ methods, chosen, preset, choose }: Props) {
  const offered = methods.filter((one) => one.fields.includes("method"));
  const described = offered.find((one) => one.name === chosen);
  return (
    <fieldset className="methods">
      <legend>Method {preset && <span className="tag">by preset {preset}</span>}</legend>
      <div className="method-grid">
        {offered.map((one) => (
          <label key={one.name}>
            <input
              type="radio"
              name="method"
              value={one.name}
              checked={one.name === chosen}
              onChange={() => choose(one.name)}
            />
            <span>{one.title}</span>
          </label>
        ))}
      </div>
      {described && (
        <div className="method-words">
          <p>{described.when_to_use}</p>
          <p className="faint">{described.summary}</p>
          <p className="faint">
            Cost: {described.cost}{" "}
            {described.source && (
              <>
                Source: <span className="mono">{described.source}</span>
              </>
            )}
          </p>
        </div>
      )}
    </fieldset>
  );
}
