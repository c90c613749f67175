import { expect, it } from "vitest";
import { bounds, endOf, NO_LIMITS, requestOf, share } from "./quotas.ts";

it("shows use and limit, or that there is no limit", () => {
  expect(share({ used: 3, allowed: 10 })).toBe("3 of 10");
  expect(share({ used: 0, allowed: null })).toBe("0, no limit");
  expect(share({ used: 1.256, allowed: 2.5 })).toBe("1.26 of 2.50");
  expect(share({ used: 1500, allowed: 2_000_000 }, "bytes")).toBe("1.50 kB of 2.00 MB");
});

it("lists the limits that are set, including zero", () => {
  expect(bounds({ jobs_in_flight: null, gpu_hours: null, artifact_bytes: null })).toEqual([]);
  expect(bounds({ jobs_in_flight: 1, gpu_hours: 2.5, artifact_bytes: 5e10 })).toEqual([
    "1 job in flight",
    "2.50 GPU hours in 30 days",
    "50.0 GB of files",
  ]);
  expect(bounds({ jobs_in_flight: 0 })).toEqual(["0 jobs in flight"]);
});

it("sends the filled limits only", () => {
  expect(requestOf(NO_LIMITS)).toEqual({ quotas: {}, expires_at: null });
  const asked = requestOf({ jobs: "3", hours: "1.5", files: "1.5 GB", until: "2027-01-05" });
  expect(asked.quotas).toEqual({ jobs_in_flight: 3, gpu_hours: 1.5, artifact_bytes: 1.5e9 });
  expect(asked.expires_at).toBe(new Date(2027, 0, 5, 23, 59, 59).toISOString());
});

it("parses sizes with and without a unit, in any case", () => {
  const sizeOf = (files: string) => requestOf({ ...NO_LIMITS, files }).quotas.artifact_bytes;
  expect(["12", "12 B", "2kb", "0.1 MB", "3Tb"].map(sizeOf)).toEqual([12, 12, 2000, 1e5, 3e12]);
});

it("submits text that is no number, which the service refuses", () => {
  expect(requestOf({ jobs: "many", hours: "-", files: "a lot", until: "" }).quotas).toEqual({
    jobs_in_flight: "many",
    gpu_hours: "-",
    artifact_bytes: "a lot",
  });
  expect(requestOf({ ...NO_LIMITS, until: "12345-01-05" }).expires_at).toBe("12345-01-05");
});

it("distinguishes a revoked or expired key from a valid one", () => {
  const [at, now] = ["2026-01-05T09:30:00Z", Date.UTC(2026, 0, 6)];
  expect(endOf({ revoked_at: null, expires_at: null }, now)).toBeNull();
  expect(endOf({ revoked_at: null, expires_at: "2026-01-07T00:00:00Z" }, now)).toBeNull();
  expect(endOf({ revoked_at: null, expires_at: at }, now)).toBe("expired");
  expect(endOf({ revoked_at: at, expires_at: at }, now)).toBe("revoked");
});
