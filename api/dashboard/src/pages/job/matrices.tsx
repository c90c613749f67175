import { useMemo, useState } from "react";
import { type Layer, layerName, type WeightHistogram } from "../../api/jobs.ts";
import { Chart } from "../../charts/chart.tsx";
import type { Axis, Dot, Series } from "../../charts/series.ts";
import { count, figure, NONE, percent } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";

const WEIGHT: Axis = { title: "Weight", unit: "number" };
const COUNT: Axis = { title: "Sampled weights", unit: "whole" };

/** The matrices of a block, and the weights of a chosen one before and after pruning. */
export function Matrices({ layers }: { layers: Layer[] }) {
  const [picked, pick] = useState<string | null>(null);
  const counted = layers.filter(({ histogram }) => histogram);
  const chosen = counted.find((layer) => layerName(layer) === picked) ?? counted[0];
  return (
    <>
      <MatrixTable layers={layers} chosen={chosen} pick={pick} />
      {chosen?.histogram && <Weights name={layerName(chosen)} histogram={chosen.histogram} />}
    </>
  );
}

interface TableProps {
  layers: Layer[];
  chosen: Layer | undefined;
  pick: (name: string) => void;
}

function MatrixTable({ layers, chosen, pick }: TableProps) {
  return (
    <Scroll label="Matrices of the block">
      <table>
        <thead>
          <tr>
            <th scope="col">Matrix</th>
            <th scope="col" className="end">
              Weights
            </th>
            <th scope="col" className="end">
              Zeros
            </th>
            <th scope="col" className="end">
              Sparsity
            </th>
            <th scope="col" className="end">
              Error
            </th>
            <th scope="col">Fallback</th>
          </tr>
        </thead>
        <tbody>
          {layers.map((layer) => (
            <tr key={layerName(layer)}>
              <th scope="row" className="mono">
                <MatrixName layer={layer} isChosen={layer === chosen} pick={pick} />
              </th>
              <td className="end figure">{count(layer.weights)}</td>
              <td className="end figure">{count(layer.zeros)}</td>
              <td className="end figure">{percent(layer.zeros / layer.weights)}</td>
              <td className="end figure">{figure(layer.error ?? null)}</td>
              <td>{layer.fallback ?? NONE}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

interface NameProps {
  layer: Layer;
  isChosen: boolean;
  pick: (name: string) => void;
}

/** The name of a matrix; a button if its weights were counted. */
function MatrixName({ layer, isChosen, pick }: NameProps) {
  const name = layerName(layer);
  if (!layer.histogram) return name;
  return (
    <button
      type="button"
      className="matrix-name"
      aria-pressed={isChosen}
      onClick={() => pick(name)}
    >
      {name}
    </button>
  );
}

function Weights({ name, histogram }: { name: string; histogram: WeightHistogram }) {
  const series = useMemo<Series[]>(
    () => [
      { name: "Before", kind: "line", style: 0, dots: dotsOf(histogram, histogram.before) },
      { name: "After", kind: "line", style: 1, dots: dotsOf(histogram, histogram.after) },
    ],
    [histogram],
  );
  return (
    <Chart label={`Weights of ${name}`} series={series} x={WEIGHT} y={COUNT} height={200}>
      <span>
        Weights of <span className="mono">{name}</span> in a sample of its rows, before and after
        pruning; zeros are left out. The outermost points also count the weights beyond.
      </span>
    </Chart>
  );
}

function dotsOf({ limit }: WeightHistogram, counts: number[]): Dot[] {
  const width = (2 * limit) / counts.length;
  return counts.map((y, bin) => ({ x: -limit + (bin + 0.5) * width, y }));
}
