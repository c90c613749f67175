"""The table of trials."""

from sqlalchemy import BigInteger, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import ID, Base
from db.tables.jobs import Job

TRIAL = "trial"
"""The column ``method`` of the jobs that answer trials; lists and facets leave these jobs out."""


class Trial(Base):
    """A prompt that the dense and the pruned model of a finished job continue.

    Attributes:
        job_id: the id of the job that answers the trial; it is also the trial's id.
        tried_id: the id of the finished job whose models continue the prompt.
        max_tokens: the number of tokens after which a continuation ends.
        seed: the seed that the tokens are drawn with; None for the most likely tokens.
    """

    __tablename__ = "trials"
    __table_args__ = (Index("ix_trials_listed", "tried_id", "job_id"),)

    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"), primary_key=True)
    tried_id: Mapped[str] = mapped_column(ID)
    prompt: Mapped[str] = mapped_column(Text)
    max_tokens: Mapped[int]
    seed: Mapped[int | None] = mapped_column(BigInteger)
