"""The dual-video prompt as token ids (released inference script): what is read, where the answer stands, what is learnt.

The text is tokenised in runs around the places of the visual tokens, as the released code does. A network without a
tokenizer (preset `paper-shrunk`) uses the ids of the Qwen2 vocabulary, folded into its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainers.levels import LEVELS

BEFORE = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    "Now you will receive two videos. The first video:\n "
)
BETWEEN = ". The second video:\n "
QUESTION = (
    ". Please watch these videos carefully, and then answer the following question: Comparing with the first video, how do "
    "you assess the quality of the second video?<|im_end|>\n<|im_start|>assistant\nThe quality of the second video is"
)
REST = " to the first video.<|im_end|>\n"
START, END, NEWLINE = "<|im_start|>", "<|im_end|>", "\n"
TURN_END = 2  # `<|im_end|>` and the newline after it


@dataclass(frozen=True)
class Prompt:
    """Token ids. A pair is `before`, first video, `between`, second video, `question`; the next token is one of `words`.

    `question` ends with " is"; `words` are in the order of `LEVELS`; `rest` is what follows the word in training.
    `special` are the ids of <|im_start|>, <|im_end|> and the newline.
    """

    before: tuple[int, ...]
    between: tuple[int, ...]
    question: tuple[int, ...]
    words: tuple[int, ...]
    rest: tuple[int, ...]
    special: tuple[int, int, int]

    @property
    def answer(self) -> int:
        """Where the assistant's turn begins in `question`."""
        return len(self.question) - 1 - self.question[::-1].index(self.special[0])

    def answered(self, level: int) -> tuple[int, ...]:
        """What follows the second video in training: the question, the level's word and the rest."""
        return (*self.question, self.words[level], *self.rest)

    def targets(self) -> tuple[list[bool], list[bool], list[bool]]:
        """Which tokens of `before`, `between` and of `question` + word + `rest` the cross-entropy learns.

        The assistant's turn counts whole; elsewhere only the turn markers and the newline do (released training code).
        """
        after = (*self.question, self.words[0], *self.rest)
        masks = [[token in self.special for token in run] for run in (self.before, self.between, after)]
        masks[2][self.answer :] = [True] * (len(after) - self.answer)
        return masks[0], masks[1], masks[2]

    def folded(self, vocabulary: int) -> Prompt:
        """The same prompt for a vocabulary of another size: every id modulo `vocabulary` - 1.

        Raises ValueError if two of the ids that are used would fall together.
        """
        used = {*self.before, *self.between, *self.question, *self.words, *self.rest, *self.special}
        if max(used) < vocabulary:
            return self

        def fold(ids: Sequence[int]) -> tuple[int, ...]:
            return tuple(token % (vocabulary - 1) for token in ids)

        if len(set(fold(sorted(used)))) < len(used):
            raise ValueError(f"a vocabulary of {vocabulary} tokens is too small for the prompt: use 2048 or more")
        start, end, newline = fold(self.special)
        runs = {name: fold(getattr(self, name)) for name in ("before", "between", "question", "words", "rest")}
        return replace(self, **runs, special=(start, end, newline))


# The ids of the Qwen2 vocabulary (Qwen2-7B-Instruct's tokenizer).
QWEN2 = Prompt(
    before=(151644, 8948, 198, 2610, 525, 264, 10950, 17847, 13, 151645, 198, 151644, 872, 198, 7039, 498, 686, 5258, 1378,
            6803, 13, 576, 1156, 2766, 510, 220),
    between=(13, 576, 2086, 2766, 510, 220),
    question=(13, 5209, 3736, 1493, 6803, 15516, 11, 323, 1221, 4226, 279, 2701, 3405, 25, 22771, 287, 448, 279, 1156, 2766,
              11, 1246, 653, 498, 8552, 279, 4271, 315, 279, 2086, 2766, 30, 151645, 198, 151644, 77091, 198, 785, 4271, 315,
              279, 2086, 2766, 374),
    words=(37179, 10960, 4428, 2664, 16353),
    rest=(311, 279, 1156, 2766, 13, 151645, 198),
    special=(151644, 151645, 198),
)  # fmt: skip


def tokenised(encode: Callable[[str], list[int]], where: str) -> Prompt:
    """The prompt in the ids of a tokenizer; `encode` adds no special tokens of its own, `where` names it in messages.

    Raises ValueError if one of the five words, or a turn marker, is not a single token.
    """

    def single(text: str) -> int:
        ids = encode(text)
        if len(ids) != 1:
            raise ValueError(
                f"the tokenizer of {where} splits {text!r} into {len(ids)} tokens; the student reads its answer from one: "
                "name the folder of a Qwen2 checkpoint, whose five words are single tokens"
            )
        return ids[0]

    return Prompt(
        before=tuple(encode(BEFORE)),
        between=tuple(encode(BETWEEN)),
        question=tuple(encode(QUESTION)),
        words=tuple(single(f" {level}") for level in LEVELS),
        rest=tuple(encode(REST)),
        special=(single(START), single(END), single(NEWLINE)),
    )


def read_prompt(folder: str | Path) -> Prompt:
    """The prompt in the ids of the tokenizer that lies in a checkpoint's folder (`tokenizer.json`, or vocabulary and merges).

    Raises ValueError if there is none, or if it splits the words.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder}: no tokenizer there ({str(error).splitlines()[0]}); copy tokenizer.json and tokenizer_config.json of "
            "the checkpoint beside its weights"
        ) from error
    return tokenised(lambda text: tokenizer.encode(text, add_special_tokens=False), str(folder))
