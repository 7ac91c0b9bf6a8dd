// Every way in which a stream can be cut gives the same events.
import { describe, expect, test } from 'vitest';
import { SseParser, type ServerEvent } from '../src';

const STREAM =
  ': hello\r\nevent: delta\r\nid: 1\r\ndata: {"content":"찬물로 🙏"}\r\n\r\n' +
  'event: delta\nid: 2\ndata: a\ndata:  b\n\n:\n\nevent: gone\n\nid: 3\rdata: c\r\rdata: unfinished';
const EVENTS: ServerEvent[] = [
  { name: 'delta', id: '1', data: '{"content":"찬물로 🙏"}' },
  { name: 'delta', id: '2', data: 'a\n b' },
  { name: 'message', id: '3', data: 'c' },
];

describe('SseParser', () => {
  const bytes = new TextEncoder().encode(STREAM);

  test('gives each event once, wherever the stream is cut', () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const parser = new SseParser();
      const events = [...parser.push(bytes.slice(0, cut)), ...parser.push(bytes.slice(cut))];
      expect(events, `cut at ${cut}`).toEqual(EVENTS);
    }
  });

  test('gives each event once when the stream comes byte by byte', () => {
    const parser = new SseParser();
    expect([...bytes].flatMap((byte) => parser.push(Uint8Array.of(byte)))).toEqual(EVENTS);
  });
});
