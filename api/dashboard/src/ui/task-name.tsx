import { useQuery } from "@tanstack/react-query";
import { datasets } from "../api/datasets.ts";

/** The name of a task; an uploaded dataset is shown by its own name, if it has one. */
export function TaskName({ name }: { name: string }) {
  const { data = [] } = useQuery({ ...datasets, enabled: name.startsWith("uploaded:") });
  const found = data.find(({ dataset }) => dataset === name)?.name;
  return found ? <span title={name}>{found}</span> : name;
}
