import type { QuantizedLayer } from "../../api/jobs.ts";
import { figure, NONE, percent } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";

/** The quantised matrices of a block. */
export function QuantizedMatrices({ layers }: { layers: QuantizedLayer[] }) {
  return (
    <Scroll label="Quantised matrices of the block">
      <table>
        <thead>
          <tr>
            <th scope="col">Matrix</th>
            <th scope="col" className="end">
              Zeros
            </th>
            <th scope="col" className="end">
              Scales
            </th>
            <th scope="col" className="end">
              Error
            </th>
            <th scope="col">Fallback</th>
          </tr>
        </thead>
        <tbody>
          {layers.map((layer) => (
            <tr key={layer.name}>
              <th scope="row" className="mono">
                {layer.name}
              </th>
              <td className="end figure">{percent(layer.zeros / layer.weights, 2)}</td>
              <td className="end figure">
                {figure(layer.scale_min)} to {figure(layer.scale_max)}
              </td>
              <td className="end figure">{figure(layer.error)}</td>
              <td>{layer.fallback ?? NONE}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
