"""Renders templates with jinja2 through transformers' own code, for ChatTemplateTests.

    python make_goldens.py        # with transformers 5.24 and jinja2 3.1; writes snippets.json and goldens.json beside itself

snippets.json: small templates, each with its output or its error. goldens.json: the templates in models/, each with every
conversation. An error is recorded as its class, and for `raise_exception` with its text.
"""

import json
import pathlib
from datetime import datetime

from transformers.utils import chat_template_utils as utils

HERE = pathlib.Path(__file__).parent


class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime(2026, 3, 7, 9, 5, 3)


utils.datetime = Clock


def attempt(render):
    try:
        return {"output": render()}
    except Exception as error:
        kind = type(error).__name__
        return {"error": str(error) if kind == "TemplateError" else "", "kind": kind}


# --- Small templates ---------------------------------------------------------------------------------------------------

CONTEXT = {
    "name": "World", "empty": "", "n": 7, "f": 2.5, "yes": True, "no": False, "nothing": None, "neg": -3,
    "text": "The quick  brown\tfox\njumps over\n\nthe lazy dog\n", "uni": "Grüße, 世界! 👋🏽 e\u0301 ß İ ŉ",
    "list": [3, 1, 2], "words": ["banana", "Apple", "cherry", "apple"], "nested": [[1, 2], [3], []],
    "dict": {"b": 1, "a": [1, {"x": None}], "C": "see"}, "html": "<a href=\"x\">'&'</a>",
    "people": [
        {"name": "Ann", "age": 31, "tags": ["x", "y"], "address": {"city": "Oslo"}},
        {"name": "bob", "age": 25, "tags": [], "address": {"city": "Bonn"}},
        {"name": "Cy", "age": 31, "address": {}},
    ],
    "mixed": [1, "a", None, True, 2.0, [], {}], "floats": [0.1, 1e16, 1e-5, 123456789.125, 1e22, -0.0, 100.0, 1e100, 5e-324],
    "quotes": "it's \"so\" \\ \x07 \u200b \xa0", "items": {"items": 1, "keys": 2, "get": 3}, "spaces": " \t\u3000x\u2003\n",
}

SNIPPETS = (HERE / "snippets.txt").read_text().split("\n----\n")


def snippets():
    cases = []
    for source in SNIPPETS:
        cases.append({"template": source, **attempt(
            lambda: utils._compile_jinja_template(source).render(**json.loads(json.dumps(CONTEXT))))})
    return {"context": CONTEXT, "cases": cases}


# --- Models' templates -------------------------------------------------------------------------------------------------

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a given \"place\" – <b>now</b>",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "City & country, e.g. Zürich"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": ["integer", "null"], "minimum": 1},
                "where": {"type": "object", "properties": {"lat": {"type": "number"}, "tags": {"type": "array", "items": {"type": "string"}}}, "required": ["lat"]},
            },
            "required": ["location"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}}


def called(name, arguments, id="abcdef123"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def conversations():
    user = {"role": "user", "content": "What is 2+2?"}
    weather = {"location": "Zürich 🌧️", "days": 2, "where": {"lat": 47.37, "tags": ["a", "b"]}, "ok": True, "none": None}
    with_tools = [
        {"role": "system", "content": "You are  helpful.\n"},
        {"role": "user", "content": "Weather in Zürich?"},
        {"role": "assistant", "content": None, "tool_calls": [called("get_weather", weather)]},
        {"role": "tool", "tool_call_id": "abcdef123", "name": "get_weather", "content": "{\"temp\": 3.5, \"sky\": \"rain\"}"},
        {"role": "assistant", "content": "Three degrees & rain."},
        {"role": "user", "content": "And the time?"},
    ]
    all = {
        "single": {"messages": [user]},
        "system": {"messages": [{"role": "system", "content": "Be  brief.\n\n"}, user], "add_generation_prompt": False},
        "turns": {"messages": [
            {"role": "system", "content": "S"}, {"role": "user", "content": " Hi \n"}, {"role": "assistant", "content": "\nHello! "},
            {"role": "user", "content": "a\n\nb"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nfine"}, {"role": "user", "content": "ok"}]},
        "ends_with_assistant": {"messages": [user, {"role": "assistant", "content": "4"}], "add_generation_prompt": False},
        "tools": {"messages": with_tools[:2], "tools": [WEATHER, CLOCK]},
        "tool_results": {"messages": with_tools, "tools": [WEATHER, CLOCK]},
        "parallel_calls": {"messages": [
            {"role": "user", "content": "Both"},
            {"role": "assistant", "content": "I'll look.", "tool_calls": [called("now", {}, "call00001"), called("get_weather", {"location": "Oslo"}, "call00002")]},
            {"role": "tool", "tool_call_id": "call00001", "name": "now", "content": "12:00"},
            {"role": "tool", "tool_call_id": "call00002", "name": "get_weather", "content": "sun"}], "tools": [WEATHER, CLOCK]},
        "calls_as_text": {"messages": [user, {"role": "assistant", "content": "", "tool_calls": [called("now", "{\"zone\": \"UTC\"}")]},
            {"role": "tool", "tool_call_id": "abcdef123", "content": "noon"}], "tools": [CLOCK]},
        "parts": {"messages": [
            {"role": "system", "content": [{"type": "text", "text": "Sys "}]},
            {"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "text", "text": "é\n"}]}]},
        "image": {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is this?"}]}]},
        "reasoning": {"messages": [user, {"role": "assistant", "reasoning_content": "Add them.\n", "content": "4"}, {"role": "user", "content": "Sure?"}],
            "extra": {"enable_thinking": True}},
        "no_thinking": {"messages": [user], "extra": {"enable_thinking": False}},
        "empty": {"messages": []},
        "unicode": {"messages": [{"role": "user", "content": "👩‍👩‍👧 e\u0301 \u202e \u0000 İ <|im_end|> {{ x }} {% if %}"}]},
        "only_system": {"messages": [{"role": "system", "content": "S"}]},
        "wrong_order": {"messages": [{"role": "assistant", "content": "A"}, {"role": "assistant", "content": "B"}, user, user]},
        "unknown_role": {"messages": [user, {"role": "critic", "content": "no"}]},
        "developer": {"messages": [{"role": "developer", "content": "Dev"}, user]},
        "no_content": {"messages": [{"role": "user"}]},
    }
    return all


TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def goldens():
    cases = {}
    talks = conversations()
    for path in sorted((HERE / "models").glob("*.jinja")):
        # Read as bytes: a file may have lines that end with CR and LF.
        source = path.read_bytes().decode()
        outputs = {}
        for name, talk in talks.items():
            def render():
                chat = utils._normalize_chat_messages(json.loads(json.dumps(talk["messages"])))
                rendered, _ = utils.render_jinja_template(
                    conversations=[chat], tools=talk.get("tools"), chat_template=source,
                    add_generation_prompt=talk.get("add_generation_prompt", True), **TOKENS, **talk.get("extra", {}))
                return rendered[0]
            outputs[name] = attempt(render)
        cases[path.name] = outputs
    return {"tokens": TOKENS, "conversations": talks, "cases": cases}


if __name__ == "__main__":
    for name, make in (("snippets.json", snippets), ("goldens.json", goldens)):
        (HERE / name).write_text(json.dumps(make(), ensure_ascii=False, indent=0) + "\n")
