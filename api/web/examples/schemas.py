"""All examples, by the name of the schema that each is an example of."""

from api.web.examples import access, files, integrations, jobs, operations, planning

EXAMPLES = {
    **access.EXAMPLES,
    **files.EXAMPLES,
    **integrations.EXAMPLES,
    **jobs.EXAMPLES,
    **operations.EXAMPLES,
    **planning.EXAMPLES,
}
