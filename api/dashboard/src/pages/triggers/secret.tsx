import type { Trigger, TriggerSource } from "../../api/triggers.ts";
import { Code } from "../../ui/code.tsx";
import { Secret } from "../../ui/secret.tsx";
import { TEMPLATES } from "./templates.ts";

export function NewSecret({ secret, source }: { secret: string; source: TriggerSource }) {
  return (
    <Secret
      title="The secret, shown only once"
      message={`Copy it now: it is never shown again. ${TEMPLATES[source].setup}`}
      text={secret}
      label="secret"
    />
  );
}

/** The address that the source calls. */
export function HookAddress({ trigger }: { trigger: Trigger }) {
  return (
    <div>
      <p>The address that the source calls:</p>
      <Code text={`${location.origin}${trigger.hook}`} label="address of the trigger" />
    </div>
  );
}
