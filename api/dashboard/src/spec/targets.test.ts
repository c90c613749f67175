import { expect, it } from "vitest";
import { commandsOf } from "./commands.ts";
import { targetsOf, targetsToText } from "./targets.ts";

const hub = { hub: "org/name", secret: "hf", private: true, revision: "main" };
const bucket = { s3: "s3://b/p", secret: "key", endpoint: null, region: "us-east-1" };
const server = { mlflow: "https://mlflow.example", experiment: "pruning", secret: null };

it("writes targets in the short forms of the command line, and reads them back", () => {
  const text = "hub:org/name@hf, s3://b/p@key, mlflow:https://mlflow.example#pruning";
  expect(targetsToText([hub, bucket, server])).toBe(text);
  expect(targetsOf(text)).toEqual([hub, bucket, server]);
  expect(targetsOf("mlflow:https://mlflow.example#pruning@token")).toEqual([
    { ...server, secret: "token" },
  ]);
});

it("writes targets that set more as JSON", () => {
  const other = [{ ...bucket, endpoint: "https://minio.example" }];
  expect(targetsOf(targetsToText(other))).toEqual(other);
});

it("leaves invalid text to the service", () => {
  expect(targetsOf("org/name")).toEqual(["org/name"]);
  expect(targetsOf("[1")).toBe("[1");
  expect(targetsToText([null])).toBe("null");
});

it("builds a command with one option for each target", () => {
  const other = { ...hub, private: false };
  const { cli } = commandsOf({ model: "m", output: [hub, other] }, {}, "http://host");
  expect(cli).toContain("--output hub:org/name@hf");
  expect(cli).toContain(`--output '${JSON.stringify(other)}'`);
});
