import type { Job } from "../../api/client.ts";
import { number, type QuantizedLayer } from "../../api/jobs.ts";
import { bytes, count, figure, NONE, percent } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";

/** How the weights of a finished job are quantised. */
export function Quantized({ job }: { job: Job }) {
  const measured = job.result?.quantization as Record<string, unknown> | undefined;
  if (!measured) return null;
  const rotation = job.result?.rotation as Rotation | undefined;
  const metric = (name: string) => number(measured[name]);
  return (
    <Section
      title="Quantised weights"
      aside={<span className="faint mono">{job.spec.quantize?.scheme}</span>}
    >
      <Facts>
        <Fact name="Bits per weight">{figure(metric("bits_per_weight"))}, scales included</Fact>
        <Fact name="Weights per scale">{count(metric("group_size"))}</Fact>
        <Fact name="Quantised matrices">{bytes(metric("bytes"))}</Fact>
        <Fact name="All weight files">{bytes(number(job.result?.weights_bytes))}</Fact>
        <Fact name="Error of outputs">{percent(metric("error"), 2)}</Fact>
        <Fact name="Fallbacks">{count(metric("fallbacks"))} matrices</Fact>
        {rotation && <Fact name="Rotated">{rotated(rotation)}</Fact>}
      </Facts>
      <p className="faint">
        The files are smaller. The model is faster only in an engine with kernels for this format.
      </p>
    </Section>
  );
}

interface Rotation {
  residual: number;
  values: number;
  blocks: number;
}

function rotated({ residual, values, blocks }: Rotation) {
  const ofValues = `values of ${count(values)} of ${count(blocks)} blocks`;
  return residual ? `residual stream, ${ofValues}` : ofValues;
}

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
