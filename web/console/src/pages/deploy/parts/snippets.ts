// Programs that ask a chatbot, ready to run, and those that vouch for a site's visitors.

export const PROGRAMS = ['curl', 'javascript', 'python'] as const;
export type Program = (typeof PROGRAMS)[number];

/** `base` is the server's address. The key stays in the environment: it must not lie in a program's text. */
export function asking(base: string, chatbot: string, question: string): Record<Program, string> {
  const url = `${base}/api/external/chatbot/${chatbot}/chat`;
  return {
    curl: `export OKRA_KEY=…   # an API key of your organization

curl -sN '${url}?stream=true' \\
  -H "x-api-key: $OKRA_KEY" \\
  -H 'content-type: application/json' \\
  -d '{"messages": [{"role": "user", "content": "${question}"}]}'`,
    javascript: `// Node.js 18 or newer, on your server: an API key must never reach a browser.
const response = await fetch('${url}', {
  method: 'POST',
  headers: { 'x-api-key': process.env.OKRA_KEY, 'content-type': 'application/json' },
  body: JSON.stringify({
    messages: [{ role: 'user', content: '${question}' }],
    // session_id: 'that of an earlier answer, to go on with the conversation',
  }),
});
const answer = await response.json();
if (!response.ok) throw new Error(answer.error);

console.log(answer.message.content);
for (const source of answer.sources) console.log('-', source.title, source.similarity);
console.log('session', answer.session_id);`,
    python: `import json
import os
import urllib.error
import urllib.request

request = urllib.request.Request(
    "${url}",
    data=json.dumps({
        "messages": [{"role": "user", "content": "${question}"}],
        # "session_id": "that of an earlier answer, to go on with the conversation",
    }).encode(),
    headers={"x-api-key": os.environ["OKRA_KEY"], "content-type": "application/json"},
)
try:
    with urllib.request.urlopen(request) as response:
        answer = json.load(response)
except urllib.error.HTTPError as failed:
    raise SystemExit(json.load(failed)["error"])

print(answer["message"]["content"])
for source in answer["sources"]:
    print("-", source["title"], source["similarity"])
print("session", answer["session_id"])`,
  };
}

export const SIGNERS = ['javascript', 'python'] as const;
export type Signer = (typeof SIGNERS)[number];

export const signing: Record<Signer, string> = {
  javascript: `// On your server, with the secret in OKRA_IDENTITY_SECRET.
import { createHmac } from 'node:crypto';

export function okraHash(visitorId) {
  return createHmac('sha256', process.env.OKRA_IDENTITY_SECRET).update(visitorId).digest('hex');
}`,
  python: `# On your server, with the secret in OKRA_IDENTITY_SECRET.
import hashlib
import hmac
import os


def okra_hash(visitor_id: str) -> str:
    secret = os.environ["OKRA_IDENTITY_SECRET"].encode()
    return hmac.new(secret, visitor_id.encode(), hashlib.sha256).hexdigest()`,
};

/** What the page then says, with the hash that its server has put there. */
export const IDENTIFY = `okra.identify({ id: '42', name: 'Kim', email: 'kim@example.com', hash });`;
