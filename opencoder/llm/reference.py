"""The provider that answers every task with its reference solution."""

from __future__ import annotations

from opencoder.llm.api import Choice, Request, RequestError, Response, Style


class ReferenceModel:
    """Gives back ``Request.reference``; the test of a benchmark against itself."""

    name = "reference"
    revision = ""

    async def complete(self, request: Request) -> Response:
        """Return the reference solution, once per sample.

        Raises:
            RequestError: The task has none.
        """
        if not request.reference:
            raise RequestError(
                "the benchmark gives no reference solution; leave this task out", tag=request.tag
            )
        return Response(
            choices=[Choice(text=request.reference, form="solution") for _ in range(request.sampling.n)],
            model=self.name,
        )

    async def style(self) -> Style:
        """Say that no prompt is needed."""
        return "none"

    async def aclose(self) -> None:
        """Do nothing: there is nothing to give back."""
