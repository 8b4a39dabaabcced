"""Writes testdata/chat/cases.json: what apply_chat_template of transformers makes of conversations.

  python tests/oracle/make_chat_cases.py        (transformers, jinja2)

The templates beside it were written for this repository, in the manner of the families they are named after. strftime_now
sees a fixed time. A case holds the template, the JSON of messages and tools as text (the order of keys matters), the
variables, and the text or the message of the exception that the template raised.
"""
import datetime
import json
import pathlib

import jinja2
import transformers
from transformers.utils import chat_template_utils

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "testdata/chat"
NOW = datetime.datetime(2025, 3, 7, 15, 4, 9)
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


class Fixed(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def system(text):
    return {"role": "system", "content": text}


def call(name, arguments, **more):
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": name,
            "arguments": arguments}, **more}]}


def result(content, **more):
    return {"role": "tool", "content": content, **more}


TOOLS = [{"type": "function", "function": {"name": "weather", "description": "The weather of a town, <now> & \"then\".",
          "parameters": {"type": "object", "properties": {"town": {"type": "string", "enum": ["Köln", "東京"]},
                         "days": {"type": "integer", "default": 1}, "exact": {"type": "number", "maximum": 1e20}},
                         "required": ["town"]}}},
         {"type": "function", "function": {"name": "time", "description": "Now.", "parameters": {}, "return": {"type": "string"}}}]
SIMPLE = [user("Hello!")]
LONG = [system("  Be brief. \n"), user(" What is 2 + 2?\n"), assistant(" 4. "), user("And naïve café 你好 🎉?\u2028")]
CALLS = [system("Use tools."), user("Weather in Köln?"), call("weather", {"town": "Köln", "days": 2, "exact": 0.5}, id="abcdefghi"),
         result("{\"sky\": \"grey\"}", tool_call_id="abcdefghi"), assistant("Grey.")]
TWO = [user("Both?"), {"role": "assistant", "content": "Let me look.", "tool_calls": [
           {"type": "function", "id": "aaaaaaaaa", "function": {"name": "weather", "arguments": {"town": "東京"}}},
           {"type": "function", "id": "bbbbbbbbb", "function": {"name": "time", "arguments": {}}}]},
       result("fair", tool_call_id="aaaaaaaaa"), result("noon", tool_call_id="bbbbbbbbb"), assistant("Fair at noon."), user("Thanks")]
THOUGHT = [user("Think."), assistant("<think>\nhmm\n\n</think>\n\nDone."), user("<result>x</result>"), assistant("<think>\nagain</think>\nYes."),
           {"role": "assistant", "content": "\nso", "reasoning_content": "\nI see\n"}]
PARTS = [{"role": "system", "content": [{"type": "text", "text": "Look."}]},
         {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is it? "}]}, assistant("A cat.")]
NULLS = [{"role": "user", "content": "x", "tool_calls": None, "name": None}, {"role": "assistant", "content": None, "tool_calls": [
             {"id": "ccccccccc", "type": "function", "function": {"name": "time", "arguments": {}}}]}]
TWICE = [user("a"), user("b")]
STARTS_WRONG = [assistant("I begin."), user("No.")]
DATA = [{"role": "hidden", "content": "h"}, user("one"), {"role": "assistant", "content": "  two\n ", "data": {"b": {"y": 1, "x": [1, "s"]}, "a": True}},
        user("three"), {"role": "stop", "content": "s"}, user("never")]
TEXT = [{"role": "user", "content": "  x banana Band\ta\x1cnd ab \n", "data": {"k": 1}}, assistant("ok"), user("end")]

CASES = [(name, messages, tools, more) for name in ("llama3", "qwen2", "qwen3", "gemma3", "phi3", "mistral", "chatml") for messages, tools, more in [
             (SIMPLE, None, {}), (SIMPLE, None, {"add_generation_prompt": True}), (LONG, None, {"add_generation_prompt": True}),
             (LONG[:3], None, {}), (CALLS, TOOLS, {"add_generation_prompt": True}), (TWO, TOOLS, {}), (NULLS, None, {}), (TWICE, None, {}),
             (STARTS_WRONG, None, {}), (PARTS, None, {}), (SIMPLE, TOOLS, {}), (SIMPLE, [], {})]]
CASES += [("qwen3", THOUGHT, None, {}), ("qwen3", THOUGHT[:3], None, {"add_generation_prompt": True}),
          ("qwen3", SIMPLE, None, {"add_generation_prompt": True, "enable_thinking": False}),
          ("qwen3", SIMPLE, None, {"add_generation_prompt": True, "enable_thinking": True}),
          ("qwen3", [user("x"), {"role": "assistant", "content": "y", "thinking": "old name"}], None, {}),
          ("llama3", SIMPLE, None, {"date_string": "1 May 2024"}), ("llama3", SIMPLE, None, {"builtin_tools": ["search", "interpreter", "maps"]}),
          ("llama3", CALLS, None, {"custom_tools": TOOLS}), ("llama3", [user("x"), {"role": "ipython", "content": {"a": [1, None]}}], None, {}),
          ("mistral", [user("x"), call("time", {}, id="short")], None, {}), ("mistral", [user("x"), {"role": "other", "content": "y"}], None, {}),
          ("gemma3", [user("x"), {"role": "assistant", "content": 5}], None, {}),
          ("tracked", DATA, None, {}), ("tracked", DATA[:3], None, {"add_generation_prompt": True}),
          ("constructs", TEXT, TOOLS, {})]


def apply(name, messages, tools, more):
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(FOLDER.parent / "tokenizers/wordpiece-uncased.json"), **TOKENS)
    tokenizer.chat_template = (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")
    case = {"template": name, "messages": json.dumps(messages, ensure_ascii=False),
            "tools": "" if tools is None else json.dumps(tools, ensure_ascii=False), "variables": {"add_generation_prompt": False, **TOKENS, **more}}
    try:
        text = tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, **more)
        return {**case, "text": text}
    except jinja2.exceptions.UndefinedError:
        return {**case, "error": ""}  # worded by the library
    except jinja2.exceptions.TemplateError as error:
        return {**case, "error": str(error)}
    except TypeError:
        return {**case, "error": ""}


def main():
    chat_template_utils.datetime = Fixed
    cases = [apply(*case) for case in CASES]
    data = {"now": [NOW.year, NOW.month, NOW.day, NOW.hour, NOW.minute, NOW.second], "cases": cases}
    (FOLDER / "cases.json").write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(len(cases), "cases,", sum("error" in case for case in cases), "errors")


if __name__ == "__main__":
    main()
