"""What OpenAI's package makes of Okra: run with the address, a key and a picture's path."""

import base64
import sys

import openai

url, key, picture = sys.argv[1:]
client = openai.OpenAI(base_url=url, api_key=key)
MODEL = "teapots"
ANSWER = "찬물로 헹구세요 🫖"


def ask(content, **more):
    messages = [{"role": "user", "content": content}]
    return client.chat.completions.create(model=MODEL, messages=messages, **more)


def fails(error, call, **expected):
    try:
        call()
    except error as raised:
        for name, value in expected.items():
            assert getattr(raised, name) == value, (name, raised)
        return
    raise AssertionError(f"no {error.__name__}")


models = client.models.list()
assert [model.id for model in models] == [MODEL], models
assert client.models.retrieve(MODEL).object == "model"

whole = ask("How do I rinse a teapot?", user="kim", temperature=0.2, max_tokens=100)
assert whole.choices[0].message.content == ANSWER
assert whole.choices[0].finish_reason == "stop"
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
assert whole.sources[0]["title"] == "Care"

again = ask("And then?", user="kim")
assert again.session_id == whole.session_id

chunks = list(ask("How do I rinse a teapot?", stream=True, stream_options={"include_usage": True}))
assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == ANSWER
assert chunks[0].choices[0].delta.role == "assistant"
assert chunks[0].session_id != whole.session_id
assert chunks[-2].choices[0].finish_reason == "stop"
assert chunks[-2].sources[0]["title"] == "Care"
assert chunks[-1].usage.total_tokens > 0

with open(picture, "rb") as file:
    inline = "data:image/png;base64," + base64.b64encode(file.read()).decode()
shown = ask([{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": inline}}])
assert shown.choices[0].message.content == ANSWER

# The fifth question: a failure that the package would repeat, were it not told to leave it.
fails(openai.InternalServerError, lambda: ask("Is there tea?"), status_code=502, code="provider_failed")

fails(
    openai.NotFoundError,
    lambda: client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}]),
    code="model_not_found",
    param="model",
)
fails(openai.NotFoundError, lambda: client.models.retrieve("gpt-4o"), code="model_not_found")
fails(openai.BadRequestError, lambda: ask("Hi", n=2), param="n")
tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
fails(openai.BadRequestError, lambda: ask("Hi", tools=[tool]), param="tools")
stranger = openai.OpenAI(base_url=url, api_key="c3" * 24)
fails(openai.AuthenticationError, lambda: stranger.models.list(), code="unauthorized")
print("all is well")
