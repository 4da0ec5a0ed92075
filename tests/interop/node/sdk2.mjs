// The TypeScript SDK 2.x as a client, which also checks the issuer of the answer (RFC 9207). Arguments as for sdk1.mjs.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { life } from './life.mjs';

await life({ Client, StreamableHTTPClientTransport, UnauthorizedError, finish: (transport, answer) => transport.finishAuth(answer) });
