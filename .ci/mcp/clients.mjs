// The clients, each behind the same few functions.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';

const me = { name: 'capd-check', version: '1' };
const abilities = { capabilities: { elicitation: {} } };
const legacy = '2025-11-25';
const modern = '2026-07-28';

// user answers whatever a server asks.
export const user = { username: 'Ann', email: 'ann@example.com' };
const answer = () => ({ action: 'accept', content: user });

// script gives the path of a program of an installed package.
export function script(name, bin = name) {
  const file = createRequire(import.meta.url).resolve(`${name}/package.json`);
  const { bin: bins } = createRequire(import.meta.url)(file);
  return join(dirname(file), typeof bins === 'string' ? bins : bins[bin]);
}

// v1 notes the version that was agreed on where the client tells it: to its transport.
async function v1(transport) {
  const tell = transport.setProtocolVersion?.bind(transport);
  let version;
  transport.setProtocolVersion = (v) => {
    version = v;
    tell?.(v);
  };
  const client = new ClientV1(me, abilities);
  client.setRequestHandler(ElicitRequestSchema, answer);
  await client.connect(transport);
  return { client, version };
}

async function v2(transport, mode) {
  const client = new ClientV2(me, { ...abilities, versionNegotiation: { mode } });
  client.setRequestHandler('elicitation/create', answer);
  await client.connect(transport);
  return { client, version: client.getNegotiatedProtocolVersion() };
}

const quiet = (command, args) => ({ command, args, stderr: 'ignore' });

// clients are the clients that are tried: the protocol version each agrees on, and how it connects over HTTP and,
// where it can, to a command over stdio.
export const clients = [
  {
    name: 'TypeScript SDK v1',
    version: legacy,
    http: (url) => v1(new HttpV1(new URL(url))),
    stdio: (command, args) => v1(new StdioV1(quiet(command, args))),
  },
  {
    name: 'TypeScript SDK v2 as in the older era',
    version: legacy,
    http: (url) => v2(new HttpV2(new URL(url)), 'legacy'),
    stdio: (command, args) => v2(new StdioV2(quiet(command, args)), 'legacy'),
  },
  {
    name: 'TypeScript SDK v2',
    version: modern,
    http: (url) => v2(new HttpV2(new URL(url)), 'auto'),
    stdio: (command, args) => v2(new StdioV2(quiet(command, args)), 'auto'),
  },
  {
    // It is itself a server on stdio, for hosts that know nothing else.
    name: 'mcp-remote',
    version: legacy,
    http: (url) => v1(new StdioV1(quiet(process.execPath, [script('mcp-remote'), url, '--allow-http']))),
  },
];

// tools lists all pages of the tools.
export async function tools(client) {
  const all = [];
  let cursor;
  do {
    const page = await client.listTools(cursor === undefined ? undefined : { cursor });
    all.push(...page.tools);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return all;
}
