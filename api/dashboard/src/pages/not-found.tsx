import { Link } from "wouter";
import { Empty } from "../ui/notes.tsx";
import { Title } from "../ui/title.tsx";

export function NotFoundPage() {
  return (
    <>
      <Title text="No such page" />
      <Empty title="There is no page at this address">
        <Link className="button" href="/">
          All jobs
        </Link>
      </Empty>
    </>
  );
}
