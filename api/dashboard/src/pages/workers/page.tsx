import { Title } from "../../ui/title.tsx";
import { Queues } from "./queues.tsx";
import { Storage } from "./storage.tsx";
import { Workers } from "./wall.tsx";

export function WorkersPage() {
  return (
    <>
      <Title text="Workers and queues" />
      <Workers />
      <Queues />
      <Storage />
    </>
  );
}
