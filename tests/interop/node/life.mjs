// Login, tool call, refresh, revocation with one of the TypeScript SDKs.
//
// Prints "authorize <url>", reads the address the browser was sent to, then prints "result <JSON>".
import { createInterface } from 'node:readline/promises';

process.on('uncaughtException', (error) => {
  console.log(`failed ${error.name} ${error.code ?? ''} ${error.message} ${error.cause?.status ?? error.cause ?? ''}\n${error.stack}`);
  process.exit(1);
});

class Keeper {
  logins = [];
  kept = {};

  constructor(redirectUrl) {
    this.redirectUrl = redirectUrl;
    this.clientMetadata = {
      client_name: 'TypeScript SDK',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: process.argv[4] ?? 'none',
    };
  }

  state() { return this.kept.state ??= crypto.randomUUID(); }
  clientInformation() { return this.kept.client; }
  saveClientInformation(client) { this.kept.client = client; }
  tokens() { return this.kept.tokens; }
  saveTokens(tokens) { this.kept.tokens = tokens; }
  saveCodeVerifier(verifier) { this.kept.verifier = verifier; }
  codeVerifier() { return this.kept.verifier; }
  saveDiscoveryState(discovery) { this.kept.discovery = discovery; }
  discoveryState() { return this.kept.discovery; }
  redirectToAuthorization(url) { this.logins.push(String(url)); }
  invalidateCredentials(what) {
    if (what === 'all' || what === 'tokens') delete this.kept.tokens;
    if (what === 'all' || what === 'client') delete this.kept.client;
  }
}

// RFC 7009 §2.1, authenticated the way the client registered; neither SDK does it.
function revocation({ client, tokens }) {
  const body = new URLSearchParams({ token: tokens.refresh_token });
  const headers = {};
  if (client.token_endpoint_auth_method === 'client_secret_basic') {
    headers.authorization = `Basic ${btoa(`${encodeURIComponent(client.client_id)}:${encodeURIComponent(client.client_secret)}`)}`;
  } else {
    body.set('client_id', client.client_id);
    if (client.client_secret) body.set('client_secret', client.client_secret);
  }
  return { method: 'POST', body, headers };
}

export async function life({ Client, StreamableHTTPClientTransport, UnauthorizedError, finish }) {
  const [url, redirectUrl] = process.argv.slice(2);
  const keeper = new Keeper(redirectUrl);
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const transport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: keeper });

  async function whoami() {
    const client = new Client({ name: 'interop', version: '1' });
    await client.connect(transport());
    try {
      return (await client.callTool({ name: 'whoami', arguments: {} })).structuredContent;
    } finally {
      await client.close();
    }
  }

  const first = transport();
  const unauthorized = await new Client({ name: 'interop', version: '1' }).connect(first).catch((error) => error);
  if (!(unauthorized instanceof UnauthorizedError)) throw unauthorized ?? new Error('was let in without a login');
  console.log(`authorize ${keeper.logins[0]}`);
  const answer = new URL((await lines.next()).value).searchParams;
  if (answer.get('state') !== keeper.kept.state) throw new Error('another state came back');
  await finish(first, answer);

  const result = { caller: await whoami(), clientId: keeper.kept.client.client_id };
  const before = keeper.kept.tokens;
  keeper.kept.tokens = { ...before, access_token: 'not.a.token' };
  await whoami();
  result.refreshed = keeper.kept.tokens.access_token !== 'not.a.token';
  result.rotated = keeper.kept.tokens.refresh_token !== before.refresh_token;
  result.loginsBeforeRevocation = keeper.logins.length;

  const { revocation_endpoint: revoke } = keeper.kept.discovery.authorizationServerMetadata;
  result.revoked = (await fetch(revoke, revocation(keeper.kept))).status;
  const afterwards = await whoami().catch((error) => error);
  result.askedAgain = afterwards instanceof UnauthorizedError && keeper.logins.length === 2;
  result.keptRegistration = keeper.kept.client?.client_id === result.clientId;
  console.log(`result ${JSON.stringify(result)}`);
  process.exit(0);
}
