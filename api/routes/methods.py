"""What a job can ask for."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from api.schemas import MethodRead, Page
from db.methods import METHODS, Method
from db.spec import PruneSpec

router = APIRouter(prefix="/v1/methods", tags=["catalog"])


@router.get("")
def list_methods() -> Page[MethodRead]:
    """List the pruning methods, each with the JSON Schema of a job that uses it."""
    return Page(data=[MethodRead(**asdict(one), options=_options(one)) for one in METHODS])


def _options(method: Method) -> dict[str, Any]:
    schema = PruneSpec.model_json_schema()
    schema["properties"]["method"] = {"const": method.name, "default": method.name}
    del schema["$defs"]["MethodName"]
    return schema
