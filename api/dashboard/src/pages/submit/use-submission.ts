import { useMutation } from "@tanstack/react-query";
import { useLocation } from "wouter";
import { type Submission, submit } from "../../api/actions.ts";
import { useIdempotencyKey } from "./idempotency-key.ts";

/** Submit, then show the new job, unless the reader has left the form. */
export function useSubmission() {
  const [, go] = useLocation();
  const keyOf = useIdempotencyKey();
  const { mutate, error, isPending } = useMutation({
    mutationFn: (submission: Submission) => submit(submission, keyOf(submission)),
  });
  const send = (submission: Submission) =>
    mutate(submission, { onSuccess: (job) => go(`/jobs/${job.id}`) });
  return { submit: send, error, isPending };
}
