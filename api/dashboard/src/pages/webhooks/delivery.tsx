import { useQuery } from "@tanstack/react-query";
import {
  type DeliveryAttempt,
  deliveryById,
  type Delivery as Sent,
  useRedelivery,
} from "../../api/webhooks.ts";
import { moment } from "../../format.ts";
import { Code } from "../../ui/code.tsx";
import { Copy } from "../../ui/copy.tsx";
import { Icon } from "../../ui/icon.tsx";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { readable, responseInWords } from "./text.ts";

/** A message, its body and its attempts. */
export function DeliveryDetails({ delivery }: { delivery: Sent }) {
  const { webhook_id, id } = delivery;
  const { data, error, refetch } = useQuery(deliveryById(webhook_id, id));
  const redelivery = useRedelivery(webhook_id);
  return (
    <div className="stack">
      <div className="row">
        <span className="mono wrap faint">{id}</span>
        <Copy text={id} label="Copy the message's id" />
        <button
          type="button"
          className="small"
          disabled={redelivery.isPending}
          onClick={() => redelivery.mutate(id)}
        >
          <Icon name="retry" />
          Deliver again
        </button>
      </div>
      {redelivery.error !== null && <ErrorNote error={redelivery.error} />}
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data === undefined && error === null && <Loading what="the message" lines={2} />}
      {data && <Attempts log={data.log} />}
      {data && <Code text={readable(data.body)} label={`message ${id.slice(-8)}`} />}
    </div>
  );
}

function Attempts({ log }: { log: DeliveryAttempt[] }) {
  if (log.length === 0) return <p className="faint">The message was not sent yet.</p>;
  return (
    <ol className="plain" aria-label="Attempts, newest first">
      {log.toReversed().map((attempt) => (
        <li key={attempt.at}>
          <time className="faint" dateTime={attempt.at}>
            {moment(attempt.at)}
          </time>{" "}
          <span className="wrap">{responseInWords(attempt)}</span>
        </li>
      ))}
    </ol>
  );
}
