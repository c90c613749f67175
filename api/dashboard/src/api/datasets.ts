/** Datasets and models that a job can name, and the upload of datasets. */

import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, unwrap } from "./client.ts";
import { authorization } from "./key.ts";
import { ProblemError, problemOf, UnreachableError } from "./problem.ts";
import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];
export type Uploaded = Schemas["DatasetRead"];
export type Builtin = Schemas["BuiltinRead"];
export type DatasetDetail = Schemas["DatasetDetail"];

const path = (dataset_id: string) => ({ path: { dataset_id } });

export const datasets = queryOptions({
  queryKey: ["datasets"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/datasets", { signal }))).data,
});

export const models = queryOptions({
  queryKey: ["models"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/models", { signal }))).data,
});

export function datasetById(id: string) {
  return queryOptions({
    queryKey: ["dataset", id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/v1/datasets/{dataset_id}", { params: path(id), signal })),
  });
}

export function useDatasetDeletion(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => unwrap(api.DELETE("/v1/datasets/{dataset_id}", { params: path(id) })),
    onSuccess: () => {
      queries.removeQueries({ queryKey: ["dataset", id] });
      queries.invalidateQueries({ queryKey: datasets.queryKey });
    },
  });
}

/** The media type of a file by the end of its name; undefined for files that cannot be uploaded. */
export function mediaTypeOf(name: string): string | undefined {
  if (/\.(jsonl|ndjson|json)$/i.test(name)) return "application/jsonl";
  if (/\.csv$/i.test(name)) return "text/csv";
  return /\.(txt|md|text)$/i.test(name) ? "text/plain" : undefined;
}

/** Upload a file; `share` is the part of it that was sent. */
export function useUpload() {
  const queries = useQueryClient();
  const [share, setShare] = useState(0);
  const upload = useMutation({
    mutationFn: (file: File) => send(file, setShare),
    onMutate: () => setShare(0),
    onSuccess: () => void queries.invalidateQueries({ queryKey: datasets.queryKey }),
  });
  return { ...upload, share };
}

/** Send a file; only an XMLHttpRequest reports how much of it was sent. */
function send(file: File, progress: (share: number) => void): Promise<Uploaded> {
  const type = mediaTypeOf(file.name);
  if (type === undefined)
    throw new Error(`${file.name} is not a .txt, .jsonl or .csv file. Choose one of these.`);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/datasets?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("content-type", type);
    for (const [name, value] of Object.entries(authorization()))
      request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => progress(total > 0 ? loaded / total : 1);
    request.onerror = () => reject(new UnreachableError());
    request.onload = () => {
      const { status, statusText, responseURL: url } = request;
      const body = parsed(request.responseText);
      if (status < 300) resolve(body as Uploaded);
      else reject(new ProblemError(problemOf(body, { status, statusText, url })));
    };
    request.send(file);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
