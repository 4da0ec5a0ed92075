// The TypeScript SDK 1.x as a client. Arguments: MCP URL, redirect URI. See life.mjs for the conversation.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { life } from './life.mjs';

await life({ Client, StreamableHTTPClientTransport, UnauthorizedError, finish: (transport, answer) => transport.finishAuth(answer.get('code')) });
