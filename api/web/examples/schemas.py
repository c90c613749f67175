"""Examples keyed by the name of their schema; those in ``responses`` are not among them."""

from api.web.examples import access, files, integrations, jobs, operations, planning, storage

EXAMPLES = {
    **access.EXAMPLES,
    **files.EXAMPLES,
    **integrations.EXAMPLES,
    **jobs.EXAMPLES,
    **operations.EXAMPLES,
    **planning.EXAMPLES,
    **storage.EXAMPLES,
}
