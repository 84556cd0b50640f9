"""From a request to the tokens of a model that runs in this process."""

from __future__ import annotations

from typing import Any

from opencoder.llm.api import Request, RequestError


def token_ids(tokenizer: Any, request: Request) -> list[int]:
    """Turn a request into tokens.

    A rendered chat holds its special tokens already: adding them once more would double the first one.

    Raises:
        RequestError: The model's chat template refused the turns.
    """
    if request.prompt is not None:
        return list(tokenizer.encode(request.prompt + request.prefill))
    turns = [{"role": message.role, "content": message.content} for message in request.messages]
    if request.prefill:
        turns.append({"role": "assistant", "content": request.prefill})
    try:
        text = tokenizer.apply_chat_template(
            turns,
            tokenize=False,
            add_generation_prompt=not request.prefill,
            continue_final_message=bool(request.prefill),
        )
    except Exception as error:  # a template is a program that comes with the model, and may raise anything
        raise RequestError(
            f"the model's chat template refused the turns ({error})", tag=request.tag
        ) from error
    return list(tokenizer.encode(text, add_special_tokens=False))
